import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { makeBlob, openBlob } from './blob.ts';
import { digestOf } from './digest.ts';
import { openEnvelope, rawPublicKey, writeEnvelope } from './envelope.ts';
import { HEAD_FORMAT, parseHead, writeHead } from './head.ts';
import { makeSealingKey, openSealed, seal } from './seal.ts';

const plain = new TextEncoder().encode('{"format":"drover.bundle/1"}'.repeat(40));

test('a head is sealed, signed, verified and opened by the cluster it is for', async () => {
  const cluster = await makeSealingKey();
  const { privateKey } = generateKeyPairSync('ed25519');
  const context = { fleet: 'f', cluster: 'c', epoch: 1, generation: 7 };
  const sealed = await seal(cluster.publicKey, context, plain);
  const head = {
    format: HEAD_FORMAT,
    ...context,
    content: digestOf(plain),
    sealed: digestOf(sealed),
    size: sealed.length,
    plainSize: plain.length,
  } as const;
  const envelope = writeEnvelope(writeHead(head), sealed, [privateKey]);
  const opened = openEnvelope(envelope, [rawPublicKey(privateKey)]);
  const read = parseHead(opened.payload);
  assert.deepEqual(read, head);
  assert.deepEqual(Buffer.from(await openSealed(cluster, read, opened.attachment)), Buffer.from(plain));
  const other = await makeSealingKey();
  await assert.rejects(openSealed(other, read, opened.attachment), { code: 'HEAD_REJECTED' });
  await assert.rejects(openSealed(cluster, { ...read, generation: 8 }, opened.attachment), { code: 'HEAD_REJECTED' });
});

test('I7 an envelope is refused at any flipped byte of signature or payload, and by a foreign key', () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  const trusted = [rawPublicKey(privateKey)];
  const payload = new TextEncoder().encode('{"a":1}');
  const envelope = writeEnvelope(payload, new Uint8Array(0), [privateKey]);
  for (let index = 0; index < envelope.length; index++) {
    const bad = Uint8Array.from(envelope);
    bad[index] = (bad[index] ?? 0) ^ 1;
    assert.throws(() => openEnvelope(bad, trusted), /HEAD_REJECTED|FORMAT_UNKNOWN/, `byte ${index}`);
  }
  assert.throws(() => openEnvelope(envelope, [rawPublicKey(generateKeyPairSync('ed25519').privateKey)]), { code: 'HEAD_REJECTED' });
  for (let length = 0; length < envelope.length; length++) assert.throws(() => openEnvelope(envelope.subarray(0, length), trusted));
});

test('a blob opens with its key alone, is equal for equal content and refuses any other bytes', () => {
  const secret = new Uint8Array(32).fill(7);
  const blob = makeBlob(secret, plain);
  assert.deepEqual(makeBlob(secret, plain), blob);
  assert.notEqual(makeBlob(new Uint8Array(32).fill(8), plain).ref.name, blob.ref.name);
  assert.deepEqual(Buffer.from(openBlob(blob.ref, blob.bytes)), Buffer.from(plain));
  const bad = Uint8Array.from(blob.bytes);
  bad[3] = (bad[3] ?? 0) ^ 1;
  assert.throws(() => openBlob(blob.ref, bad), { code: 'BLOB_REJECTED' });
  assert.throws(() => openBlob({ ...blob.ref, size: 10 }, blob.bytes), { code: 'BLOB_REJECTED' });
  assert.throws(() => openBlob({ ...blob.ref, key: Buffer.alloc(32).toString('base64') }, blob.bytes), { code: 'BLOB_REJECTED' });
});
