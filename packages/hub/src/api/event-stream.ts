import type { Clock } from '@drover/contract';
import type { Store } from '#state/store.ts';
import type { EventFilter } from './queries/events.ts';
import { eventsAfter, lastEventId } from './queries/events.ts';
import type { Reader } from './queries/reader.ts';

const BATCH = 500;
const HEARTBEAT_MS = 15_000;
const RETRY_MS = 2_000;

/**
 * The log after an id as server-sent events, until the signal aborts. It reads as fast as it is read, so a slow reader
 * costs no memory; silence is broken by comments, so that both ends see a broken line.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
export async function* eventStream(
  deps: Reader & { readonly store: Store; readonly clock: Clock },
  filter: EventFilter,
  after: number,
  signal: AbortSignal,
): AsyncGenerator<string> {
  let last = after;
  let news = Promise.withResolvers<void>();
  using _listener = deps.store.onEvents(() => news.resolve());
  signal.addEventListener('abort', () => news.resolve(), { once: true });
  yield `retry: ${RETRY_MS}\n: drover events after ${last}\n\n`;
  while (!signal.aborted) {
    news = Promise.withResolvers<void>();
    const newest = await lastEventId(deps);
    const rows = await eventsAfter(deps, filter, last, BATCH);
    for (const row of rows) yield `id: ${row.id}\ndata: ${JSON.stringify(row)}\n\n`;
    last = rows.at(-1)?.id ?? last;
    if (rows.length === BATCH) continue;
    last = Math.max(last, newest);
    if (signal.aborted) return;
    if (!(await within(deps.clock, HEARTBEAT_MS, news.promise, signal))) yield ': still here\n\n';
  }
}

/** False when the time was up first. */
async function within(clock: Clock, ms: number, promise: Promise<void>, signal: AbortSignal): Promise<boolean> {
  const timer = new AbortController();
  try {
    return await Promise.race([
      promise.then(() => true),
      clock.sleep(ms, AbortSignal.any([signal, timer.signal])).then(
        () => false,
        () => true,
      ),
    ]);
  } finally {
    timer.abort();
  }
}
