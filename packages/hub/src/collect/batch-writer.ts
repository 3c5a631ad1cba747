import type { Clock, Logger } from '@drover/contract';
import type { AgentBatch } from './types.ts';

/** One message on its way to the record. */
export interface Entry {
  readonly batch: AgentBatch;
  /** Encoded size. */
  readonly bytes: number;
  /** After the commit. */
  committed(): void;
  /** The commit failed, for this cluster's entries alone too. */
  failed(thrown: unknown): void;
}

export interface BatchWriter extends AsyncDisposable {
  add(entry: Entry): void;
  /** Bytes that wait. */
  pendingBytes(): number;
}

const MAX_BATCHES = 1000;

/**
 * The one writer: gives what has come in to `onBatch`, one call at a time and at most one in 50 ms; the first after a
 * pause goes at once. When a call fails, each cluster's messages are tried alone, so that one poisoned report does not
 * hold up the rest; what fails then is handed back.
 */
export const SPACING_MS = 50;

export function createBatchWriter(deps: {
  readonly clock: Clock;
  readonly log: Logger;
  readonly onBatch: (batches: AgentBatch[]) => Promise<void>;
}): BatchWriter {
  const { clock, log, onBatch } = deps;
  const ending = new AbortController();
  let waiting: Entry[] = [];
  let pending = 0;
  let running: Promise<void> | undefined;
  let lastStart = -Infinity;

  function add(entry: Entry): void {
    waiting.push(entry);
    pending += entry.bytes;
    running ??= run().finally(() => {
      running = undefined;
    });
  }

  async function run(): Promise<void> {
    // Everything of one turn of the event loop goes together.
    await Promise.resolve();
    while (waiting.length > 0) {
      const rest = lastStart + SPACING_MS - clock.monotonic();
      if (rest > 0) await clock.sleep(rest, ending.signal).catch(() => undefined);
      lastStart = clock.monotonic();
      const entries = waiting.slice(0, MAX_BATCHES);
      waiting = waiting.slice(MAX_BATCHES);
      await commit(entries);
      for (const entry of entries) pending -= entry.bytes;
    }
  }

  async function commit(entries: readonly Entry[]): Promise<void> {
    try {
      await onBatch(entries.map((entry) => entry.batch));
    } catch (thrown) {
      log.error({ err: thrown, batches: entries.length }, 'reports could not be committed together');
      const clusters = Map.groupBy(entries, (entry) => entry.batch.uid);
      if (clusters.size === 1) return entries.forEach((entry) => entry.failed(thrown));
      for (const own of clusters.values()) await commit(own);
      return;
    }
    for (const entry of entries) entry.committed();
  }

  return {
    add,
    pendingBytes: () => pending,
    async [Symbol.asyncDispose]() {
      ending.abort();
      await running;
    },
  };
}
