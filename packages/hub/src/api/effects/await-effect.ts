import type { Clock, Logger } from '@drover/contract';
import { DroverError } from '@drover/contract';

/** What has not taken effect yet. */
export interface Waiting {
  readonly subject: string;
  readonly message: string;
}

export interface Effected {
  readonly done: boolean;
  readonly waitingFor: readonly Waiting[];
}

const POLL_MS = 100;
const MAX_LISTED = 50;

/**
 * Waits until the hub has done its part and the agents have told that it took effect; at most `waitMs`. The work goes
 * on when the time is up, or when the caller has gone.
 *
 * @param run the hub's part, started already
 * @param pending what the record shows as not done
 * @throws what `run` rejects with, while it is waited for
 */
export async function awaitEffect(
  deps: { readonly clock: Clock; readonly log: Logger },
  run: Promise<unknown>,
  pending: () => Promise<readonly Waiting[]>,
  waitMs: number,
  signal: AbortSignal,
): Promise<Effected> {
  let ended = false;
  const work = run.finally(() => {
    ended = true;
  });
  work.catch((thrown: unknown) => deps.log.warn({ err: DroverError.from(thrown, 'api') }, 'what a caller asked for failed'));
  const ends = deps.clock.monotonic() + waitMs;
  const timer = new AbortController();
  try {
    await Promise.race([work, deps.clock.sleep(waitMs, AbortSignal.any([signal, timer.signal])).catch(() => {})]);
  } finally {
    timer.abort();
  }
  for (;;) {
    const waitingFor = ended ? await pending() : [{ subject: 'hub', message: 'it works on it' }, ...(await pending())];
    const left = ends - deps.clock.monotonic();
    if (waitingFor.length === 0) return { done: true, waitingFor: [] };
    if (left <= 0 || signal.aborted) return { done: false, waitingFor: waitingFor.slice(0, MAX_LISTED) };
    await deps.clock.sleep(Math.min(POLL_MS, left), signal).catch(() => {});
  }
}
