import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import type { Head } from '@drover/contract';
import { digestOf, HEAD_FORMAT, rawPublicKey, writeEnvelope, writeHead } from '@drover/contract';
import type { Rejection } from './judge-head.ts';
import { judgeHead } from './judge-head.ts';
import type { SeenHead } from './types.ts';

const { privateKey } = generateKeyPairSync('ed25519');
const stranger = generateKeyPairSync('ed25519').privateKey;
const sealed = Buffer.from('sealed');
const base: Head = {
  format: HEAD_FORMAT,
  fleet: 'f',
  cluster: 'c',
  epoch: 2,
  generation: 5,
  content: 'sha256:a',
  sealed: digestOf(sealed),
  size: sealed.length,
  plainSize: 1,
};
const write = (over: object = {}, key = privateKey, attachment: Uint8Array = sealed): Uint8Array =>
  writeEnvelope(writeHead({ ...base, ...over } as Head), attachment, [key]);
const at = (epoch: number, generation: number, content = 'sha256:a', fleet = 'f'): SeenHead => ({ fleet, epoch, generation, content });
const flip = (bytes: Uint8Array, index: number): Uint8Array => Uint8Array.from(bytes, (byte, here) => (here === index ? byte ^ 1 : byte));

interface Case {
  readonly name: string;
  readonly bytes?: Uint8Array;
  readonly seen?: SeenHead;
  readonly current?: SeenHead;
  readonly want: 'old' | 'known' | 'newer' | Rejection;
}

const cases: readonly Case[] = [
  { name: 'the first head is taken', want: 'newer' },
  { name: 'a head without attachment is taken', bytes: write({}, privateKey, new Uint8Array(0)), want: 'newer' },
  { name: 'a newer generation is taken', seen: at(2, 4), current: at(2, 4), want: 'newer' },
  { name: 'a newer epoch is taken whatever its generation', seen: at(1, 99), current: at(1, 99), want: 'newer' },
  { name: 'the head on record is delivered once after a restart', seen: at(2, 5), want: 'newer' },
  { name: 'F11 the head that is current is known', seen: at(2, 5), current: at(2, 5), want: 'known' },
  { name: 'B43 I4 a lower generation tells nothing', seen: at(2, 6), want: 'old' },
  { name: 'B43 I4 a lower epoch tells nothing', current: at(3, 1), want: 'old' },
  { name: 'T3 I4 a second content for the generation on record is a conflict', seen: at(2, 5, 'sha256:b'), want: 'Conflict' },
  {
    name: 'T3 I4 a second content for the current generation is a conflict',
    seen: at(2, 1),
    current: at(2, 5, 'sha256:b'),
    want: 'Conflict',
  },
  { name: 'a record of another fleet says nothing of the order in this one', seen: at(9, 9, 'sha256:z', 'g'), want: 'newer' },
  { name: 'B43 no bytes', bytes: new Uint8Array(0), want: 'Empty' },
  { name: 'B43 bytes that are no envelope', bytes: Buffer.from('{"epoch":9}'), want: 'Envelope' },
  { name: 'B43 an envelope cut short', bytes: write().subarray(0, 90), want: 'Envelope' },
  { name: 'B43 T3 a head signed by a stranger', bytes: write({ generation: 9 }, stranger), want: 'Signature' },
  { name: 'B43 an envelope of a later format', bytes: Buffer.concat([Buffer.from('DRV2'), write().subarray(4)]), want: 'Format' },
  { name: 'B43 F33 a head of a later format', bytes: write({ format: 'drover.head/2' }), want: 'Format' },
  { name: 'B43 a signed payload that lacks a field', bytes: write({ content: '' }), want: 'Payload' },
  { name: 'B43 T3 a head of another fleet', bytes: write({ fleet: 'g' }), want: 'Fleet' },
  { name: 'B43 T3 I6 a head of another cluster', bytes: write({ cluster: 'd' }), want: 'Cluster' },
  { name: 'I7 an attachment that is not the one signed for', bytes: flip(write(), write().length - 1), want: 'Attachment' },
  { name: 'I7 an attachment cut short', bytes: write().subarray(0, write().length - 1), want: 'Attachment' },
  {
    name: 'an older head with a damaged attachment tells nothing',
    bytes: write().subarray(0, write().length - 1),
    seen: at(2, 6),
    want: 'old',
  },
];
for (const { name, bytes = write(), seen, current, want } of cases) {
  test(name, () => {
    const verdict = judgeHead(bytes, { fleet: 'f', cluster: 'c', headKeys: [rawPublicKey(privateKey)] }, seen, current);
    assert.equal(verdict.type === 'rejected' ? verdict.reason : verdict.type, want);
    if (want === 'Conflict' && verdict.type === 'rejected') assert.equal(verdict.error.code, 'HEAD_CONFLICT');
  });
}
