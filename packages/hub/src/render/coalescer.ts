import { DroverError } from '@drover/contract';

/** Runs a task once for all who ask for the same at the same time. */
export type Coalescer<T> = (key: string, signal: AbortSignal, run: () => Promise<T>) => Promise<T>;

/**
 * Nobody gets another one's failure: it may name that one's paths, or be no more than its cancellation. Whoever waited
 * for it runs the task for himself, or waits for the next who does.
 */
export function createCoalescer<T>(): Coalescer<T> {
  const running = new Map<string, Promise<T>>();

  return async (key, signal, run) => {
    for (let other = running.get(key); other !== undefined; other = running.get(key)) {
      try {
        return await other;
      } catch (thrown) {
        signal.throwIfAborted();
        if (thrown instanceof DroverError) break;
      }
    }
    const own = run();
    running.set(key, own);
    try {
      return await own;
    } finally {
      if (running.get(key) === own) running.delete(key);
    }
  };
}
