import type { UnitName } from '@drover/contract';
import { DroverError, unitName } from '@drover/contract';
import type { ConfigurationChange } from '#config/record.ts';
import type { Configuration, Delivery } from '#config/types.ts';
import type { ComposeCluster } from '#compose/publish-cluster.ts';
import type { FleetCluster } from '#release/clusters.ts';
import type { EvaluateInput, Evaluated } from '#release/evaluate.ts';
import { indexKey } from '#release/evaluate.ts';
import type { ReadIndex } from '#release/read-index.ts';
import type { Tree } from '#sources/types.ts';
import { forEachLimited } from './for-each-limited.ts';
import type { HubPorts } from './ports.ts';
import type { Inbox, Work } from './work.ts';
import { mergeWork, noWork } from './work.ts';

export interface ReconcileDeps {
  readonly ports: HubPorts;
  readonly inbox: Inbox;
  readonly reads: ReadIndex;
  /** Configuration as the files have it now; undefined when it cannot be read: what is in force stays. */
  readonly readConfiguration: (trees: ReadonlyMap<string, Tree>, signal: AbortSignal) => Promise<Configuration | undefined>;
  readonly recordConfiguration: (configuration: Configuration) => Promise<ConfigurationChange>;
  /** Starts and stops the pollers of sources. */
  readonly follow: (configuration: Configuration, signal: AbortSignal) => Promise<void>;
  readonly sourceKey: (source: { readonly namespace: string; readonly name: string }) => string;
  /** Accepted clusters, with what the configuration declares of them. */
  readonly clusters: (configuration: Configuration, suspended: ReadonlySet<string>) => Promise<readonly FleetCluster[]>;
  /** Targets of suspensions by API. */
  readonly suspended: () => Promise<ReadonlySet<string>>;
  readonly hash: (delivery: Delivery) => string;
  readonly evaluate: (input: EvaluateInput, signal: AbortSignal) => Promise<Evaluated>;
  /** Notes a revision at which none of a Delivery's units changed. */
  readonly noteRevision: (delivery: Delivery, revision: string) => Promise<void>;
  readonly publishCluster: (
    cluster: ComposeCluster,
    deliveries: ReadonlyMap<UnitName, Delivery>,
    suspended: ReadonlySet<string>,
    signal: AbortSignal,
  ) => Promise<unknown>;
}

export interface Reconciler {
  run(signal: AbortSignal): Promise<void>;
  /** In force; undefined before the first could be read. */
  configuration(): Configuration | undefined;
  /** The commit of a source that was evaluated last. */
  tree(source: { readonly namespace: string; readonly name: string }): Tree | undefined;
}

const MAX_COMPOSE_IN_FLIGHT = 8;
const RETRY_MS = 1_000;

/**
 * The hub's loop: configuration → sources → render → release → rollout → compose → publish. One pass at a time, over
 * whatever has come together since the last; a pass that fails keeps its work and is tried again.
 */
export function createReconciler(deps: ReconcileDeps): Reconciler {
  let configuration: Configuration | undefined;
  let change: ConfigurationChange = { deliveries: new Map(), rendered: new Set(), changed: new Set(), removed: new Set() };
  /** Work that came before there was a configuration. */
  let backlog = noWork();
  const inputs = new Map<string, string>();
  /** By source key: the commits that are evaluated. They change between passes alone, so a pass sees one commit of each. */
  const trees = new Map<string, Tree>();
  /** Clusters whose bundle has to be composed; kept over a failed pass. */
  const pending = new Set<string>();

  async function run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const work = await deps.inbox.take(signal);
      try {
        await pass(work, signal);
        for (const done of work.done) done();
      } catch (thrown) {
        if (signal.aborted) return;
        deps.ports.log.error({ err: DroverError.from(thrown, 'reconcile') }, 'pass failed; its work is kept');
        await deps.ports.clock.sleep(RETRY_MS * (1 + deps.ports.random.fraction()), signal);
        deps.inbox.add((next) => mergeWork(next, work));
      }
    }
  }

  async function pass(work: Work, signal: AbortSignal): Promise<void> {
    for (const [key, { tree }] of work.sources) trees.set(key, tree);
    await configure(work, signal);
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
    for (const delivery of configuration.deliveries) {
      for (const uid of await evaluateDelivery(delivery, clusters, work, signal)) pending.add(uid);
    }
    if (work.everything || change.changed.size > 0) for (const { uid } of clusters) pending.add(uid);
    const compose = clusters.filter((cluster) => pending.has(cluster.uid));
    await forEachLimited(compose, MAX_COMPOSE_IN_FLIGHT, async (cluster) => {
      await deps.publishCluster(cluster, change.deliveries, suspended, signal);
      pending.delete(cluster.uid);
    });
    change = { ...change, rendered: new Set(), changed: new Set() };
  }

  async function configure(work: Work, signal: AbortSignal): Promise<void> {
    if (!work.configuration && configuration !== undefined) return;
    const read = await deps.readConfiguration(trees, signal);
    if (read === undefined) return;
    const next = await deps.recordConfiguration(read);
    // What a failed pass has not rendered or composed yet stays to be done.
    change = { ...next, rendered: new Set([...next.rendered, ...change.rendered]), changed: new Set([...next.changed, ...change.changed]) };
    configuration = {
      ...read,
      deliveries: [...next.deliveries].filter(([name]) => !next.removed.has(name)).map(([, delivery]) => delivery),
    };
    await deps.follow(configuration, signal);
  }

  /** A cluster whose labels or variables changed is evaluated for every Delivery. */
  function noteInputs(clusters: readonly FleetCluster[], work: Work): void {
    for (const cluster of clusters) {
      if (inputs.get(cluster.uid) === cluster.inputs) continue;
      inputs.set(cluster.uid, cluster.inputs);
      work.targets = true;
      work.clusters.add(cluster.uid);
      for (const name of change.deliveries.keys()) work.units.add(indexKey(name, cluster.uid));
    }
  }

  async function evaluateDelivery(
    delivery: Delivery,
    clusters: readonly FleetCluster[],
    work: Work,
    signal: AbortSignal,
  ): Promise<ReadonlySet<string>> {
    const name = unitName(delivery.namespace, delivery.name);
    const key = deps.sourceKey(delivery.sourceRef);
    const tree = trees.get(key);
    if (tree === undefined) return new Set();
    const moved = work.sources.has(key);
    const changedPaths = work.sources.get(key)?.changedPaths;
    const all = change.rendered.has(name) || (moved && changedPaths === undefined);
    const affected = changedPaths === undefined ? new Set<string>() : deps.reads.affected(changedPaths);
    const only = new Set<string>();
    const content = new Set<string>();
    for (const { uid } of clusters) {
      const unit = indexKey(name, uid);
      if (affected.has(unit) || work.units.has(unit)) content.add(uid);
      if (content.has(uid) || work.facts.has(uid)) only.add(uid);
    }
    if (!all && only.size === 0 && !work.targets) {
      if (moved) await deps.noteRevision(delivery, tree.revision);
      return new Set();
    }
    const factsOnly = !all && content.size === 0 && only.size > 0;
    const configHash = deps.hash(delivery);
    const evaluated = await deps.evaluate({ delivery, configHash, tree, clusters, only: all ? undefined : only, factsOnly }, signal);
    if (evaluated.retry.size > 0) retryLater(delivery, name, evaluated.retry, signal);
    return evaluated.touched;
  }

  function retryLater(delivery: Delivery, name: UnitName, uids: ReadonlySet<string>, signal: AbortSignal): void {
    deps.ports.clock.sleep(delivery.retryIntervalMs, signal).then(
      () => deps.inbox.add((work) => uids.forEach((uid) => work.units.add(indexKey(name, uid)))),
      () => {},
    );
  }

  return { run, configuration: () => configuration, tree: (source) => trees.get(deps.sourceKey(source)) };
}
