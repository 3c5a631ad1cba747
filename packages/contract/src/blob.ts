import { createCipheriv, createDecipheriv } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { derive, sha256Hex } from './digest.ts';
import { DroverError } from './errors.ts';

/**
 * A blob: at most 512 KiB of bytes as NATS carries them, named by the SHA-256 of exactly those bytes.
 *
 * Plaintext is compressed, then encrypted with AES-256-GCM under HKDF(fleet secret, sha256 of the compressed bytes):
 * equal content gives equal blobs, stored once for the fleet, which neither the broker nor an agent without the key
 * can read or guess. The nonce is fixed because a key only ever encrypts the one content it is derived from.
 */
export const MAX_BLOB_BYTES = 512 * 1024;
/** Most plaintext put into one blob: incompressible content of this size still fits {@link MAX_BLOB_BYTES}. */
export const MAX_BLOB_PLAIN_BYTES = MAX_BLOB_BYTES - 1024;

const NONCE = new Uint8Array(12);
const TAG_BYTES = 16;

/** Hex SHA-256 of the ciphertext: the last token of the subject `drover.blob.<name>`. */
export type BlobName = string;

/** How a reader finds and opens a blob. */
export interface BlobRef {
  readonly name: BlobName;
  /** AES-256 key, base64. */
  readonly key: string;
  /** Bytes of the plaintext: the most that may come out of decompression. */
  readonly size: number;
}

export interface Blob {
  readonly ref: BlobRef;
  readonly bytes: Uint8Array;
}

export function makeBlob(fleetSecret: Uint8Array, plain: Uint8Array): Blob {
  if (plain.length > MAX_BLOB_PLAIN_BYTES) throw new RangeError(`blob of ${plain.length} bytes: at most ${MAX_BLOB_PLAIN_BYTES}`);
  const packed = deflateRawSync(plain, { level: 6 });
  const key = derive(fleetSecret, `drover/blob/v1/${sha256Hex(packed)}`, 32);
  const cipher = createCipheriv('aes-256-gcm', key, NONCE);
  const bytes = Buffer.concat([cipher.update(packed), cipher.final(), cipher.getAuthTag()]);
  return { ref: { name: sha256Hex(bytes), key: Buffer.from(key).toString('base64'), size: plain.length }, bytes };
}

/**
 * Verifies, then decrypts, then decompresses.
 *
 * @throws DroverError BLOB_REJECTED when the name, the tag or the declared size does not hold
 */
export function openBlob(ref: BlobRef, bytes: Uint8Array): Uint8Array {
  if (bytes.length > MAX_BLOB_BYTES || bytes.length < TAG_BYTES) throw rejected(ref, `${bytes.length} bytes`);
  if (sha256Hex(bytes) !== ref.name) throw rejected(ref, 'its bytes do not have the digest of its name');
  try {
    const decipher = createDecipheriv('aes-256-gcm', Buffer.from(ref.key, 'base64'), NONCE);
    decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
    const packed = Buffer.concat([decipher.update(bytes.subarray(0, bytes.length - TAG_BYTES)), decipher.final()]);
    const plain = inflateRawSync(packed, { maxOutputLength: Math.max(1, ref.size) });
    if (plain.length !== ref.size) throw rejected(ref, `${plain.length} bytes of plaintext, ${ref.size} declared`);
    return plain;
  } catch (thrown) {
    if (thrown instanceof DroverError) throw thrown;
    throw rejected(ref, 'it cannot be opened with its key and declared size', thrown);
  }
}

function rejected(ref: BlobRef, what: string, cause?: unknown): DroverError {
  return new DroverError('BLOB_REJECTED', `blob ${ref.name.slice(0, 12)}`, what, { cause });
}
