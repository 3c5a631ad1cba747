import { DroverError } from '@drover/contract';
import type { HubActions } from '#api/types.ts';
import { createRecorder } from '#collect/record.ts';
import type { AgentBatch, Collector } from '#collect/types.ts';
import { deletesBetween } from '#compose/deletes.ts';
import { createClusterPublisher } from '#compose/publish-cluster.ts';
import type { ConfigurationReader } from '#config/current.ts';
import { recordConfiguration, restoreConfiguration } from '#config/record.ts';
import type { Configuration, Delivery, GitRepository, Named } from '#config/types.ts';
import type { Publisher } from '#publish/types.ts';
import { createFleet } from '#release/clusters.ts';
import { evaluate, indexKey } from '#release/evaluate.ts';
import { createReadIndex } from '#release/read-index.ts';
import type { Renderer } from '#render/types.ts';
import { createSingleStage } from '#rollout/single-stage.ts';
import type { SourceFollower } from '#sources/follow.ts';
import { sourceKey } from '#sources/record-fetch.ts';
import type { Tree } from '#sources/types.ts';
import { judgeSeen } from '#state/behind.ts';
import type { Store } from '#state/store.ts';
import { storeAt } from './crash-points.ts';
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
  /** Whether a changed path of a source of the flags may change the configuration. */
  readonly isConfiguration: (path: string) => boolean;
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
  /** Before anybody can reach the hub. */
  begin(): Promise<void>;
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
  const fleet = createFleet(store.db);
  const at = (point: Parameters<typeof storeAt>[2]): Store => storeAt(store, ports.effect, point);
  const record = createRecorder({ store: at('report-commit'), now, fleet: deps.fleet, onUnit: stage.judge });
  const clusterPublisher = createClusterPublisher({
    store: at('outcome-commit'),
    fleet: deps.fleet,
    now,
    sourceKey,
    current: publisher.current,
    publish: publisher.publish,
    onUnit: stage.judge,
  });
  const follower = deps.createFollower((source, tree, changedPaths) =>
    inbox.add((work) => {
      addSourceChange(work, sourceKey(source), { tree, url: source.url, changedPaths });
      const first = deps.firstSources.some((one) => sourceKey(one) === sourceKey(source));
      work.configuration ||= first && (changedPaths === undefined || changedPaths.some(deps.isConfiguration));
    }),
  );
  const ending = new AbortController();
  let trees: ReadonlyMap<string, Tree> = new Map();
  const readConfiguration = deps.configurationReader(() => trees);

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
    recordConfiguration: (configuration) =>
      recordConfiguration({ store: at('configuration-commit'), now, hash: deps.configHash }, configuration),
    sources: withFirst,
    follow: follower.follow,
    clusters: (configuration, suspended) => fleet.clusters(configuration.clusters, suspended),
    suspended: suspensions,
    evaluate: (input, signal) =>
      evaluate(
        {
          store: at('release-commit'),
          now,
          reads,
          log: ports.log,
          deletesBetween,
          render: deps.renderer.render,
          storeUnit: publisher.storeUnit,
          startRollout: stage.start,
          skipRollout: stage.skip,
        },
        input,
        signal,
      ),
    noteRevisions: (noted) =>
      at('revision-commit').write(async (tx) => {
        for (const { delivery, revision } of noted)
          await tx
            .updateTable('delivery')
            .set({ revision })
            .where('namespace', '=', delivery.namespace)
            .where('name', '=', delivery.name)
            .execute();
      }),
    publishCluster: clusterPublisher.publishCluster,
  });

  /** Sources of the flags stay as the flags have them, whatever a configuration says, or said before the last restart. */
  function withFirst(configuration: Configuration): readonly GitRepository[] {
    const given = new Set(deps.firstSources.map(sourceKey));
    return [...deps.firstSources, ...configuration.sources.filter((source) => !given.has(sourceKey(source)))];
  }

  async function suspensions(): Promise<ReadonlySet<string>> {
    const rows = await store.db.selectFrom('suspension').select(['target', 'until']).execute();
    return new Set(rows.filter((row) => row.until === null || row.until > now()).map((row) => row.target));
  }

  /** Nobody has a stream to a hub that starts. */
  async function begin(): Promise<void> {
    await store.write(async (tx) => void (await tx.updateTable('cluster').set({ online: 0 }).where('online', '=', 1).execute()));
  }

  async function run(signal: AbortSignal): Promise<void> {
    await follower.follow(deps.firstSources, signal);
    inbox.add((work) => {
      work.configuration = true;
      work.targets = true;
      work.everything = true;
    });
    await Promise.all([reconciler.run(signal), publisher.run(signal)]);
  }

  async function onBatch(batches: readonly AgentBatch[]): Promise<void> {
    for (const batch of batches) for (const blob of batch.badBlobs) publisher.repairBlob(blob);
    const collected = await record(batches);
    for (const { uid, factsChanged } of collected) if (factsChanged) fleet.factsChanged(uid);
    if (!collected.some((entry) => entry.left.length > 0 || entry.factsChanged)) return;
    inbox.add((work) => {
      for (const { uid, left, factsChanged } of collected) {
        if (factsChanged) work.facts.add(uid);
        if (left.length === 0) continue;
        work.clusters.add(uid);
        // It may be wanted again by now; and with its last unit a Delivery that was removed is forgotten.
        for (const { unit } of left) work.units.add(indexKey(unit, uid));
        work.configuration = true;
      }
    });
  }

  /** What streams tell cannot be refused: a failure is logged, and the next sign mends it. */
  function mark(uid: string, set: { readonly online: number }): Promise<void> {
    return store
      .write(async (tx) => {
        await tx
          .updateTable('cluster')
          .set({ ...set, last_seen: now() })
          .where('uid', '=', uid)
          .execute();
      })
      .catch((thrown: unknown) =>
        ports.log.error({ err: DroverError.from(thrown, uid), cluster: uid }, 'its stream could not be recorded'),
      );
  }

  /** A cluster that has seen more than this store knows of tells so as soon as it joins. */
  async function judgeJoined(uid: string): Promise<void> {
    try {
      await store.write(async (tx) => {
        const row = await tx.selectFrom('cluster').selectAll().where('uid', '=', uid).executeTakeFirst();
        if (row === undefined || row.seen_fleet === null) return;
        const seen = { fleet: row.seen_fleet, epoch: row.seen_epoch, generation: row.seen_generation };
        await judgeSeen(store, tx, deps.fleet, row, seen);
      });
    } catch (thrown) {
      ports.log.error({ err: DroverError.from(thrown, uid), cluster: uid }, 'what it has seen could not be judged');
    }
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
    async disconnect(uid, natsUser) {
      deps.collector().disconnect(uid);
      if (natsUser !== undefined) return await deps.revokeNats(natsUser);
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
    begin,
    run,
    onBatch,
    onOnline: (uid, online) => mark(uid, { online: online ? 1 : 0 }),
    onJoined({ uid, replaced }) {
      inbox.add((work) => {
        work.targets = true;
        work.joined.add(uid);
        work.clusters.add(uid);
      });
      fleet.factsChanged(uid);
      void judgeJoined(uid);
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
    ready: reconciler.ready,
    async [Symbol.asyncDispose]() {
      ending.abort();
      await follower[Symbol.asyncDispose]();
    },
  };
}
