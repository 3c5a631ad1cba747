import { DroverError } from '@drover/contract';
import type { HubActions } from '#api/types.ts';
import { createRecorder } from '#collect/record.ts';
import type { AgentBatch, Collector } from '#collect/types.ts';
import { createClusterPublisher } from '#compose/publish-cluster.ts';
import type { ConfigurationReader } from '#config/current.ts';
import { recordConfiguration, restoreConfiguration } from '#config/record.ts';
import type { Configuration, Delivery, GitRepository, Named } from '#config/types.ts';
import type { Publisher } from '#publish/types.ts';
import { fleetClusters } from '#release/clusters.ts';
import { evaluate, indexKey } from '#release/evaluate.ts';
import { createReadIndex } from '#release/read-index.ts';
import type { Renderer } from '#render/types.ts';
import { createSingleStage } from '#rollout/single-stage.ts';
import type { SourceFollower } from '#sources/follow.ts';
import { sourceKey } from '#sources/record-fetch.ts';
import type { Tree } from '#sources/types.ts';
import type { Store } from '#state/store.ts';
import { maskSecrets } from './mask-secrets.ts';
import type { HubPorts } from './ports.ts';
import { createReconciler } from './reconcile.ts';
import { unmatchedNames } from './unmatched.ts';
import { addSourceChange, createInbox } from './work.ts';

export interface HubDeps {
  readonly ports: HubPorts;
  readonly store: Store;
  readonly fleet: string;
  readonly renderer: Renderer;
  readonly publisher: Publisher;
  readonly configHash: (delivery: Delivery) => string;
  /** @param trees by source key: the commits in force */
  readonly configurationReader: (trees: () => ReadonlyMap<string, Tree>) => ConfigurationReader;
  /** Sources that flags name: followed before there is a configuration. */
  readonly firstSources: readonly GitRepository[];
  readonly createFollower: (
    onTree: (source: GitRepository, tree: Tree, changedPaths: readonly string[] | undefined) => void,
  ) => SourceFollower;
  readonly collector: () => Collector;
  /** HMAC key of a source's generic webhook. */
  readonly webhookKey: (source: GitRepository) => Promise<Uint8Array | undefined>;
  /** Objects of a stored unit, as canonical JSON. */
  readonly readUnit: (digest: string) => Promise<readonly string[] | undefined>;
  /** Cuts a NATS user off: its cluster was rejected, or has a new key. */
  readonly revokeNats: (user: string) => Promise<void>;
}

export interface Hub extends AsyncDisposable {
  readonly actions: HubActions;
  run(signal: AbortSignal): Promise<void>;
  /** Commits what agents said; resolves after the commit. */
  onBatch(batches: readonly AgentBatch[]): Promise<void>;
  onOnline(uid: string, online: boolean): Promise<void>;
  /** A cluster has joined, or joined again; with a new key the old one's stream and NATS user end. */
  onJoined(joined: { readonly uid: string; readonly replaced?: { readonly natsUser: string | undefined } }): void;
  /** Two live agents present one identity. */
  onCloned(uid: string): Promise<void>;
  /** The configuration on disk may have changed. */
  readConfiguration(): void;
  /** True once a configuration was read, or restored, and evaluated. */
  ready(): boolean;
}

const MAX_SHOWN_FILE_BYTES = 256 * 1024;

/** Puts the phases together: what each of them needs of the others, and nothing more. */
export function createHub(deps: HubDeps): Hub {
  const { ports, store, publisher } = deps;
  const now = (): number => ports.clock.now();
  const inbox = createInbox();
  const reads = createReadIndex();
  const stage = createSingleStage({ store, now });
  const record = createRecorder({ store, now });
  const clusterPublisher = createClusterPublisher({
    store,
    fleet: deps.fleet,
    now,
    current: publisher.current,
    publish: publisher.publish,
  });
  const follower = deps.createFollower((source, tree, changedPaths) =>
    inbox.add((work) => {
      addSourceChange(work, sourceKey(source), { tree, changedPaths });
      work.configuration ||= changedPaths === undefined || deps.firstSources.some((first) => sourceKey(first) === sourceKey(source));
    }),
  );
  const ending = new AbortController();
  let trees: ReadonlyMap<string, Tree> = new Map();
  const readConfiguration = deps.configurationReader(() => trees);
  let ready = false;

  const reconciler = createReconciler({
    ports,
    inbox,
    reads,
    sourceKey,
    hash: deps.configHash,
    readConfiguration: async (current, signal) => {
      trees = current;
      return await readConfiguration(reconciler.configuration() ?? (await restoreConfiguration(store)), signal);
    },
    recordConfiguration: (configuration) => recordConfiguration({ store, now, hash: deps.configHash }, configuration),
    follow: (configuration, signal) => follower.follow(withFirst(configuration), signal),
    clusters: (configuration, suspended) => fleetClusters(store.db, configuration.clusters, suspended),
    suspended: suspensions,
    evaluate: (input, signal) =>
      evaluate(
        { store, now, reads, log: ports.log, render: deps.renderer.render, storeUnit: publisher.storeUnit, startRollout: stage.start },
        input,
        signal,
      ),
    noteRevision: (delivery, revision) =>
      store.write(async (tx) => {
        await tx
          .updateTable('delivery')
          .set({ revision })
          .where('namespace', '=', delivery.namespace)
          .where('name', '=', delivery.name)
          .execute();
      }),
    publishCluster: clusterPublisher.publishCluster,
  });

  /** Sources of the flags stay, whatever the configuration says of others. */
  function withFirst(configuration: Configuration): readonly GitRepository[] {
    const named = new Set(configuration.sources.map(sourceKey));
    return [...configuration.sources, ...deps.firstSources.filter((source) => !named.has(sourceKey(source)))];
  }

  async function suspensions(): Promise<ReadonlySet<string>> {
    const rows = await store.db.selectFrom('suspension').select(['target', 'until']).execute();
    return new Set(rows.filter((row) => row.until === null || row.until > now()).map((row) => row.target));
  }

  async function run(signal: AbortSignal): Promise<void> {
    // Nobody has a stream to a hub that starts.
    await store.write(async (tx) => void (await tx.updateTable('cluster').set({ online: 0 }).execute()));
    await follower.follow(deps.firstSources, signal);
    inbox.add((work) => {
      work.configuration = true;
      work.targets = true;
      work.everything = true;
    });
    void inbox.settled().then(() => (ready = true));
    await Promise.all([reconciler.run(signal), publisher.run(signal)]);
  }

  async function onBatch(batches: readonly AgentBatch[]): Promise<void> {
    for (const batch of batches) for (const blob of batch.badBlobs) publisher.repairBlob(blob);
    const collected = await ports.effect('report-commit', () => record(batches));
    for (const { uid, units } of collected) await stage.judge(uid, units);
    if (!collected.some((entry) => entry.left.length > 0 || entry.factsChanged)) return;
    inbox.add((work) => {
      for (const { uid, left, factsChanged } of collected) {
        if (left.length > 0) work.clusters.add(uid);
        if (factsChanged) work.facts.add(uid);
      }
    });
  }

  const sourceOf = (source: Named): GitRepository | undefined =>
    [...(reconciler.configuration()?.sources ?? []), ...deps.firstSources].find((known) => sourceKey(known) === sourceKey(source));

  const actions: HubActions = {
    async fetchSource(source) {
      const result = await follower.fetchNow(source);
      if (result === undefined) throw new DroverError('NOT_FOUND', sourceKey(source), 'no such source is followed');
      await inbox.settled();
    },
    async hintSource(source) {
      void follower.fetchNow(source);
      await store.write(async (tx) => {
        await tx
          .updateTable('source')
          .set({ last_webhook: now() })
          .where('namespace', '=', source.namespace)
          .where('name', '=', source.name)
          .execute();
      });
    },
    async webhookKey(source) {
      const spec = sourceOf(source);
      return spec === undefined ? undefined : deps.webhookKey(spec);
    },
    async verify({ uid, unit }) {
      inbox.add((work) => {
        const names =
          unit === undefined ? (reconciler.configuration()?.deliveries ?? []).map((entry) => `${entry.namespace}/${entry.name}`) : [unit];
        for (const name of names) work.units.add(indexKey(name, uid));
        work.clusters.add(uid);
      });
      await inbox.settled();
      deps.collector().reconcileNow(uid, unit);
    },
    async recompose(uids) {
      inbox.add((work) => {
        work.targets = true;
        if (uids === 'all') work.everything = true;
        else for (const uid of uids) work.clusters.add(uid);
      });
      await inbox.settled();
    },
    async disconnect(uid) {
      deps.collector().disconnect(uid);
      const row = await store.db.selectFrom('cluster').select('nats_user').where('uid', '=', uid).executeTakeFirst();
      if (row?.nats_user !== undefined && row.nats_user !== null) await deps.revokeNats(row.nats_user);
    },
    async manifest({ namespace, delivery, uid }) {
      const row = await store.db
        .selectFrom('unit')
        .select(['wanted', 'published'])
        .where('namespace', '=', namespace)
        .where('delivery', '=', delivery)
        .where('cluster', '=', uid)
        .executeTakeFirst();
      const digest = row?.wanted ?? row?.published ?? undefined;
      const texts = digest === undefined ? undefined : await deps.readUnit(digest);
      return texts?.map(maskSecrets);
    },
    declared: () => new Map((reconciler.configuration()?.clusters ?? []).map((spec) => [spec.name, spec])),
    async readSource(name, path) {
      const delivery = reconciler
        .configuration()
        ?.deliveries.find((entry) => entry.namespace === name.namespace && entry.name === name.name);
      const tree = delivery === undefined ? undefined : reconciler.tree(delivery.sourceRef);
      const entry = await tree?.entry(path, ending.signal);
      if (tree === undefined || entry?.type !== 'file') return undefined;
      const bytes = await tree.read(entry.oid, ending.signal, MAX_SHOWN_FILE_BYTES).catch(() => undefined);
      return bytes === undefined || bytes.includes(0) ? undefined : bytes.toString('utf8');
    },
    async unmatched() {
      const clusters = await store.db.selectFrom('cluster').select('name').where('accepted', '=', 1).execute();
      const deliveries = reconciler.configuration()?.deliveries ?? [];
      return await unmatchedNames(
        deliveries,
        clusters.map((row) => row.name),
        reconciler.tree,
        ending.signal,
      );
    },
  };

  return {
    actions,
    run,
    onBatch,
    async onOnline(uid, online) {
      await store.write(async (tx) => {
        await tx
          .updateTable('cluster')
          .set({ online: online ? 1 : 0, last_seen: now() })
          .where('uid', '=', uid)
          .execute();
      });
    },
    onJoined({ uid, replaced }) {
      inbox.add((work) => {
        work.targets = true;
        work.clusters.add(uid);
      });
      if (replaced === undefined) return;
      deps.collector().disconnect(uid);
      if (replaced.natsUser === undefined) return;
      deps.revokeNats(replaced.natsUser).catch((thrown: unknown) => {
        ports.log.error({ err: DroverError.from(thrown, uid), cluster: uid }, 'the old NATS user could not be revoked yet');
      });
    },
    async onCloned(uid) {
      const cluster = await store.db.selectFrom('cluster').select('name').where('uid', '=', uid).executeTakeFirst();
      await store.write((tx) =>
        store.event(tx, {
          severity: 'Error',
          reason: 'CLUSTER_CLONED',
          cluster: cluster?.name ?? uid,
          message: 'two live agents present the identity of this cluster; neither deletes anything until one of them is stopped',
        }),
      );
    },
    readConfiguration: () => inbox.add((work) => (work.configuration = true)),
    ready: () => ready,
    async [Symbol.asyncDispose]() {
      ending.abort();
      await follower[Symbol.asyncDispose]();
    },
  };
}
