import type { Tree } from '#sources/types.ts';

/** A source at the commit to evaluate, and what differs from the one that was evaluated last. */
export interface SourceChange {
  readonly tree: Tree;
  /** Of the repository that the tree is from. */
  readonly url: string;
  /** Undefined when it cannot be told: everything is evaluated. */
  readonly changedPaths: readonly string[] | undefined;
}

/** What has happened since the last pass of the loop; everything is coalesced, so a storm is one pass. */
export interface Work {
  /** The configuration may have changed. */
  configuration: boolean;
  /** By source key. */
  readonly sources: Map<string, SourceChange>;
  /** Clusters joined, were accepted, or their labels or variables changed. */
  targets: boolean;
  /** UIDs of clusters that joined, again perhaps: every Delivery is evaluated for them. */
  readonly joined: Set<string>;
  /** UIDs whose bundle has to be composed again: mode, suspension, a unit that has left. */
  readonly clusters: Set<string>;
  /** UIDs whose facts changed. */
  readonly facts: Set<string>;
  /** `namespace/name@uid` to be rendered again. */
  readonly units: Set<string>;
  /** Compose every cluster: after a start. */
  everything: boolean;
  /** Called when the pass that took this work has ended. */
  readonly done: (() => void)[];
}

export interface Inbox {
  /** Adds to the work of the next pass. */
  add(change: (work: Work) => void): void;
  /** Resolves when there is work, and takes all of it. */
  take(signal: AbortSignal): Promise<Work>;
  /** Takes changes of some sources now, for a pass that runs already. */
  takeSources(which: (key: string) => boolean): ReadonlyMap<string, SourceChange>;
  /** Resolves when everything added until now was done by a pass. */
  settled(): Promise<void>;
}

export function noWork(): Work {
  return {
    configuration: false,
    sources: new Map(),
    targets: false,
    joined: new Set(),
    clusters: new Set(),
    facts: new Set(),
    units: new Set(),
    everything: false,
    done: [],
  };
}

export function createInbox(): Inbox {
  let work = noWork();
  let waiting = false;
  let wake: (() => void) | undefined;

  function add(change: (work: Work) => void): void {
    change(work);
    waiting = true;
    wake?.();
  }

  return {
    add,
    async take(signal) {
      while (!waiting) {
        signal.throwIfAborted();
        const { promise, resolve, reject } = Promise.withResolvers<void>();
        const aborted = (): void => reject(signal.reason as Error);
        signal.addEventListener('abort', aborted, { once: true });
        wake = resolve;
        try {
          await promise;
        } finally {
          wake = undefined;
          signal.removeEventListener('abort', aborted);
        }
      }
      const taken = work;
      work = noWork();
      waiting = false;
      return taken;
    },
    takeSources(which) {
      const taken = new Map([...work.sources].filter(([key]) => which(key)));
      for (const key of taken.keys()) work.sources.delete(key);
      return taken;
    },
    settled: () => new Promise((resolve) => add((next) => next.done.push(resolve))),
  };
}

/** Puts work back that a failed pass has not done; what has come since is newer. */
export function mergeWork(into: Work, from: Work): void {
  into.configuration ||= from.configuration;
  into.targets ||= from.targets;
  into.everything ||= from.everything;
  for (const uid of from.joined) into.joined.add(uid);
  for (const uid of from.clusters) into.clusters.add(uid);
  for (const uid of from.facts) into.facts.add(uid);
  for (const unit of from.units) into.units.add(unit);
  into.done.push(...from.done);
  for (const [key, older] of from.sources) {
    const newer = into.sources.get(key);
    into.sources.set(key, newer === undefined ? older : { ...newer, changedPaths: joined(older.changedPaths, newer.changedPaths) });
  }
}

/** Notes that a source moved; changes of several commits add up. */
export function addSourceChange(work: Work, key: string, change: SourceChange): void {
  const before = work.sources.get(key);
  work.sources.set(key, before === undefined ? change : { ...change, changedPaths: joined(before.changedPaths, change.changedPaths) });
}

/** More paths than this are not told apart from everything. */
const MAX_PATHS = 20_000;

function joined(a: readonly string[] | undefined, b: readonly string[] | undefined): readonly string[] | undefined {
  if (a === undefined || b === undefined) return undefined;
  const all = new Set([...a, ...b]);
  return all.size > MAX_PATHS ? undefined : [...all];
}
