/**
 * Runs over all items, at most `limit` at a time, in order of their start. The first failure stops the starting of more
 * and is thrown once those in flight have ended.
 */
export async function inFlight<T>(items: Iterable<T>, limit: number, run: (item: T) => Promise<void>): Promise<void> {
  const iterator = items[Symbol.iterator]();
  let failed = false;
  let failure: unknown;
  const worker = async (): Promise<void> => {
    for (let next = iterator.next(); !failed && next.done !== true; next = iterator.next()) {
      try {
        await run(next.value);
      } catch (thrown) {
        if (!failed) failure = thrown;
        failed = true;
      }
    }
  };
  await Promise.all(Array.from({ length: limit }, worker));
  if (failed) throw failure;
}
