import type { UnitName } from '@drover/contract';
import { DroverError, FAILURES, unitName } from '@drover/contract';
import type { ConfigurationChange } from '#config/record.ts';
import type { Configuration, Delivery, GitRepository, Named } from '#config/types.ts';
import type { ComposeCluster, ComposeFleet } from '#compose/publish-cluster.ts';
import type { FleetCluster } from '#release/clusters.ts';
import type { EvaluateInput, Evaluated } from '#release/evaluate.ts';
import { indexKey } from '#release/evaluate.ts';
import type { ReadIndex } from '#release/read-index.ts';
import type { Tree } from '#sources/types.ts';
import { forEachLimited } from './for-each-limited.ts';
import type { HubPorts } from './ports.ts';
import type { Retries } from './retries.ts';
import { createRetries } from './retries.ts';
import type { Inbox, Work } from './work.ts';
import { addSourceChange, mergeWork, noWork } from './work.ts';

export interface ReconcileDeps {
  readonly ports: Pick<HubPorts, 'clock' | 'random' | 'log'>;
  readonly inbox: Inbox;
  readonly reads: ReadIndex;
  /** Configuration as the files have it now; undefined when it cannot be read: what is in force stays. */
  readonly readConfiguration: (trees: ReadonlyMap<string, Tree>, signal: AbortSignal) => Promise<Configuration | undefined>;
  readonly recordConfiguration: (configuration: Configuration) => Promise<ConfigurationChange>;
  /** All sources that are to be followed. */
  readonly sources: (configuration: Configuration) => readonly GitRepository[];
  /** Starts and stops the pollers of sources; trees that can be had at once are in the inbox when it resolves. */
  readonly follow: (sources: readonly GitRepository[], signal: AbortSignal) => Promise<void>;
  readonly sourceKey: (source: Pick<Named, 'namespace' | 'name'>) => string;
  /** Accepted clusters, with what the configuration declares of them. */
  readonly clusters: (configuration: Configuration, suspended: ReadonlySet<string>) => Promise<readonly FleetCluster[]>;
  /** Targets of suspensions by API. */
  readonly suspended: () => Promise<ReadonlySet<string>>;
  readonly hash: (delivery: Delivery) => string;
  readonly evaluate: (input: EvaluateInput, signal: AbortSignal) => Promise<Evaluated>;
  /** Notes revisions at which none of these Deliveries' units changed. */
  readonly noteRevisions: (deliveries: readonly { readonly delivery: Delivery; readonly revision: string }[]) => Promise<void>;
  /** @returns units whose content has to be rendered again before anything can be published */
  readonly publishCluster: (cluster: ComposeCluster, fleet: ComposeFleet, signal: AbortSignal) => Promise<readonly UnitName[]>;
}

export interface Reconciler {
  run(signal: AbortSignal): Promise<void>;
  /** In force; undefined before the first could be read. */
  configuration(): Configuration | undefined;
  /** True once a configuration was in force for a whole pass. */
  ready(): boolean;
  /** The commit of a source that was evaluated last. */
  tree(source: Pick<Named, 'namespace' | 'name'>): Tree | undefined;
}

const MAX_COMPOSE_IN_FLIGHT = 8;
const RETRY_MS = 1_000;

/**
 * The hub's loop: configuration → sources → render → release → rollout → compose → publish. One pass at a time, over
 * whatever has come together since the last. A Delivery that cannot be evaluated, or a cluster that cannot be published
 * to, is tried again by itself and holds up nobody else; a pass that fails as a whole keeps its work.
 */
export function createReconciler(deps: ReconcileDeps): Reconciler {
  const { clock, random, log } = deps.ports;
  let configuration: Configuration | undefined;
  let deliveries: ReadonlyMap<UnitName, Delivery> = new Map();
  let ready = false;
  /** Work that came before there was a configuration. */
  let backlog = noWork();
  const inputs = new Map<string, string>();
  /** By source key: the commits that are evaluated. They change between passes alone, so a pass sees one commit of each. */
  const trees = new Map<string, { readonly tree: Tree; readonly url: string }>();
  /** Deliveries to be evaluated for all clusters; kept until that has gone well. */
  const owed = new Set<UnitName>();
  /** Clusters whose bundle has to be composed; kept until that was tried. */
  const pending = new Set<string>();
  /** Why a Delivery or a cluster failed last: told once. */
  const told = new Map<string, string>();

  async function run(signal: AbortSignal): Promise<void> {
    const retries = createRetries({ clock, random }, signal);
    while (!signal.aborted) {
      const work = await deps.inbox.take(signal);
      try {
        await pass(work, retries, signal);
        for (const done of work.done) done();
      } catch (thrown) {
        if (signal.aborted) return;
        log.error({ err: DroverError.from(thrown, 'reconcile') }, 'pass failed; its work is kept');
        await clock.sleep(RETRY_MS * (1 + random.fraction()), signal);
        deps.inbox.add((next) => mergeWork(next, work));
      }
    }
  }

  async function pass(work: Work, retries: Retries, signal: AbortSignal): Promise<void> {
    for (const [key, { tree, url }] of work.sources) trees.set(key, { tree, url });
    await configure(work, retries, signal);
    mergeWork(work, backlog);
    if (configuration === undefined) {
      backlog = { ...work, done: [] };
      return;
    }
    backlog = noWork();
    const suspended = await deps.suspended();
    const clusters = await deps.clusters(configuration, suspended);
    noteInputs(clusters, work);
    for (const uid of work.clusters) pending.add(uid);
    const unevaluated = await evaluateAll(configuration.deliveries, clusters, work, retries, signal);
    if (work.everything) for (const { uid } of clusters) pending.add(uid);
    await composeAll(clusters, { deliveries, suspended, unevaluated }, retries, signal);
    ready = true;
  }

  async function configure(work: Work, retries: Retries, signal: AbortSignal): Promise<void> {
    if (!work.configuration && configuration !== undefined) return;
    const read = await deps.readConfiguration(new Map([...trees].map(([key, { tree }]) => [key, tree])), signal);
    // What may pass by itself is read again without being asked.
    const passing = read === undefined ? trees.size > 0 : read.problems.some(({ code }) => FAILURES[code].kind === 'transient');
    if (passing) retries.failed('configuration', () => deps.inbox.add((next) => (next.configuration = true)));
    else retries.succeeded('configuration');
    if (read === undefined) return;
    const next = await deps.recordConfiguration(read);
    for (const name of next.rendered) owed.add(name);
    for (const name of owed) if (!next.deliveries.has(name) || next.removed.has(name)) owed.delete(name);
    deliveries = next.deliveries;
    configuration = {
      ...read,
      deliveries: [...next.deliveries].filter(([name]) => !next.removed.has(name)).map(([, delivery]) => delivery),
    };
    // A bundle depends on more than content: on modes, suspensions, what is left.
    work.everything ||= next.changed.size > 0;
    const sources = deps.sources(configuration);
    await deps.follow(sources, signal);
    // What was restored takes part in this pass: else it would compose from a record that is half of one commit.
    for (const [key, change] of deps.inbox.takeSources((one) => !trees.has(one))) {
      addSourceChange(work, key, change);
      trees.set(key, change);
    }
    // A tree of a repository that is no longer followed cannot be read any more.
    const urls = new Map(sources.map((source) => [deps.sourceKey(source), source.url]));
    for (const [key, { url }] of trees) if (urls.get(key) !== url) trees.delete(key);
  }

  /** A cluster that joined, or whose labels or variables changed, is evaluated for every Delivery. */
  function noteInputs(clusters: readonly FleetCluster[], work: Work): void {
    for (const uid of work.joined) inputs.delete(uid);
    const accepted = new Set(clusters.map((cluster) => cluster.uid));
    for (const uid of inputs.keys()) if (!accepted.has(uid)) inputs.delete(uid);
    for (const cluster of clusters) {
      if (inputs.get(cluster.uid) === cluster.inputs) continue;
      inputs.set(cluster.uid, cluster.inputs);
      work.targets = true;
      work.clusters.add(cluster.uid);
      for (const name of deliveries.keys()) work.units.add(indexKey(name, cluster.uid));
    }
  }

  /** @returns Deliveries, with the keys of their sources, that are not evaluated at what their source holds */
  async function evaluateAll(
    configured: readonly Delivery[],
    clusters: readonly FleetCluster[],
    work: Work,
    retries: Retries,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<UnitName, string>> {
    const affected = new Map([...work.sources].map(([key, { changedPaths }]) => [key, deps.reads.affected(changedPaths ?? [])]));
    const unevaluated = new Map<UnitName, string>();
    const unchanged: { readonly delivery: Delivery; readonly revision: string }[] = [];
    for (const delivery of configured) {
      const name = unitName(delivery.namespace, delivery.name);
      const key = deps.sourceKey(delivery.sourceRef);
      const tree = trees.get(key)?.tree;
      if (tree === undefined) {
        unevaluated.set(name, key);
        continue;
      }
      const scope = scopeOf(name, key, clusters, affected.get(key), work);
      if (scope === undefined) {
        if (work.sources.has(key)) unchanged.push({ delivery, revision: tree.revision });
        continue;
      }
      try {
        const input = { delivery, configHash: deps.hash(delivery), tree, clusters, ...scope };
        const { touched, retry } = await deps.evaluate(input, signal);
        for (const uid of touched) pending.add(uid);
        owed.delete(name);
        succeeded(retries, `Delivery ${name}`);
        if (retry.size > 0)
          retries.later(name, retry, delivery.retryIntervalMs, (uids) =>
            deps.inbox.add((next) => uids.forEach((uid) => next.units.add(indexKey(name, uid)))),
          );
      } catch (thrown) {
        signal.throwIfAborted();
        unevaluated.set(name, key);
        owed.add(name);
        failed(retries, `Delivery ${name}`, thrown, () => deps.inbox.add(() => {}));
      }
    }
    if (unchanged.length > 0) await deps.noteRevisions(unchanged);
    return unevaluated;
  }

  /** What of a Delivery is to be rendered; undefined for nothing. */
  function scopeOf(
    name: UnitName,
    key: string,
    clusters: readonly FleetCluster[],
    affected: ReadonlySet<string> | undefined,
    work: Work,
  ): Pick<EvaluateInput, 'only' | 'factsOnly'> | undefined {
    const change = work.sources.get(key);
    if (owed.has(name) || (change !== undefined && change.changedPaths === undefined)) return { only: undefined, factsOnly: false };
    const content = new Set<string>();
    if ((affected !== undefined && affected.size > 0) || work.units.size > 0) {
      for (const { uid } of clusters) {
        const unit = indexKey(name, uid);
        if (affected?.has(unit) === true || work.units.has(unit)) content.add(uid);
      }
    }
    const only = new Set([...content, ...work.facts]);
    if (only.size === 0 && !work.targets) return undefined;
    return { only, factsOnly: content.size === 0 && only.size > 0 };
  }

  async function composeAll(clusters: readonly FleetCluster[], fleet: ComposeFleet, retries: Retries, signal: AbortSignal): Promise<void> {
    const compose = clusters.filter((cluster) => pending.has(cluster.uid));
    pending.clear();
    await forEachLimited(compose, MAX_COMPOSE_IN_FLIGHT, async (cluster) => {
      const { uid, name } = cluster;
      const again = (lost: readonly UnitName[]): void =>
        deps.inbox.add((work) => {
          work.clusters.add(uid);
          for (const unit of lost) work.units.add(indexKey(unit, uid));
        });
      try {
        const lost = await deps.publishCluster(cluster, fleet, signal);
        if (lost.length === 0) return succeeded(retries, `cluster ${name}`);
        const [first] = lost;
        const error = new DroverError('STORE_FAILED', `bundle of ${name}`, `content of ${first} is no longer stored: it is rendered again`);
        failed(retries, `cluster ${name}`, error, () => again(lost));
      } catch (thrown) {
        signal.throwIfAborted();
        failed(retries, `cluster ${name}`, thrown, () => again([]));
      }
    });
  }

  function failed(retries: Retries, what: string, thrown: unknown, again: () => void): void {
    const error = DroverError.from(thrown, what);
    if (told.get(what) !== error.message) log.error({ err: error, subject: what }, 'failed, and is tried again; the others go on');
    told.set(what, error.message);
    retries.failed(what, again);
  }

  function succeeded(retries: Retries, what: string): void {
    told.delete(what);
    retries.succeeded(what);
  }

  return {
    run,
    configuration: () => configuration,
    ready: () => ready,
    tree: (source) => trees.get(deps.sourceKey(source))?.tree,
  };
}
