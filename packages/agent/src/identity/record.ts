import type { LiveObject } from '#kube/types.ts';
import type { IdentityRecord } from './types.ts';
import { IDENTITY_FORMAT } from './types.ts';

/** The identity as data of its Secret. */
const KEY = 'identity.json';

export function encodeIdentity(record: IdentityRecord): Record<string, Uint8Array> {
  return { [KEY]: Buffer.from(JSON.stringify(record)) };
}

/** Undefined when the Secret holds no identity that can be used. Nothing of it is ever quoted. */
export function decodeIdentity(secret: LiveObject): IdentityRecord | undefined {
  const text = (secret['data'] as Readonly<Record<string, unknown>> | undefined)?.[KEY];
  if (typeof text !== 'string') return undefined;
  try {
    const record = JSON.parse(Buffer.from(text, 'base64').toString('utf8')) as IdentityRecord;
    const { privateKeyPem, sealing, natsSeed, natsUser, cacheKey } = record.keys;
    const whole = [record.uid, privateKeyPem, sealing.publicKey, sealing.privateKey, natsSeed, natsUser, cacheKey].every(
      (value) => typeof value === 'string' && value !== '',
    );
    return record.format === IDENTITY_FORMAT && whole ? record : undefined;
  } catch {
    return undefined;
  }
}
