import type { KeyObject } from 'node:crypto';
import { createHash, createPublicKey, sign, verify } from 'node:crypto';
import { DroverError } from './errors.ts';

/**
 * The envelope of a head: `DRV1 ‖ n ‖ n × (key id ‖ signature) ‖ length ‖ payload ‖ attachment`.
 *
 * Ed25519 signatures (n ≤ 8; key id: first 8 bytes of SHA-256 of the raw public key) are over
 * `drover/head/v1 ‖ 0 ‖ payload` and are verified before the payload is parsed. The length is a big-endian uint32. The
 * attachment (the sealed bundle manifest, up to 64 KiB) is not signed itself: the payload names its digest.
 */
const MAGIC = Buffer.from('DRV1');
const CONTEXT = Buffer.from('drover/head/v1\0');
const KEY_ID_BYTES = 8;
const SIGNATURE_BYTES = 64;
const MAX_SIGNATURES = 8;
const MAX_PAYLOAD_BYTES = 16 * 1024;

export interface OpenedEnvelope {
  readonly payload: Uint8Array;
  readonly attachment: Uint8Array;
  /** Ids of the trusted keys that signed. */
  readonly signers: readonly string[];
}

/** Raw 32 bytes of an Ed25519 public key, hex: how keys are handed out at enrolment. */
export function rawPublicKey(key: KeyObject): string {
  const jwk = (key.type === 'private' ? createPublicKey(key) : key).export({ format: 'jwk' });
  return Buffer.from(jwk.x ?? '', 'base64url').toString('hex');
}

export function importPublicKey(rawHex: string): KeyObject {
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(rawHex, 'hex').toString('base64url') }, format: 'jwk' });
}

export function keyId(rawHex: string): string {
  return createHash('sha256').update(Buffer.from(rawHex, 'hex')).digest().subarray(0, KEY_ID_BYTES).toString('hex');
}

export function writeEnvelope(payload: Uint8Array, attachment: Uint8Array, privateKeys: readonly KeyObject[]): Uint8Array {
  if (privateKeys.length === 0 || privateKeys.length > MAX_SIGNATURES)
    throw new RangeError(`envelope with ${privateKeys.length} signatures`);
  if (payload.length > MAX_PAYLOAD_BYTES) throw new RangeError(`envelope with a payload of ${payload.length} bytes`);
  const signed = Buffer.concat([CONTEXT, payload]);
  const parts: Uint8Array[] = [MAGIC, Uint8Array.of(privateKeys.length)];
  for (const key of privateKeys) parts.push(Buffer.from(keyId(rawPublicKey(key)), 'hex'), sign(null, signed, key));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(payload.length);
  return Buffer.concat([...parts, length, payload, attachment]);
}

/**
 * Verifies an envelope; nothing of the payload is parsed.
 *
 * @param trusted raw public keys, hex; one valid signature by any of them suffices
 * @throws DroverError FORMAT_UNKNOWN when the magic is another one, HEAD_REJECTED when it is malformed or no trusted key signed it
 */
export function openEnvelope(bytes: Uint8Array, trusted: readonly string[]): OpenedEnvelope {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length < MAGIC.length + 1) throw rejected(`${buffer.length} bytes are no envelope`);
  if (!buffer.subarray(0, MAGIC.length).equals(MAGIC)) {
    const magic = buffer.subarray(0, MAGIC.length).toString('latin1');
    if (/^DRV[0-9]$/.test(magic)) throw new DroverError('FORMAT_UNKNOWN', 'head', `envelope ${magic}: a newer agent is needed`);
    throw rejected('it does not begin as an envelope');
  }
  const count = buffer.readUInt8(MAGIC.length);
  let at = MAGIC.length + 1;
  const start = at + count * (KEY_ID_BYTES + SIGNATURE_BYTES);
  if (count === 0 || count > MAX_SIGNATURES || buffer.length < start + 4) throw rejected('it is cut short');
  const length = buffer.readUInt32BE(start);
  const end = start + 4 + length;
  if (length > MAX_PAYLOAD_BYTES || buffer.length < end) throw rejected('its payload is cut short');
  const payload = buffer.subarray(start + 4, end);
  const signed = Buffer.concat([CONTEXT, payload]);
  const keys = new Map(trusted.map((raw) => [keyId(raw), raw]));
  const signers: string[] = [];
  for (; at < start; at += KEY_ID_BYTES + SIGNATURE_BYTES) {
    const id = buffer.subarray(at, at + KEY_ID_BYTES).toString('hex');
    const raw = keys.get(id);
    if (raw === undefined) continue;
    if (verify(null, signed, importPublicKey(raw), buffer.subarray(at + KEY_ID_BYTES, at + KEY_ID_BYTES + SIGNATURE_BYTES)))
      signers.push(id);
  }
  if (signers.length === 0) throw rejected('no trusted key signed it');
  return { payload, attachment: buffer.subarray(end), signers };
}

function rejected(what: string): DroverError {
  return new DroverError('HEAD_REJECTED', 'head', what);
}
