export const MIN_BACKOFF_MS = 500;
export const MAX_BACKOFF_MS = 10_000;

/**
 * How long to wait before the next try: 0.5–10 s, the upper end doubling with each failure, with full jitter.
 *
 * @param failures in a row so far, at least 1
 * @param fraction uniform in [0, 1)
 */
export function backoffMs(failures: number, fraction: number): number {
  const ceiling = Math.min(MAX_BACKOFF_MS, MIN_BACKOFF_MS * 2 ** Math.min(failures, 20));
  return MIN_BACKOFF_MS + fraction * (ceiling - MIN_BACKOFF_MS);
}
