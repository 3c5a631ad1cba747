import type { Clock } from '@drover/contract';
import type { Chance } from './chance.ts';
import { drained } from './drain-adapter.ts';

/**
 * Time and order of a simulated run. Whatever a program waits for is either a `turn`, of which a seeded draw picks the
 * next one, or a sleep on a clock that moves only when nothing else can happen.
 */
export interface World {
  readonly clock: Clock;
  /** Waits for its place in the order of events. */
  turn(): Promise<void>;
  /** Calls back at a time of this clock, ms from now. */
  at(ms: number, run: () => void): void;
  /**
   * Lets events happen until nothing is left to happen before `ms` from now, or `stop` says so.
   *
   * @throws Error after `maxSteps` events: something goes round for ever
   */
  run(ms: number, stop?: () => boolean): Promise<void>;
  readonly steps: number;
}

interface Sleeper {
  readonly at: number;
  readonly order: number;
  readonly wake: () => void;
}

const START_EPOCH_MS = 1_800_000_000_000;

export function createWorld(chance: Chance, maxSteps: number): World {
  const ready: (() => void)[] = [];
  const sleepers = new Set<Sleeper>();
  let now = 0;
  let order = 0;
  let steps = 0;

  function at(ms: number, wake: () => void): Sleeper {
    const sleeper = { at: now + Math.max(0, ms), order: order++, wake };
    sleepers.add(sleeper);
    return sleeper;
  }

  const clock: Clock = {
    now: () => START_EPOCH_MS + now,
    monotonic: () => now,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        signal.throwIfAborted();
        const stop = (): void => {
          sleepers.delete(sleeper);
          reject(signal.reason as Error);
        };
        const sleeper = at(ms, () => {
          signal.removeEventListener('abort', stop);
          resolve();
        });
        signal.addEventListener('abort', stop, { once: true });
      }),
  };

  function earliest(): Sleeper | undefined {
    let first: Sleeper | undefined;
    for (const sleeper of sleepers) {
      if (first === undefined || sleeper.at < first.at || (sleeper.at === first.at && sleeper.order < first.order)) first = sleeper;
    }
    return first;
  }

  async function run(ms: number, stop: () => boolean = () => false): Promise<void> {
    const end = now + ms;
    for (;;) {
      await drained();
      if (stop()) return;
      if (++steps > maxSteps) throw new Error(`more than ${maxSteps} events: something goes round for ever`);
      if (ready.length > 0) {
        ready.splice(chance.below(ready.length), 1)[0]?.();
        continue;
      }
      const next = earliest();
      if (next === undefined || next.at > end) {
        now = end;
        return;
      }
      now = next.at;
      sleepers.delete(next);
      next.wake();
    }
  }

  return {
    clock,
    turn: () => new Promise((resolve) => void ready.push(resolve)),
    at: (ms, wake) => void at(ms, wake),
    run,
    get steps() {
      return steps;
    },
  };
}
