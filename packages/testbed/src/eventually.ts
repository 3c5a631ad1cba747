import { setTimeout as delay } from 'node:timers/promises';

/**
 * Runs a probe until it stops throwing.
 *
 * @param probe throws, or rejects, for "not yet"; its signal aborts when the time is up
 * @param timeoutMs how long to try, at least once
 * @returns what the probe returned
 * @throws the last failure of the probe; when it never ended, an Error that says so
 */
export async function eventually<T>(probe: (signal: AbortSignal) => T | Promise<T>, timeoutMs: number, everyMs = 40): Promise<T> {
  const ends = performance.now() + timeoutMs;
  const late = new AbortController();
  const { promise: deadline, reject: stop } = Promise.withResolvers<never>();
  const watchdog = setTimeout(() => {
    late.abort();
    stop(LATE);
  }, timeoutMs);
  let failure: unknown;
  try {
    for (;;) {
      try {
        return await Promise.race([(async () => probe(late.signal))(), deadline]);
      } catch (error) {
        if (error === LATE) throw failure ?? new Error(`the probe did not end within ${timeoutMs} ms`);
        failure = error;
      }
      if (performance.now() + everyMs > ends) throw failure;
      await delay(everyMs);
    }
  } finally {
    clearTimeout(watchdog);
  }
}

const LATE = Symbol('late');
