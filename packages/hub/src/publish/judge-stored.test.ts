import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import type { Head } from '@drover/contract';
import { HEAD_FORMAT, rawPublicKey, writeEnvelope, writeHead } from '@drover/contract';
import type { RecordedHead, StoredVerdict } from './judge-stored.ts';
import { judgeStored } from './judge-stored.ts';

const { privateKey } = generateKeyPairSync('ed25519');
const stranger = generateKeyPairSync('ed25519').privateKey;
const base = {
  format: HEAD_FORMAT,
  fleet: 'f',
  cluster: 'c',
  epoch: 2,
  generation: 5,
  content: 'sha256:a',
  sealed: 'sha256:b',
  size: 1,
  plainSize: 1,
};
const signed = (over: Partial<Head>, key = privateKey): Uint8Array =>
  writeEnvelope(writeHead({ ...base, ...over } as Head), Buffer.from('x'), [key]);
const recorded: RecordedHead = { epoch: 2, generation: 5, envelope: signed({}) };

const cases: { name: string; recorded?: RecordedHead | undefined; bytes: Uint8Array; epoch?: number; want: StoredVerdict['type'] }[] = [
  { name: 'the very bytes of the record are what should be there', bytes: signed({}), want: 'same' },
  { name: 'F8 an older generation is replaced', bytes: signed({ generation: 4 }), want: 'replace' },
  { name: 'F8 an older epoch is replaced', bytes: signed({ epoch: 1, generation: 9 }), want: 'replace' },
  { name: 'F6 a newer generation means that the store is behind', bytes: signed({ generation: 6 }), want: 'behind' },
  { name: 'F6 a newer epoch means that the store is behind', bytes: signed({ epoch: 3, generation: 1 }), want: 'behind' },
  { name: 'F6 a head of a cluster without record means that the store is behind', recorded: undefined, bytes: signed({}), want: 'behind' },
  { name: 'F5 another content for the same generation is another hub', bytes: signed({ content: 'sha256:z' }), want: 'race' },
  { name: 'F5 the same content sealed by somebody else is another hub', bytes: signed({ sealed: 'sha256:z' }), want: 'race' },
  {
    name: 'F6 a newer head of an ended epoch is left for the new epoch to replace',
    bytes: signed({ generation: 6 }),
    epoch: 3,
    want: 'leave',
  },
  {
    name: 'F5 a race of an ended epoch is left for the new epoch to replace',
    bytes: signed({ sealed: 'sha256:z' }),
    epoch: 3,
    want: 'leave',
  },
  { name: 'F9 bytes that nobody trusts are replaced', bytes: Buffer.from('garbage'), want: 'replace' },
  { name: 'F9 a newer head signed by a stranger is replaced', bytes: signed({ generation: 9 }, stranger), want: 'replace' },
  { name: 'a newer head of another cluster is replaced', bytes: signed({ generation: 9, cluster: 'd' }), want: 'replace' },
  { name: 'a newer head of another fleet is replaced', bytes: signed({ generation: 9, fleet: 'g' }), want: 'replace' },
];
for (const { name, bytes, epoch = 2, want, ...rest } of cases) {
  test(name, () => {
    const fleet = { fleet: 'f', trusted: [rawPublicKey(privateKey)], epoch, cluster: 'c' };
    assert.equal(judgeStored('recorded' in rest ? rest.recorded : recorded, bytes, fleet).type, want);
  });
}
