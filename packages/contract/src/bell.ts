import type { Clock } from './ports.ts';

/** Waits that somebody can end early; a ring while nobody waits ends the next wait at once. */
export interface Bell {
  ring(): void;
  /** Resolves after `ms` or at a ring; rejects with the signal's reason. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
}

export function createBell(clock: Clock): Bell {
  let rung = false;
  let waiting: AbortController | undefined;
  return {
    ring() {
      rung = true;
      waiting?.abort();
    },
    async wait(ms, signal) {
      signal.throwIfAborted();
      if (!rung) {
        const early = new AbortController();
        waiting = early;
        await clock.sleep(ms, AbortSignal.any([signal, early.signal])).catch(() => {});
        waiting = undefined;
      }
      rung = false;
      signal.throwIfAborted();
    },
  };
}
