import { LRUCache } from 'lru-cache';
import type { Outcome } from './result-codec.ts';
import { decodeOutcome, encodeOutcome, sizeOf } from './result-codec.ts';
import { reportedScope } from './scope.ts';
import { inputOf } from './reads.ts';
import type { TreeView } from './tree-view.ts';
import type { Read, RenderCache, RenderCluster } from './types.ts';
import { clusterValue } from './variables.ts';

export interface Hit {
  readonly outcome: Outcome;
  readonly reads: readonly Read[];
}

/**
 * Outcomes by what they were made from. A lookup (Delivery, path, engine) has had one or more closures; one answers
 * when every path it read has the same git object now, every absent name is absent, and every value of the cluster it
 * asked for is the same. Kept in memory, and behind that in the store.
 */
export interface OutcomeCache {
  find(lookup: string, view: TreeView, cluster: RenderCluster, signal: AbortSignal): Promise<Hit | undefined>;
  put(lookup: string, reads: readonly Read[], outcome: Outcome): Promise<void>;
}

interface Closure {
  readonly reads: readonly Read[];
  readonly result: string;
}

const KEPT_LOOKUPS = 50_000;
/** As many closures of one lookup; a Delivery whose clusters share a path has one for each combination of inputs. */
const KEPT_CLOSURES = 8;
const KEPT_OUTCOME_BYTES = 128 * 1024 * 1024;

export function createOutcomeCache(store: RenderCache): OutcomeCache {
  const closures = new LRUCache<string, readonly Closure[]>({ max: KEPT_LOOKUPS });
  const outcomes = new LRUCache<string, Outcome>({ maxSize: KEPT_OUTCOME_BYTES });

  async function find(lookup: string, view: TreeView, cluster: RenderCluster, signal: AbortSignal): Promise<Hit | undefined> {
    const known = closures.get(lookup);
    const seen = known ?? (await store.closures(lookup));
    for (const { reads, result } of seen) {
      if (!(await isCurrent(reads, view, cluster, signal))) continue;
      const outcome = outcomes.get(result) ?? (await stored(result));
      if (outcome === undefined) continue;
      if (known === undefined) closures.set(lookup, seen);
      return { outcome, reads };
    }
    return undefined;
  }

  async function stored(key: string): Promise<Outcome | undefined> {
    const bytes = await store.result(key);
    const outcome = bytes === undefined ? undefined : decodeOutcome(key, bytes);
    if (outcome !== undefined) outcomes.set(key, outcome, { size: sizeOf(outcome) });
    return outcome;
  }

  async function put(lookup: string, reads: readonly Read[], outcome: Outcome): Promise<void> {
    const { key, bytes } = encodeOutcome(outcome);
    if (!outcomes.has(key)) {
      await store.putResult(key, bytes);
      outcomes.set(key, outcome, { size: sizeOf(outcome) });
    }
    await store.put(lookup, reads, key);
    closures.set(lookup, [{ reads, result: key }, ...(closures.get(lookup) ?? [])].slice(0, KEPT_CLOSURES));
  }

  return { find, put };
}

async function isCurrent(reads: readonly Read[], view: TreeView, cluster: RenderCluster, signal: AbortSignal): Promise<boolean> {
  for (const read of reads) {
    const input = inputOf(read);
    if (input !== undefined) {
      if (inputNow(input, cluster) !== read.oid) return false;
      continue;
    }
    // most entries are known: waiting for each would cost more than looking
    let entry = view.known(read.path);
    if (entry === undefined) entry = (await view.entry(read.path, signal)) ?? null;
    if ((entry?.oid ?? null) !== read.oid) return false;
  }
  return true;
}

function inputNow(input: string, cluster: RenderCluster): string | null {
  const scope = /^scope\/([^/]*)\/(.+)$/.exec(input);
  if (scope !== null) return reportedScope(scope[1] ?? '', scope[2] ?? '', cluster.apiResources) ?? null;
  return clusterValue(input.slice('cluster/'.length), cluster) ?? null;
}
