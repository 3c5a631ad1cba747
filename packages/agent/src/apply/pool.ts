/** Requests in flight to the API server at once. */
export const CONCURRENCY = 16;

/** Bounds how much runs at once, over all that share it. */
export interface Pool {
  /** Runs as soon as there is room; rejects as `work` does. */
  run<T>(work: () => Promise<T>): Promise<T>;
}

export function createPool(size: number): Pool {
  const waiting: (() => void)[] = [];
  let free = size;
  async function run<T>(work: () => Promise<T>): Promise<T> {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => void waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free++;
      else next();
    }
  }
  return { run };
}
