import type { KeyObject } from 'node:crypto';
import { generateKeyPairSync } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { BlobName, BundleManifest, Head, SealingKeyPair } from '@drover/contract';
import {
  BUNDLE_FORMAT,
  canonicalJson,
  contentDigest,
  digestOf,
  DroverError,
  HEAD_FORMAT,
  makeBlob,
  makeSealingKey,
  packObject,
  rawPublicKey,
  seal,
  sha256Hex,
  UNIT_FORMAT,
  writeEnvelope,
  writeHead,
} from '@drover/contract';
import type { CacheStore } from '#ports';
import type { BundleFeed, FeedListener } from '../feed.ts';
import type { PullerDeps } from '../puller.ts';
import { createPuller } from '../puller.ts';

/** A hub, as far as an agent sees of one: what it would put into NATS. */
export const CLUSTER = '11111111-2222-4333-8444-555555555555';
export const FLEET = 'fleet-a';
export const UNIT_OPTIONS = { wait: true, drift: 'Correct', intervalMs: 1, retryIntervalMs: 1, timeoutMs: 1, healthChecks: [] } as const;
const SECRET = new Uint8Array(32).fill(9);

export interface Writer {
  readonly headKey: KeyObject;
  readonly sealing: SealingKeyPair;
  /** All blobs made so far. */
  readonly blobs: Map<BlobName, Uint8Array>;
  /** A signed head of a bundle with one unit that has these objects. */
  bundle(generation: number, objects: Readonly<Record<string, string>>, over?: Partial<Head> & BundleOver): Promise<Uint8Array>;
}

export interface BundleOver {
  readonly signedBy?: KeyObject;
  /** The sealed manifest as a blob of its own. */
  readonly apart?: boolean;
  readonly manifestOver?: Partial<BundleManifest>;
}

export async function createWriter(): Promise<Writer> {
  const headKey = generateKeyPairSync('ed25519').privateKey;
  const sealing = await makeSealingKey();
  const blobs = new Map<BlobName, Uint8Array>();

  function unit(objects: Readonly<Record<string, string>>) {
    const packed = Object.entries(objects).map(([name, json]) => ({ key: `/ConfigMap/x/${name}`, json, ...packObject(SECRET, Buffer.from(json)) }));
    const pack = Buffer.concat(packed.map(({ bytes }) => bytes));
    blobs.set(sha256Hex(pack), pack);
    let offset = 0;
    const listed = packed.map(({ key, json, cipherKey, size, bytes }) => {
      offset += bytes.length;
      return { key, apiVersion: 'v1', digest: digestOf(json), cipherKey, size, parts: [[0, offset - bytes.length, bytes.length]] };
    });
    const manifest = { format: UNIT_FORMAT, unit: 'drover/shop', options: UNIT_OPTIONS, blobs: [sha256Hex(pack)], objects: listed };
    const blob = makeBlob(SECRET, Buffer.from(canonicalJson(manifest)));
    blobs.set(blob.ref.name, blob.bytes);
    return blob.ref;
  }

  return {
    headKey,
    sealing,
    blobs,
    async bundle(generation, objects, over = {}) {
      const { signedBy, apart, manifestOver, ...head } = over;
      const ref = unit(objects);
      const digest = digestOf(JSON.stringify(objects));
      const manifest = {
        format: BUNDLE_FORMAT,
        fleet: FLEET,
        cluster: CLUSTER,
        units: [{ name: 'drover/shop', digest, manifest: [ref], prune: true, mode: 'Enforce', suspended: false, dependsOn: [] }],
        left: [],
        ...manifestOver,
      } as const;
      const context = { fleet: FLEET, cluster: CLUSTER, epoch: 1, generation, ...head };
      const plain = Buffer.from(canonicalJson(manifest));
      const sealed = await seal(sealing.publicKey, context, plain);
      const full: Head = {
        format: HEAD_FORMAT,
        content: contentDigest(manifest),
        sealed: digestOf(sealed),
        size: sealed.length,
        plainSize: plain.length,
        ...context,
      };
      if (apart === true) blobs.set(sha256Hex(sealed), sealed);
      return writeEnvelope(writeHead(full), apart === true ? new Uint8Array(0) : sealed, [signedBy ?? headKey]);
    },
  };
}

/** NATS as a script: what it holds is what the test puts there. */
export interface ScriptedFeed extends BundleFeed {
  stored: Uint8Array | undefined;
  readonly blobs: Map<BlobName, Uint8Array>;
  /** Answers nothing while set. */
  down: boolean;
  /** Names asked for, in order. */
  readonly asked: BlobName[];
  tell(bytes: Uint8Array): void;
  reconnect(): void;
  /** Resolves once somebody listens. */
  readonly heard: Promise<void>;
}

export function createScriptedFeed(blobs = new Map<BlobName, Uint8Array>()): ScriptedFeed {
  const listeners = new Set<FeedListener>();
  const heard = Promise.withResolvers<void>();
  const answer = async <T>(value: T): Promise<T> => {
    await delay(0);
    if (feed.down) throw new DroverError('NATS_UNREACHABLE', 'NATS', 'not connected');
    return value;
  };
  const feed: ScriptedFeed = {
    stored: undefined,
    blobs,
    down: false,
    asked: [],
    heard: heard.promise,
    tell: (bytes) => listeners.forEach((listener) => listener.news(bytes)),
    reconnect: () => listeners.forEach((listener) => listener.connected()),
    listen(listener) {
      listeners.add(listener);
      heard.resolve();
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    head: () => answer(feed.stored),
    async blob(name) {
      feed.asked.push(name);
      return await answer(blobs.get(name));
    },
  };
  return feed;
}

export function createMemoryCache(files = new Map<string, Uint8Array>()): CacheStore & { readonly files: Map<string, Uint8Array> } {
  return {
    files,
    read: async (name) => files.get(name),
    write: async (name, bytes) => void files.set(name, bytes),
    remove: async (name) => void files.delete(name),
    list: async () => [...files.keys()],
  };
}

const silent = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

export function testPorts(cache: CacheStore = createMemoryCache()): PullerDeps['ports'] & { readonly random: PullerDeps['ports']['random'] } {
  return {
    clock: {
      now: () => Date.now(),
      monotonic: () => performance.now(),
      sleep: async (ms, signal) => void (await delay(ms, undefined, { signal })),
    },
    random: { fraction: () => 0, bytes: (length) => new Uint8Array(length), uuid: () => crypto.randomUUID() },
    effect: (_point, run) => run(),
    log: silent,
    cache,
  };
}

/** A puller at work; ended when disposed. */
export function startPuller(writer: Writer, feed: BundleFeed, over: Partial<PullerDeps> = {}) {
  const badBlobs: BlobName[] = [];
  const alarms: string[] = [];
  const puller = createPuller({
    ports: testPorts(),
    feed,
    cluster: CLUSTER,
    trust: () => ({ fleet: FLEET, headKeys: [rawPublicKey(writer.headKey)] }),
    sealing: writer.sealing,
    badBlob: (name) => badBlobs.push(name),
    alarm: (error) => alarms.push(error.code),
    ...over,
  });
  const stopping = new AbortController();
  const running = puller.run(stopping.signal);
  return {
    puller,
    badBlobs,
    alarms,
    async [Symbol.asyncDispose]() {
      stopping.abort();
      puller.start(undefined);
      await running;
    },
  };
}
