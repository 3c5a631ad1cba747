import { DroverError } from '@drover/contract';
import type { Clock } from '@drover/contract';

const LOOK_EVERY_MS = 250;

/**
 * Runs work that fills a directory, and stops it when the directory grows beyond a limit (faults.md B34). Work that
 * ends sooner than a look takes is judged afterwards.
 *
 * @throws DroverError GIT_TOO_LARGE
 */
export async function underDiskLimit<T>(
  deps: { readonly clock: Clock; readonly bytes: () => Promise<number>; readonly subject: string },
  maxBytes: number,
  work: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const ended = new AbortController();
  const stop = new AbortController();
  const tooLarge = (bytes: number): DroverError =>
    new DroverError('GIT_TOO_LARGE', deps.subject, `the repository takes more than ${bytes > maxBytes ? maxBytes : bytes} bytes`);
  const watch = async (): Promise<void> => {
    while (!ended.signal.aborted) {
      await deps.clock.sleep(LOOK_EVERY_MS, ended.signal);
      const bytes = await deps.bytes();
      if (bytes > maxBytes) return stop.abort(tooLarge(bytes));
    }
  };
  const watching = watch().catch(() => undefined);
  try {
    const result = await work(AbortSignal.any([signal, stop.signal]));
    const bytes = await deps.bytes();
    if (bytes > maxBytes) throw tooLarge(bytes);
    return result;
  } finally {
    ended.abort();
    await watching;
  }
}
