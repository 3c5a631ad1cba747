import type { Clock } from '@drover/contract';

/** A wait that ends early when somebody wakes it. */
export interface Waker {
  wake(): void;
  /**
   * Resolves when woken, also if that was since the last wait, or at `until` on the monotonic clock; rejects with the
   * signal's reason.
   */
  wait(until: number, signal: AbortSignal): Promise<void>;
}

export function createWaker(clock: Clock): Waker {
  let woken = false;
  let notify: (() => void) | undefined;
  return {
    wake() {
      woken = true;
      notify?.();
    },
    async wait(until, signal) {
      signal.throwIfAborted();
      if (!woken) {
        const timer = new AbortController();
        const called = new Promise<void>((done) => {
          notify = done;
          signal.addEventListener('abort', () => done(), { once: true, signal: timer.signal });
        });
        const slept = until === Infinity ? [] : [clock.sleep(Math.max(0, until - clock.monotonic()), timer.signal).catch(() => undefined)];
        await Promise.race([called, ...slept]);
        notify = undefined;
        timer.abort();
      }
      woken = false;
      signal.throwIfAborted();
    },
  };
}
