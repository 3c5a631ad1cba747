/** Runs at most `limit` tasks at a time, the others in the order they came. */
export type Limiter = <T>(signal: AbortSignal, task: () => Promise<T>) => Promise<T>;

export function createLimiter(limit: number): Limiter {
  let running = 0;
  const waiting = new Set<() => void>();

  return async (signal, task) => {
    signal.throwIfAborted();
    if (running >= limit) await turn(signal);
    else running++;
    try {
      return await task();
    } finally {
      const [next] = waiting;
      // the place is handed over, so that nobody who comes now can take it
      if (next === undefined) running--;
      else {
        waiting.delete(next);
        next();
      }
    }
  };

  function turn(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const enter = (): void => {
      signal.removeEventListener('abort', leave);
      resolve();
    };
    const leave = (): void => {
      waiting.delete(enter);
      reject(signal.reason as Error);
    };
    waiting.add(enter);
    signal.addEventListener('abort', leave, { once: true });
    return promise;
  }
}
