import { createHash, createHmac, hkdfSync } from 'node:crypto';

/** `sha256:<hex>`. */
export type Digest = string;

const utf8 = new TextEncoder();

export function sha256Hex(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function digestOf(bytes: Uint8Array | string): Digest {
  return `sha256:${sha256Hex(bytes)}`;
}

/**
 * Digest that may be shown outside manifests: HMAC-SHA-256 under the fleet's secret, so that the digest of a Secret
 * cannot be used to test guesses of its content.
 */
export function keyedDigest(fleetSecret: Uint8Array, digest: Digest): Digest {
  const key = derive(fleetSecret, 'drover/digest/v1', 32);
  return `hmac:${createHmac('sha256', key).update(utf8.encode(digest)).digest('hex')}`;
}

/** HKDF-SHA-256 with an empty salt. */
export function derive(secret: Uint8Array, info: string | Uint8Array, length: number): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, new Uint8Array(0), info, length));
}
