import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import type { BundleManifest, Clock, Effect, LeftReport, UnitReport } from '@drover/contract';
import { makeSealingKey } from '@drover/contract';
import { random } from '@drover/runtime';
import type { DatabaseConnection, Dialect } from 'kysely';
import type { AgentBatch } from '#collect/types.ts';
import { configHash } from '#config/config-hash.ts';
import { createConfigurationReader } from '#config/current.ts';
import { configFilesFromTree } from '#config/files-from-tree.ts';
import { zeroSource } from '#config/zero.ts';
import type { GitRepository } from '#config/types.ts';
import type { Broker } from '#publish/broker.ts';
import { createPublisher } from '#publish/publisher.ts';
import { createMemoryCache } from '#render/memory-cache.ts';
import { createRenderer } from '#render/renderer.ts';
import { memoryTree } from '#render/testdata/memory-tree.ts';
import type { Renderer } from '#render/types.ts';
import { sourceKey } from '#sources/record-fetch.ts';
import type { Tree } from '#sources/types.ts';
import { openSqlite } from '#state/sqlite-adapter.ts';
import type { Store } from '#state/store.ts';
import { openStore } from '#state/store.ts';
import { createFiles } from '../files-adapter.ts';
import type { Hub } from '../hub.ts';
import { createHub } from '../hub.ts';

/** The hub's core for tests: real store, renderer and publisher; Git, NATS and agents are played by the test. */

const FLAGS = { url: 'https://git.example.com/fleet.git', insecure: false };
const FLEET = '11111111-2222-4333-8444-555555555555';
const silent = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

export type Files = Readonly<Record<string, string>>;

/** Not reached: SQL alone counts here. */
const noBroker: Broker = {
  connected: false,
  connections: 0,
  onChange: () => ({ [Symbol.dispose]() {} }),
  streams: never,
  heads: never,
  blobs: never,
  head: never,
  putHead: never,
  blob: never,
  putBlob: never,
  removeBlob: never,
  async [Symbol.asyncDispose]() {},
};
function never(): Promise<never> {
  return Promise.reject(new Error('there is no broker'));
}

/** A clock that stands still until it is told. */
export interface TestClock extends Clock {
  advance(ms: number): Promise<void>;
}

export function testClock(start = 1_000_000): TestClock {
  let at = start;
  const sleeping = new Set<{ readonly until: number; readonly wake: () => void }>();
  return {
    now: () => at,
    monotonic: () => at,
    sleep: (ms, signal) =>
      new Promise((done, fail) => {
        signal.throwIfAborted();
        const sleeper = {
          until: at + ms,
          wake: () => {
            sleeping.delete(sleeper);
            done();
          },
        };
        sleeping.add(sleeper);
        signal.addEventListener('abort', () => sleeping.delete(sleeper) && fail(signal.reason as Error), { once: true });
      }),
    async advance(ms) {
      at += ms;
      for (const sleeper of [...sleeping]) if (sleeper.until <= at) sleeper.wake();
      await turn();
    },
  };
}

export interface CoreOptions {
  readonly effect?: Effect;
  readonly renderer?: (real: Renderer) => Renderer;
  /** Wraps what the core asks of the store and the publisher. */
  readonly wrap?: Partial<Parameters<typeof createHub>[0]> | ((deps: Parameters<typeof createHub>[0]) => Partial<Parameters<typeof createHub>[0]>);
  /** `--source` has another URL than when the fleet was made. */
  readonly url?: string;
}

export interface Core {
  readonly hub: Hub;
  readonly errors: { readonly fields: object; readonly message: string }[];
  /** A commit of the source of the flags; resolves when a pass has taken it. */
  push(files: Files, changedPaths?: readonly string[]): Promise<void>;
  /** A commit of another source. */
  pushTo(name: string, files: Files, changedPaths?: readonly string[]): Promise<void>;
  /** Puts a commit into the inbox without waiting. */
  offer(name: string, files: Files, changedPaths?: readonly string[]): void;
  settled(): Promise<void>;
  stop(): Promise<void>;
  /** Its process is gone: nothing of it is waited for. */
  abandon(): void;
}

export interface TestFleet extends AsyncDisposable {
  readonly store: Store;
  readonly clock: TestClock;
  /** Sources of the last `follow`. */
  readonly followed: Map<string, GitRepository>;
  start(options?: CoreOptions): Promise<Core>;
  /** A cluster that has joined and is accepted. */
  addCluster(name: string, labels?: Readonly<Record<string, string>>): Promise<string>;
  bundle(cluster: string): Promise<{ readonly epoch: number; readonly generation: number; readonly manifest: BundleManifest } | undefined>;
  /** What the bundle of a cluster delivers: unit → names of its objects; and what left. */
  delivers(cluster: string): Promise<{ readonly units: Readonly<Record<string, readonly string[]>>; readonly left: Readonly<Record<string, string>> }>;
  /** `presence state` of each unit, by `delivery@cluster`. */
  states(): Promise<Readonly<Record<string, string>>>;
  /** What an agent says that has applied all of a bundle (the current one), and is done with what left. */
  report(cluster: string, over?: { readonly unit?: Partial<UnitReport>; readonly head?: { epoch: number; generation: number } }): Promise<AgentBatch>;
  events(reason: string): Promise<readonly string[]>;
  /** Makes statements fail until it is disposed of. */
  failing(which: (sql: string) => boolean): Disposable;
}

export const uidOf = (name: string): string => `uid-${name}`;

/** @param database in memory unless named, for measuring */
export async function testFleet(database = ':memory:'): Promise<TestFleet> {
  const directory = mkdtempSync(join(tmpdir(), 'drover-core-'));
  const clock = testClock();
  let fails: (statement: string) => boolean = () => false;
  const store = await openStore({ dialect: failingDialect(database, (statement) => fails(statement)), now: () => clock.now() });
  const sealing = await makeSealingKey();
  const keys = { fleet: FLEET, secret: new Uint8Array(32).fill(7), headKeys: [generateKeyPairSync('ed25519').privateKey] };
  const followed = new Map<string, GitRepository>();
  const cores: Core[] = [];
  const revisions = { count: 0 };
  /** What a mirror would hold after a restart. */
  const mirrors = new Map<string, { readonly url: string; readonly tree: Tree }>();

  async function start(options: CoreOptions = {}): Promise<Core> {
    const errors: { readonly fields: object; readonly message: string }[] = [];
    const log = { ...silent, error: (fields: object, message: string) => void errors.push({ fields, message }) };
    const flags = { ...FLAGS, ...(options.url === undefined ? {} : { url: options.url }) };
    const first = zeroSource(flags);
    const ports = {
      clock,
      random: { ...random, fraction: () => 0 },
      effect: options.effect ?? ((_point: string, run: () => Promise<unknown>) => run()) as Effect,
      log,
      run: () => Promise.reject(new Error('no programs here')),
      files: createFiles({ dataDirectory: directory }),
    };
    const publisher = createPublisher({ ports, store, keys, broker: noBroker, blobDirectory: join(directory, 'blobs') });
    const real = createRenderer({
      engine: { version: async () => 'none', build: () => Promise.reject(new Error('no kustomize here')) },
      cache: createMemoryCache(),
    });
    let onTree: (source: GitRepository, tree: Tree, changedPaths: readonly string[] | undefined) => void = () => {};
    const own = new Set<string>();
    const deps: Parameters<typeof createHub>[0] = {
      ports,
      store,
      fleet: FLEET,
      renderer: options.renderer?.(real) ?? real,
      publisher: { ...publisher, run: () => Promise.resolve() },
      configHash,
      isConfiguration: (path) => path.startsWith('drover/'),
      firstSources: [first],
      configurationReader: (trees) =>
        createConfigurationReader({
          files: ports.files,
          flags,
          directory: undefined,
          filesOfTree: async (signal) => {
            const tree = trees().get(sourceKey(first));
            return tree === undefined ? 'unknown' : configFilesFromTree(tree, 'drover', signal);
          },
        }),
      createFollower: (listener) => {
        onTree = listener;
        return {
          has: (source) => followed.has(sourceKey(source)),
          async follow(sources) {
            const wanted = new Set(sources.map(sourceKey));
            for (const key of own) if (!wanted.has(key)) own.delete(key);
            followed.clear();
            for (const source of sources) {
              const key = sourceKey(source);
              followed.set(key, source);
              const kept = mirrors.get(key);
              if (!own.has(key) && kept?.url === source.url) listener(source, kept.tree, undefined);
              own.add(key);
            }
          },
          fetchNow: async () => undefined,
          async [Symbol.asyncDispose]() {},
        };
      },
      collector: () => ({
        reconcileNow: () => true,
        online: () => new Set(),
        disconnect: () => {},
        async [Symbol.asyncDispose]() {},
      }),
      webhookKey: async () => undefined,
      readUnit: async () => undefined,
      revokeNats: async () => {},
    };
    const wrapped = typeof options.wrap === 'function' ? options.wrap(deps) : options.wrap;
    const hub = createHub({ ...deps, ...wrapped });
    const stopping = new AbortController();
    await hub.begin();
    // Agents are quick to open their streams again.
    for (const { uid } of await store.db.selectFrom('cluster').select('uid').execute()) await hub.onOnline(uid, true);
    const running = hub.run(stopping.signal).catch((thrown: unknown) => {
      if (!stopping.signal.aborted) throw thrown;
    });
    const offer = (name: string, files: Files, changedPaths?: readonly string[]): void => {
      const source = followed.get(`GitRepository/drover/${name}`);
      if (source === undefined) throw new Error(`${name} is not followed`);
      const tree = { ...memoryTree(files), revision: `main@sha1:${++revisions.count}` };
      mirrors.set(sourceKey(source), { url: source.url, tree });
      onTree(source, tree, changedPaths);
    };
    const settled = (): Promise<void> => hub.actions.recompose([]);
    let abandoned = false;
    const core: Core = {
      hub,
      abandon: () => void (abandoned = true),
      errors,
      offer,
      settled,
      async push(files, changedPaths) {
        offer('fleet', files, changedPaths);
        await settled();
      },
      async pushTo(name, files, changedPaths) {
        offer(name, files, changedPaths);
        await settled();
      },
      async stop() {
        stopping.abort();
        if (abandoned) return;
        await running;
        await hub[Symbol.asyncDispose]();
      },
    };
    cores.push(core);
    return core;
  }

  async function bundle(cluster: string) {
    const row = await store.db.selectFrom('head').selectAll().where('cluster', '=', uidOf(cluster)).executeTakeFirst();
    if (row === undefined) return undefined;
    return { epoch: row.epoch, generation: row.generation, content: row.content, manifest: JSON.parse(row.manifest) as BundleManifest };
  }

  return {
    store,
    clock,
    followed,
    start,
    bundle,
    async addCluster(name, labels = {}) {
      await store.db
        .insertInto('cluster')
        .values({
          uid: uidOf(name),
          name,
          namespace: 'drover',
          accepted: 1,
          labels: JSON.stringify(labels),
          mode: 'Enforce',
          sealing_key: sealing.publicKey,
          identity_key: 'k',
          nats_user: null,
          facts: null,
          agent_version: null,
          joined_at: clock.now(),
          last_seen: clock.now(),
          online: 1,
          seen_fleet: null,
          seen_epoch: 0,
          seen_generation: 0,
          applied_content: null,
        })
        .onConflict((conflict) => conflict.column('uid').doUpdateSet({ accepted: 1 }))
        .execute();
      return uidOf(name);
    },
    async delivers(cluster) {
      const found = await bundle(cluster);
      const units: Record<string, readonly string[]> = {};
      for (const unit of found?.manifest.units ?? []) {
        const content = await store.db.selectFrom('unit_content').select('objects').where('digest', '=', unit.digest).executeTakeFirst();
        const objects = JSON.parse(content?.objects ?? '[]') as [string][];
        units[unit.name.slice('drover/'.length)] = objects.map(([key]) => key.slice(key.lastIndexOf('/') + 1)).sort();
      }
      const left = Object.fromEntries((found?.manifest.left ?? []).map((one) => [one.name.slice('drover/'.length), one.objects]));
      return { units, left };
    },
    async states() {
      const rows = await store.db
        .selectFrom('unit')
        .innerJoin('cluster', 'cluster.uid', 'unit.cluster')
        .select(['delivery', 'name', 'presence', 'state'])
        .orderBy('delivery')
        .orderBy('name')
        .execute();
      return Object.fromEntries(rows.map((row) => [`${row.delivery}@${row.name}`, `${row.presence} ${row.state}`]));
    },
    async report(cluster, over = {}) {
      const found = await bundle(cluster);
      if (found === undefined) throw new Error(`${cluster} has no bundle`);
      const { epoch, generation } = over.head ?? found;
      const units = found.manifest.units.map(({ name, digest }): UnitReport => ({
        unit: name,
        state: 'Ready',
        since: 1,
        epoch,
        generation,
        wanted: digest,
        applied: digest,
        healthy: true,
        objects: { total: 1, ready: 1 },
        changes: { created: 0, configured: 0, unchanged: 1, deleted: 0 },
        problems: [],
        drift: [],
        blockedOn: [],
        suspended: false,
        mode: 'Enforce',
        message: '',
        ...over.unit,
      }));
      const left = found.manifest.left.map(({ name }): LeftReport => ({ unit: name, done: true, remaining: [] }));
      return { uid: uidOf(cluster), seen: { fleet: FLEET, epoch, generation, content: found.content }, units, left, events: [], badBlobs: [] };
    },
    async events(reason) {
      const rows = await store.db.selectFrom('event').select('message').where('reason', '=', reason).orderBy('id').execute();
      return rows.map((row) => row.message);
    },
    failing(which) {
      fails = which;
      return { [Symbol.dispose]: () => void (fails = () => false) };
    },
    async [Symbol.asyncDispose]() {
      for (const core of cores) await core.stop().catch(() => {});
      await store[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function failingDialect(database: string, fails: (statement: string) => boolean): Dialect {
  const { dialect } = openSqlite(database);
  return {
    createAdapter: () => dialect.createAdapter(),
    createIntrospector: (db) => dialect.createIntrospector(db),
    createQueryCompiler: () => dialect.createQueryCompiler(),
    createDriver() {
      const driver = dialect.createDriver();
      const wrapped = new WeakMap<DatabaseConnection, DatabaseConnection>();
      const real = new WeakMap<DatabaseConnection, DatabaseConnection>();
      const of = (connection: DatabaseConnection): DatabaseConnection => real.get(connection) ?? connection;
      return {
        init: () => driver.init(),
        async acquireConnection() {
          const connection = await driver.acquireConnection();
          let outer = wrapped.get(connection);
          if (outer === undefined) {
            outer = {
              executeQuery: (query) =>
                fails(query.sql) ? Promise.reject(new Error('disk I/O error')) : connection.executeQuery(query),
              streamQuery: (query, size) => connection.streamQuery(query, size),
            };
            wrapped.set(connection, outer);
            real.set(outer, connection);
          }
          return outer;
        },
        beginTransaction: (connection, settings) => driver.beginTransaction(of(connection), settings),
        commitTransaction: (connection) => driver.commitTransaction(of(connection)),
        rollbackTransaction: (connection) => driver.rollbackTransaction(of(connection)),
        releaseConnection: (connection) => driver.releaseConnection(of(connection)),
        destroy: () => driver.destroy(),
      };
    },
  };
}

/** A plain manifest of ConfigMaps, one document each. */
export function configMaps(...names: readonly string[]): string {
  return names.map((name) => `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: ${name}, namespace: d }\n`).join('---\n');
}

/** A Delivery of the flags' source, by path `<name>/${cluster.name}` unless its fields say otherwise. */
export function deliveryFile(name: string, ...fields: readonly string[]): string {
  const own = fields.some((field) => field.startsWith('path:')) ? [] : [`path: ${name}/\${cluster.name}`];
  const source = fields.some((field) => field.startsWith('sourceRef:')) ? [] : ['sourceRef: { kind: GitRepository, name: fleet }'];
  return `apiVersion: drover.dev/v1alpha1\nkind: Delivery\nmetadata: { name: ${name} }\nspec:\n${[...source, ...own, ...fields].map((field) => `  ${field}\n`).join('')}`;
}
