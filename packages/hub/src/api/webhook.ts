import { createHmac, timingSafeEqual } from 'node:crypto';
import { DroverError } from '@drover/contract';

/** What a generic webhook tells of a push; as much of it as is there. */
export interface Push {
  readonly before: string | undefined;
  readonly after: string | undefined;
}

/** Stands in for the key of a hook that does not exist, so that both take the same work. */
const NOBODY = Buffer.alloc(32);

/**
 * Proves a body by its header `sha256=<hex>`.
 *
 * @param key undefined when there is no such hook
 */
export function isSigned(body: Uint8Array, header: string, key: Uint8Array | undefined): boolean {
  const wanted = createHmac('sha256', key ?? NOBODY)
    .update(body)
    .digest();
  const match = /^sha256=([0-9a-f]{64})$/i.exec(header);
  const given = match === null ? Buffer.alloc(wanted.length) : Buffer.from(match[1] ?? '', 'hex');
  const equal = timingSafeEqual(wanted, given);
  return equal && match !== null && key !== undefined && key.length > 0;
}

/** @throws DroverError REQUEST_INVALID when the body is no JSON object */
export function readPush(body: Uint8Array): Push {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(body).toString('utf8'));
  } catch {
    value = undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new DroverError('REQUEST_INVALID', 'webhook', 'the body has to be a JSON object');
  const { before, after } = value as { readonly before?: unknown; readonly after?: unknown };
  const sha = (text: unknown): string | undefined => (typeof text === 'string' && /^[0-9a-f]{40,64}$/.test(text) ? text : undefined);
  return { before: sha(before), after: sha(after) };
}

/**
 * Whether a push that was told of before tells nothing new. A branch may be pushed back and forth: then the source is
 * where this push began, and it is news again.
 */
export function isReplay(push: Push, current: string | undefined): boolean {
  return push.before === undefined || push.before !== current;
}
