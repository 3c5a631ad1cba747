/** What has happened since the last pass of the loop; everything is coalesced, so a storm is one pass. */
export interface Work {
  /** The configuration may have changed. */
  configuration: boolean;
  /** Source key → paths changed since the tree that was evaluated last; undefined when that cannot be told. */
  readonly sources: Map<string, readonly string[] | undefined>;
  /** Clusters joined, were accepted, or their labels or variables changed. */
  targets: boolean;
  /** UIDs whose bundle has to be composed again: mode, suspension, a unit that has left. */
  readonly clusters: Set<string>;
  /** UIDs whose facts changed. */
  readonly facts: Set<string>;
  /** `namespace/name@uid` to be rendered again. */
  readonly units: Set<string>;
  /** Compose every cluster: after a start. */
  everything: boolean;
}

export interface Inbox {
  /** Adds to the work of the next pass. */
  add(change: (work: Work) => void): void;
  /** Resolves when there is work, and takes all of it. */
  take(signal: AbortSignal): Promise<Work>;
}

export function noWork(): Work {
  return {
    configuration: false,
    sources: new Map(),
    targets: false,
    clusters: new Set(),
    facts: new Set(),
    units: new Set(),
    everything: false,
  };
}

export function createInbox(): Inbox {
  let work = noWork();
  let waiting = false;
  let wake: (() => void) | undefined;
  return {
    add(change) {
      change(work);
      waiting = true;
      wake?.();
    },
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
  };
}

/** Puts work back that a failed pass has not done. */
export function mergeWork(into: Work, from: Work): void {
  into.configuration ||= from.configuration;
  into.targets ||= from.targets;
  into.everything ||= from.everything;
  for (const uid of from.clusters) into.clusters.add(uid);
  for (const uid of from.facts) into.facts.add(uid);
  for (const unit of from.units) into.units.add(unit);
  for (const [key, paths] of from.sources) addChangedPaths(into, key, paths);
}

/** Notes that a source moved; changes of several commits add up. */
export function addChangedPaths(work: Work, key: string, paths: readonly string[] | undefined): void {
  const before = work.sources.get(key);
  const unknown = paths === undefined || (work.sources.has(key) && before === undefined);
  work.sources.set(key, unknown ? undefined : [...(before ?? []), ...paths]);
}
