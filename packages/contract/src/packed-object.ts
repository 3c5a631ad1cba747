import type { KeyObject } from 'node:crypto';
import { createCipheriv, createDecipheriv, createHmac, createSecretKey, hash } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { UnitObject } from './bundle.ts';
import { derive, digestOf } from './digest.ts';
import { DroverError } from './errors.ts';

/**
 * The bytes of one object as they lie inside packs: compressed, then encrypted under a key of the object's own.
 *
 * A pack is shared by every unit that has one of its objects, on whatever cluster; so a key that opened the whole pack
 * would hand each of those clusters what is meant for the others (I6). The key is derived from the compressed bytes:
 * equal content gives equal bytes, and a key only ever encrypts the one content it is derived from.
 */
const NONCE = new Uint8Array(12);
const TAG_BYTES = 16;
/** Up to this size a small window compresses as well, in half the time. */
const SMALL_BYTES = 4096;

export interface PackedObject {
  /** AES-256 key, base64. */
  readonly cipherKey: string;
  /** Bytes of the plaintext. */
  readonly size: number;
  readonly bytes: Uint8Array;
}

export function packObject(fleetSecret: Uint8Array, plain: Uint8Array): PackedObject {
  const small = plain.length <= SMALL_BYTES;
  const packed = deflateRawSync(plain, small ? { windowBits: 12, memLevel: 5 } : { level: 6 });
  const key = createHmac('sha256', rootKey(fleetSecret))
    .update(hash('sha256', packed, 'buffer'))
    .digest();
  const cipher = createCipheriv('aes-256-gcm', key, NONCE);
  const bytes = Buffer.concat([cipher.update(packed), cipher.final(), cipher.getAuthTag()]);
  return { cipherKey: key.toString('base64'), size: plain.length, bytes };
}

/** Making a key object costs more than all the rest of a small object: one is kept for each secret. */
const rootKeys = new WeakMap<Uint8Array, KeyObject>();

function rootKey(fleetSecret: Uint8Array): KeyObject {
  let key = rootKeys.get(fleetSecret);
  if (key === undefined) {
    key = createSecretKey(derive(fleetSecret, 'drover/object/v1', 32));
    rootKeys.set(fleetSecret, key);
  }
  return key;
}

/**
 * Opens what {@link packObject} made, after the blobs it was cut from were verified by their names.
 *
 * @returns the object's canonical JSON
 * @throws DroverError BLOB_REJECTED when tag, declared size or digest do not hold
 */
export function openObject(object: Pick<UnitObject, 'key' | 'digest' | 'cipherKey' | 'size'>, bytes: Uint8Array): Uint8Array {
  let plain: Uint8Array;
  try {
    const decipher = createDecipheriv('aes-256-gcm', Buffer.from(object.cipherKey, 'base64'), NONCE);
    decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
    const packed = Buffer.concat([decipher.update(bytes.subarray(0, bytes.length - TAG_BYTES)), decipher.final()]);
    plain = inflateRawSync(packed, { maxOutputLength: Math.max(1, object.size) });
  } catch (thrown) {
    throw new DroverError('BLOB_REJECTED', object.key, 'its bytes do not open with its key and declared size', { cause: thrown });
  }
  if (plain.length !== object.size || digestOf(plain) !== object.digest) {
    throw new DroverError('BLOB_REJECTED', object.key, 'its bytes are not those that the unit manifest names');
  }
  return plain;
}
