import type { Asked, Failure } from './failure.ts';

/** Most times one request is sent. */
export const MAX_ATTEMPTS = 6;
const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 5_000;
/** A server may ask for more patience than this: then the caller's own schedule decides. */
const MAX_RETRY_AFTER_MS = 30_000;

export type RetryVerdict =
  | { readonly type: 'again'; readonly afterMs: number }
  | { readonly type: 'give-up' }
  /** The reply was lost and the request is not one to repeat. */
  | { readonly type: 'unknown' };

/**
 * Decides what follows a failed attempt. Reads and applies may be repeated: an apply that landed is a no-op. What
 * creates, replaces or deletes is repeated only when the server did not begin.
 *
 * @param attempt how often it has been sent, from 1
 * @param fraction uniform in [0, 1): full jitter, on top of what the server asked for
 */
export function retryVerdict(asked: Asked, failure: Failure, attempt: number, fraction: number): RetryVerdict {
  const { outcome, retryAfterMs = 0 } = failure;
  if (outcome === 'Final') return { type: 'give-up' };
  const repeatable = asked.verb === 'get' || asked.verb === 'list' || asked.verb === 'apply';
  if (outcome !== 'Refused' && !repeatable && asked.verb !== 'watch') return { type: 'unknown' };
  if (attempt >= MAX_ATTEMPTS || asked.verb === 'watch' || retryAfterMs > MAX_RETRY_AFTER_MS) return { type: 'give-up' };
  const backoff = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (attempt - 1));
  return { type: 'again', afterMs: retryAfterMs + backoff * fraction };
}
