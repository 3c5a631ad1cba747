import type { KeyObject } from 'node:crypto';
import { createPublicKey, sign } from 'node:crypto';

const SEQUENCE = 0x30;
const SET = 0x31;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OBJECT_IDENTIFIER = 0x06;
const UTF8_STRING = 0x0c;
const ATTRIBUTES = 0xa0;

const COMMON_NAME = der(OBJECT_IDENTIFIER, Buffer.from('550403', 'hex'));
const ECDSA_WITH_SHA256 = der(OBJECT_IDENTIFIER, Buffer.from('2a8648ce3d040302', 'hex'));

/**
 * A certificate request (PKCS #10) in DER, without attributes, signed with ECDSA and SHA-256. Written by hand: packages
 * for X.509 cost an agent 20 MiB for these few bytes.
 *
 * @param privateKey of an elliptic curve
 * @see https://www.rfc-editor.org/rfc/rfc2986
 */
export function certificateRequest(privateKey: KeyObject, commonName: string): Uint8Array {
  const name = der(SEQUENCE, der(SET, der(SEQUENCE, COMMON_NAME, der(UTF8_STRING, Buffer.from(commonName, 'utf8')))));
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const info = der(SEQUENCE, der(INTEGER, Buffer.of(0)), name, publicKey, der(ATTRIBUTES));
  const signature = sign('sha256', info, { key: privateKey, dsaEncoding: 'der' });
  return new Uint8Array(der(SEQUENCE, info, der(SEQUENCE, ECDSA_WITH_SHA256), der(BIT_STRING, Buffer.of(0), signature)));
}

/** One value: tag, length, content. */
function der(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const size = content.reduce((sum, part) => sum + part.byteLength, 0);
  return Buffer.concat([Buffer.of(tag, ...lengthOf(size)), ...content]);
}

function lengthOf(size: number): readonly number[] {
  if (size < 0x80) return [size];
  return size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
}
