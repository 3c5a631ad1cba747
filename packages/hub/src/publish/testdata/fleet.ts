import type { KeyObject } from 'node:crypto';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { join } from 'node:path';
import type { BasePorts, BundleManifest, SealingKeyPair, UnitName } from '@drover/contract';
import { BUNDLE_FORMAT, digestOf, makeSealingKey } from '@drover/contract';
import type { NatsServer, TempDir } from '@drover/testbed';
import { startNats, tempDir } from '@drover/testbed';
import { createUser } from '@nats-io/nkeys';
import type { NatsConnection } from '@nats-io/transport-node';
import { connect, jwtAuthenticator } from '@nats-io/transport-node';
import { natsConf } from '#identity/nats-conf.ts';
import type { NatsKeys } from '#identity/nats-keys.ts';
import { accountJwt, hubUser, makeNatsKeys } from '#identity/nats-keys.ts';
import { signClaim } from '#identity/nats-jwt.ts';
import type { HubPorts } from '#ports';
import type { RenderedObject } from '#render/types.ts';
import { openSqlite } from '#state/sqlite-adapter.ts';
import type { Store } from '#state/store.ts';
import { openStore } from '#state/store.ts';
import { createFiles } from '../../files-adapter.ts';
import { createNatsBroker } from '../nats-broker-adapter.ts';
import { createPublisher } from '../publisher.ts';
import type { StreamLimits } from '../streams.ts';
import type { Publisher } from '../types.ts';

/** Fleets for tests: real nats-server, real store, real files. */
export interface TestKeys {
  readonly fleet: string;
  readonly secret: Uint8Array;
  readonly headKeys: readonly KeyObject[];
  readonly nats: NatsKeys;
}

export const UNIT_OPTIONS = { wait: true, drift: 'Correct', intervalMs: 1, retryIntervalMs: 1, timeoutMs: 1, healthChecks: [] } as const;
export const LIMITS: StreamLimits = { headsMaxBytes: 64 * 1024 * 1024, blobsMaxBytes: 64 * 1024 * 1024, replicas: 1 };

const silent = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

export function testPorts(directory: string, over: Partial<BasePorts> = {}): HubPorts {
  return {
    clock: {
      now: () => Date.now(),
      monotonic: () => performance.now(),
      sleep: async (ms, signal) => void (await delay(ms, undefined, { signal })),
    },
    random: { fraction: () => Math.random() / 20, bytes: (length) => crypto.getRandomValues(new Uint8Array(length)), uuid: () => crypto.randomUUID() },
    effect: (_point, run) => run(),
    log: silent,
    run: () => Promise.reject(new Error('no programs here')),
    files: createFiles({ dataDirectory: directory }),
    ...over,
  };
}

export function testKeys(): TestKeys {
  return {
    fleet: crypto.randomUUID(),
    secret: crypto.getRandomValues(new Uint8Array(32)),
    headKeys: [generateKeyPairSync('ed25519').privateKey],
    nats: makeNatsKeys(Date.now()),
  };
}

export async function startFleetNats(keys: TestKeys, maxFileStoreBytes = 256 * 1024 * 1024): Promise<NatsServer & { readonly temp: TempDir }> {
  const temp = await tempDir('fleet-nats');
  const conf = natsConf({
    keys: keys.nats,
    accountJwt: accountJwt(keys.nats, [], Date.now()),
    host: '127.0.0.1',
    port: -1,
    directory: temp.path,
    maxFileStoreBytes,
  });
  const server = await startNats({ config: conf, dir: temp.path });
  const dispose = async (): Promise<void> => {
    await server[Symbol.asyncDispose]();
    await temp[Symbol.asyncDispose]();
  };
  return Object.create(server, { temp: { value: temp }, [Symbol.asyncDispose]: { value: dispose } }) as NatsServer & { readonly temp: TempDir };
}

export interface TestHub extends AsyncDisposable {
  readonly publisher: Publisher;
  readonly store: Store;
  readonly url: string;
  readonly directory: string;
  readonly blobDirectory: string;
  /** Ends the run, as a clean stop does; the store stays open. */
  stop(): Promise<void>;
  /** Gives the hub up in the middle of whatever it does. */
  abandon(): Promise<void>;
}

/** @param directory holds store and blobs, and stays */
export async function startHub(
  keys: TestKeys,
  url: string,
  directory: string,
  options: { readonly limits?: StreamLimits; readonly ports?: Partial<BasePorts>; readonly run?: boolean } = {},
): Promise<TestHub> {
  await mkdir(directory, { recursive: true });
  const ports = testPorts(directory, options.ports);
  const store = await openStore({ dialect: openSqlite(join(directory, 'drover.db')).dialect, now: () => Date.now() });
  const broker = createNatsBroker({
    address: { urls: [url] },
    user: () => hubUser(keys.nats, Date.now()),
    limits: options.limits ?? LIMITS,
    random: ports.random,
    log: ports.log,
  });
  const blobDirectory = join(directory, 'blobs');
  const publisher = createPublisher({ ports, store, keys, broker, blobDirectory });
  const stopping = new AbortController();
  const running = options.run === false ? Promise.resolve() : publisher.run(stopping.signal);
  const stop = async (): Promise<void> => {
    stopping.abort();
    await running;
  };
  return {
    publisher,
    store,
    url,
    directory,
    blobDirectory,
    stop,
    async abandon() {
      stopping.abort();
      await publisher[Symbol.asyncDispose]();
      await store.db.destroy();
    },
    async [Symbol.asyncDispose]() {
      await stop();
      await publisher[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    },
  };
}

export function configMap(name: string, value: string): RenderedObject {
  const json = JSON.stringify({ apiVersion: 'v1', data: { value }, kind: 'ConfigMap', metadata: { name, namespace: 'shop' } });
  return { key: `/ConfigMap/shop/${name}`, apiVersion: 'v1', digest: digestOf(json), json };
}

export interface TestCluster {
  readonly uid: string;
  readonly sealing: SealingKeyPair;
}

export async function testCluster(number: number): Promise<TestCluster> {
  const hex = createHash('md5').update(String(number)).digest('hex');
  const uid = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
  return { uid, sealing: await makeSealingKey() };
}

/** Stores one unit and publishes a bundle of it. */
export async function publishUnit(
  keys: TestKeys,
  hub: Pick<TestHub, 'publisher'>,
  cluster: TestCluster,
  objects: readonly RenderedObject[],
  unit: UnitName = 'drover/shop',
): Promise<{ readonly manifest: BundleManifest; readonly generation: number; readonly epoch: number }> {
  const signal = new AbortController().signal;
  const { digest, manifest: refs } = await hub.publisher.storeUnit(unit, UNIT_OPTIONS, objects, signal);
  const manifest: BundleManifest = {
    format: BUNDLE_FORMAT,
    fleet: keys.fleet,
    cluster: cluster.uid,
    units: [{ name: unit, digest, manifest: refs, prune: true, mode: 'Enforce', suspended: false, dependsOn: [] }],
    left: [],
  };
  const { epoch, generation } = await hub.publisher.publish({ uid: cluster.uid, sealingKey: cluster.sealing.publicKey }, manifest, signal);
  return { manifest, epoch, generation };
}

export function makeUser(): { readonly publicKey: string; readonly seed: string } {
  const pair = createUser();
  return { publicKey: pair.getPublicKey(), seed: new TextDecoder().decode(pair.getSeed()) };
}

export interface Admin extends AsyncDisposable {
  readonly connection: NatsConnection;
  /** @throws Error when JetStream refuses */
  api(call: string, body: object): Promise<unknown>;
}

/** Somebody who may do everything in the fleet's account, as an operator or a compromised broker may. */
export async function connectAdmin(keys: TestKeys, url: string): Promise<Admin> {
  const { publicKey, seed } = makeUser();
  const nats = { type: 'user', pub: {}, sub: {}, subs: -1, data: -1, payload: -1 };
  const jwt = signClaim(keys.nats.accountSeed, { subject: publicKey, name: 'admin', nats }, Date.now());
  const connection = await connect({ servers: url, authenticator: jwtAuthenticator(jwt, new TextEncoder().encode(seed)) });
  return {
    connection,
    async api(call, body) {
      const answer = (await connection.request(`$JS.API.${call}`, JSON.stringify(body))).json<{ error?: { description: string } }>();
      if (answer.error !== undefined) throw new Error(answer.error.description);
      return answer;
    },
    [Symbol.asyncDispose]: () => connection.close(),
  };
}
