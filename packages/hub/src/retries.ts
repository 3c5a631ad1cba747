import type { Clock, Random } from '@drover/contract';

/** What failed and is to be tried again by itself, by key: one timer a key, so that what fails often costs no more. */
export interface Retries {
  /** Tries again after a pause that doubles with each failure in a row; ignored while a try of this key is due already. */
  failed(key: string, again: () => void): void;
  /** It went well. */
  succeeded(key: string): void;
  /** Collects items by key and hands them over together after a pause, counted from the first of them. */
  later(key: string, items: Iterable<string>, ms: number, again: (items: ReadonlySet<string>) => void): void;
}

const FIRST_MS = 1_000;
const MAX_MS = 60_000;

/** @param signal ends all pauses */
export function createRetries(deps: { readonly clock: Clock; readonly random: Random }, signal: AbortSignal): Retries {
  const failures = new Map<string, number>();
  const due = new Set<string>();
  const collected = new Map<string, Set<string>>();

  function after(ms: number, run: () => void): void {
    deps.clock.sleep(ms, signal).then(run, () => {});
  }

  return {
    failed(key, again) {
      if (due.has(key)) return;
      const count = failures.get(key) ?? 0;
      failures.set(key, count + 1);
      due.add(key);
      const ms = Math.min(MAX_MS, FIRST_MS * 2 ** Math.min(count, 16));
      after(ms * (0.5 + deps.random.fraction() / 2), () => {
        due.delete(key);
        again();
      });
    },
    succeeded: (key) => void failures.delete(key),
    later(key, items, ms, again) {
      const known = collected.get(key);
      const all = known ?? new Set<string>();
      for (const item of items) all.add(item);
      if (known !== undefined) return;
      collected.set(key, all);
      after(ms, () => {
        collected.delete(key);
        again(all);
      });
    },
  };
}
