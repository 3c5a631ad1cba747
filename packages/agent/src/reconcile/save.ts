import { DroverError } from '@drover/contract';
import { itemsInUse, recordOf } from './desired.ts';
import type { Term } from './term.ts';
import { sayOnce } from './term.ts';

/** Puts the bundle on record, with its intents and newest content, in one write. */
export async function saveState(term: Term, signal: AbortSignal): Promise<void> {
  const { desired, inventory, cache } = term;
  if (desired === undefined) return;
  const { recent, packs } = await cache.commit(itemsInUse(desired, inventory.entries), signal);
  await inventory.writeState(recordOf(desired, packs, inventory.record), recent, signal);
  await cache.sweep(packs, signal).catch((thrown: unknown) => {
    const error = DroverError.from(thrown, 'cache');
    if (error.code === 'LEASE_LOST' || signal.aborted) throw thrown;
    term.ports.log.warn({ err: error }, 'packs of the cache that are not in use stay for now');
  });
  if (!cache.durable()) {
    const message = 'what is applied here does not fit into the cluster: after a loss of the disk the agent needs NATS to enforce it';
    sayOnce(term, 'CACHE_NOT_DURABLE', { severity: 'Warning', reason: 'CACHE_NOT_DURABLE', message });
  }
}
