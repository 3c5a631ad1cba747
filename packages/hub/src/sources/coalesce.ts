/**
 * Wraps work so that at most one run is going and one is waiting, whoever asks however often (faults.md F29). Who asks
 * while one is going shares the waiting one, which starts with the newest input: it sees whatever happened before it
 * was asked for.
 */
export interface Coalesced<I, O> extends AsyncDisposable {
  /** Rejects with the signal's reason as soon as it aborts; the run itself stops when nobody waits for it any more. */
  (input: I, signal: AbortSignal): Promise<O>;
}

interface Batch<I, O> {
  input: I;
  interested: number;
  readonly stop: AbortController;
  readonly result: PromiseWithResolvers<O>;
}

export function coalesce<I, O>(work: (input: I, signal: AbortSignal) => Promise<O>): Coalesced<I, O> {
  let running: Batch<I, O> | undefined;
  let waiting: Batch<I, O> | undefined;
  let idle: Promise<void> = Promise.resolve();
  let disposed: Error | undefined;

  async function drain(): Promise<void> {
    while (waiting !== undefined) {
      const batch = waiting;
      running = batch;
      waiting = undefined;
      try {
        batch.result.resolve(await work(batch.input, batch.stop.signal));
      } catch (error) {
        batch.result.reject(error);
      }
      running = undefined;
    }
  }

  const call = async (input: I, signal: AbortSignal): Promise<O> => {
    signal.throwIfAborted();
    if (disposed !== undefined) throw disposed;
    let batch = waiting;
    if (batch === undefined) {
      batch = { input, interested: 0, stop: new AbortController(), result: Promise.withResolvers() };
      // Those who asked may all have gone when it fails.
      batch.result.promise.catch(() => undefined);
      waiting = batch;
      if (running === undefined) idle = drain();
    } else batch.input = input;
    const mine = batch;
    mine.interested += 1;
    const aborted = Promise.withResolvers<never>();
    const onAbort = (): void => {
      aborted.reject(signal.reason as Error);
      mine.interested -= 1;
      if (mine.interested > 0) return;
      mine.stop.abort(signal.reason);
      if (waiting === mine) waiting = undefined;
    };
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await Promise.race([mine.result.promise, aborted.promise]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  };

  return Object.assign(call, {
    async [Symbol.asyncDispose]() {
      disposed ??= new Error('no more runs: it was closed');
      for (const batch of [running, waiting]) {
        batch?.stop.abort(disposed);
        batch?.result.reject(disposed);
      }
      waiting = undefined;
      await idle;
    },
  });
}
