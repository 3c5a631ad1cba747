import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from './digest.ts';
import { openObject, packObject } from './packed-object.ts';

const secret = new Uint8Array(32).fill(7);
const plain = new TextEncoder().encode('{"apiVersion":"v1","kind":"ConfigMap"}'.repeat(300));

test('an object opens with its own key and is equal for equal content', () => {
  for (const bytes of [plain, plain.subarray(0, 38), new Uint8Array(0)]) {
    const packed = packObject(secret, bytes);
    assert.deepEqual(packObject(secret, bytes), packed);
    assert.deepEqual(
      Buffer.from(openObject({ ...packed, key: '/ConfigMap//a', digest: digestOf(bytes) }, packed.bytes)),
      Buffer.from(bytes),
    );
  }
});

test('I6 the key of one object opens no other object of the same pack', () => {
  const a = packObject(secret, plain);
  const b = packObject(secret, plain.subarray(1));
  assert.notEqual(a.cipherKey, b.cipherKey);
  assert.throws(() => openObject({ ...a, key: '/Secret/x/b', digest: digestOf(plain.subarray(1)) }, b.bytes), { code: 'BLOB_REJECTED' });
});

test('B44 an object is refused at any flipped byte, cut short, with another digest, or past its declared size', () => {
  const packed = packObject(secret, plain);
  const object = { ...packed, key: '/ConfigMap//a', digest: digestOf(plain) };
  for (let index = 0; index < packed.bytes.length; index++) {
    const bad = Uint8Array.from(packed.bytes);
    bad[index] = (bad[index] ?? 0) ^ 1;
    assert.throws(() => openObject(object, bad), { code: 'BLOB_REJECTED' });
  }
  assert.throws(() => openObject(object, packed.bytes.subarray(0, 7)), { code: 'BLOB_REJECTED' });
  assert.throws(() => openObject({ ...object, size: 10 }, packed.bytes), { code: 'BLOB_REJECTED' });
  assert.throws(() => openObject({ ...object, size: plain.length + 1 }, packed.bytes), { code: 'BLOB_REJECTED' });
  assert.throws(() => openObject({ ...object, digest: digestOf('x') }, packed.bytes), { code: 'BLOB_REJECTED' });
});
