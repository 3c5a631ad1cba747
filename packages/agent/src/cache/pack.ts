import { createCipheriv, createDecipheriv } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { Digest } from '@drover/contract';
import { digestOf, DroverError } from '@drover/contract';

/**
 * A pack: several items of the cache, deflated and encrypted together: `DRC1 ‖ nonce (12) ‖ ciphertext ‖ tag (16)`.
 * An item is named by the SHA-256 of its text, which is checked when it is read.
 */
export type Items = ReadonlyMap<Digest, string>;

const MAGIC = Buffer.from('DRC1');
export const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const MAX_PLAIN_BYTES = 256 * 1024 * 1024;

/** @param key 32 bytes @param nonce 12 random bytes */
export function sealPack(key: Uint8Array, nonce: Uint8Array, items: Items): Uint8Array {
  const packed = deflateRawSync(JSON.stringify([...items.values()]), { level: 6 });
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  return Buffer.concat([MAGIC, nonce, cipher.update(packed), cipher.final(), cipher.getAuthTag()]);
}

/** @throws DroverError BLOB_REJECTED when it was not sealed with this key, or is damaged */
export function openPack(key: Uint8Array, bytes: Uint8Array): Items {
  if (bytes.length === 0) return new Map();
  try {
    if (bytes.length < MAGIC.length + NONCE_BYTES + TAG_BYTES || Buffer.compare(bytes.subarray(0, MAGIC.length), MAGIC) !== 0) {
      throw new Error('it is no pack');
    }
    const body = bytes.subarray(MAGIC.length + NONCE_BYTES);
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(MAGIC.length, MAGIC.length + NONCE_BYTES));
    decipher.setAuthTag(body.subarray(body.length - TAG_BYTES));
    const packed = Buffer.concat([decipher.update(body.subarray(0, body.length - TAG_BYTES)), decipher.final()]);
    const texts = JSON.parse(inflateRawSync(packed, { maxOutputLength: MAX_PLAIN_BYTES }).toString()) as readonly string[];
    return new Map(texts.map((text) => [digestOf(text), text]));
  } catch (thrown) {
    throw new DroverError('BLOB_REJECTED', 'pack of the cache', 'it cannot be opened with the key of this agent', { cause: thrown });
  }
}
