/**
 * How many fetches are in flight: more while answers come, half as many when one is late, so that a slow link carries
 * few at a time and each of them arrives.
 */
export interface Window {
  readonly size: number;
  /** Waits for a place; rejects with the signal's reason. */
  enter(signal: AbortSignal): Promise<void>;
  leave(outcome: 'answered' | 'late'): void;
}

export function createWindow(limits: { readonly first: number; readonly most: number }): Window {
  let size = limits.first;
  let inside = 0;
  let answers = 0;
  const queue: (() => void)[] = [];

  function admit(): void {
    while (inside < size) {
      const next = queue.shift();
      if (next === undefined) return;
      inside++;
      next();
    }
  }

  return {
    get size() {
      return size;
    },
    async enter(signal) {
      signal.throwIfAborted();
      if (inside < size && queue.length === 0) {
        inside++;
        return;
      }
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const stop = (): void => {
        const at = queue.indexOf(resolve);
        if (at < 0) return;
        queue.splice(at, 1);
        reject(signal.reason as Error);
      };
      queue.push(resolve);
      signal.addEventListener('abort', stop, { once: true });
      await promise.finally(() => signal.removeEventListener('abort', stop));
    },
    leave(outcome) {
      inside--;
      if (outcome === 'late') {
        size = Math.max(1, Math.floor(size / 2));
        answers = 0;
      } else if (++answers >= size && size < limits.most) {
        size = Math.min(limits.most, size * 2);
        answers = 0;
      }
      admit();
    },
  };
}
