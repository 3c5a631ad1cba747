import type { Clock, UnitName } from '@drover/contract';
import type { VerifiedBundle } from '#pull/types.ts';

export const ALL = '*';

/** What has arrived and was not looked at yet; the loop empties it once a round. */
export interface Inbox {
  /** The newest bundle that was delivered; taken by the loop. */
  bundle: VerifiedBundle | undefined;
  /** Units, or {@link ALL}, to be tried again at once, by a request from outside. */
  readonly requests: Set<UnitName>;
  /** Ends the wait. */
  wake(): void;
  /** Resolves when woken, or at `until` on the monotonic clock. */
  wait(until: number, clock: Clock, signal: AbortSignal): Promise<void>;
}

export function createInbox(): Inbox {
  let woken = false;
  let notify: (() => void) | undefined;
  return {
    bundle: undefined,
    requests: new Set(),
    wake() {
      woken = true;
      notify?.();
    },
    async wait(until, clock, signal) {
      signal.throwIfAborted();
      if (!woken) {
        const timer = new AbortController();
        const slept =
          until === Infinity
            ? new Promise<void>(() => {})
            : clock.sleep(Math.max(0, until - clock.monotonic()), timer.signal).catch(() => undefined);
        const called = new Promise<void>((resolve) => {
          notify = resolve;
          signal.addEventListener('abort', () => resolve(), { once: true, signal: timer.signal });
        });
        await Promise.race([slept, called]);
        notify = undefined;
        timer.abort();
      }
      woken = false;
      signal.throwIfAborted();
    },
  };
}
