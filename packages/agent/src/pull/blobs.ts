import type { BlobName, DroverError as Failure } from '@drover/contract';
import { backoffMs, DroverError, MAX_BLOB_BYTES, sha256Hex } from '@drover/contract';
import type { AgentPorts } from '#ports';
import type { BundleFeed } from './feed.ts';
import { createWindow } from './window.ts';

/**
 * Blobs that were verified by their names: in memory for a moment, in the cache while bundles use them, else fetched,
 * once however many ask at a time. A bad or missing one is told to the hub and asked for again with back-off.
 */
export interface Blobs {
  /** @throws DroverError BLOB_MISSING, BLOB_REJECTED, NATS_UNREACHABLE */
  get(name: BlobName, signal: AbortSignal): Promise<Uint8Array>;
  /** A new bundle begins: what neither it nor the one before it uses will go. */
  turn(): Promise<void>;
}

export interface BlobsDeps {
  readonly ports: Pick<AgentPorts, 'clock' | 'random' | 'effect' | 'log' | 'cache'>;
  readonly feed: Pick<BundleFeed, 'blob'>;
  /** Ends fetches that nobody may wait for any more. */
  readonly lifetime: AbortSignal;
  readonly badBlob: (name: BlobName) => void;
  readonly maxCachedBytes: number;
}

const PREFIX = 'blob-';
const MAX_MEMORY_BYTES = 2 * 1024 * 1024;
const IN_FLIGHT = { first: 4, most: 32 } as const;
const MAX_FAILURES_KNOWN = 10_000;

interface Failed {
  readonly error: Failure;
  readonly count: number;
  readonly until: number;
}

export function createBlobs(deps: BlobsDeps): Blobs {
  const { clock, random, effect, log, cache } = deps.ports;
  const window = createWindow(IN_FLIGHT);
  const running = new Map<BlobName, Promise<Uint8Array>>();
  const failed = new Map<BlobName, Failed>();
  const memory = new Map<BlobName, Uint8Array>();
  let memoryBytes = 0;
  /** What the cache holds: bytes, and the turn of its last use; least recently used first. */
  let cached: Map<BlobName, { readonly bytes: number; readonly turn: number }> | undefined;
  let cachedBytes = 0;
  let turns = 1;

  async function load(name: BlobName): Promise<Uint8Array> {
    const kept = await readCache(name);
    if (kept !== undefined) return kept;
    const before = failed.get(name);
    if (before !== undefined && clock.monotonic() < before.until) throw before.error;
    const bytes = await fetchOne(name);
    const problem = problemOf(name, bytes);
    if (bytes === undefined || problem !== undefined) {
      const error = problem ?? new DroverError('BLOB_MISSING', `blob ${name.slice(0, 12)}`, 'NATS does not have it');
      const count = (before?.count ?? 0) + 1;
      if (failed.size >= MAX_FAILURES_KNOWN) failed.clear();
      failed.set(name, { error, count, until: clock.monotonic() + backoffMs(count, random.fraction()) });
      log.warn({ err: error }, 'blob cannot be used');
      deps.badBlob(name);
      throw error;
    }
    failed.delete(name);
    await writeCache(name, bytes);
    return bytes;
  }

  async function fetchOne(name: BlobName): Promise<Uint8Array | undefined> {
    await window.enter(deps.lifetime);
    let outcome: 'answered' | 'late' = 'late';
    try {
      const bytes = await deps.feed.blob(name, deps.lifetime);
      outcome = 'answered';
      return bytes;
    } finally {
      window.leave(outcome);
    }
  }

  function remember(name: BlobName, bytes: Uint8Array): void {
    const old = memory.get(name);
    if (old !== undefined) {
      memory.delete(name);
      memoryBytes -= old.length;
    }
    memory.set(name, bytes);
    memoryBytes += bytes.length;
    for (const [oldest, { length }] of memory) {
      if (memoryBytes <= MAX_MEMORY_BYTES || oldest === name) break;
      memory.delete(oldest);
      memoryBytes -= length;
    }
  }

  /** Files of an earlier run count as used now: the bundle that they belong to is taken first. */
  async function index(): Promise<NonNullable<typeof cached>> {
    if (cached !== undefined) return cached;
    const names = (await cache.list().catch(() => [])).filter((name) => name.startsWith(PREFIX));
    cached ??= new Map(names.map((name) => [name.slice(PREFIX.length), { bytes: MAX_BLOB_BYTES / 4, turn: turns }]));
    cachedBytes = [...cached.values()].reduce((sum, { bytes }) => sum + bytes, 0);
    return cached;
  }

  function touch(files: NonNullable<typeof cached>, name: BlobName, bytes: number): void {
    cachedBytes += bytes - (files.get(name)?.bytes ?? 0);
    files.delete(name);
    files.set(name, { bytes, turn: turns });
  }

  async function readCache(name: BlobName): Promise<Uint8Array | undefined> {
    const files = await index();
    if (!files.has(name)) return undefined;
    const bytes = await cache.read(PREFIX + name).catch(() => undefined);
    if (bytes !== undefined && sha256Hex(bytes) === name) {
      touch(files, name, bytes.length);
      return bytes;
    }
    await drop(files, name);
    return undefined;
  }

  /** A cache that cannot be written costs another fetch after a restart, nothing else. */
  async function writeCache(name: BlobName, bytes: Uint8Array): Promise<void> {
    const files = await index();
    try {
      await effect('cache-write', () => cache.write(PREFIX + name, bytes));
      touch(files, name, bytes.length);
    } catch (thrown) {
      log.warn({ err: thrown, blob: name }, 'blob cannot be cached');
    }
    for (const oldest of files.keys()) {
      if (cachedBytes <= deps.maxCachedBytes || oldest === name) break;
      await drop(files, oldest);
    }
  }

  async function drop(files: NonNullable<typeof cached>, name: BlobName): Promise<void> {
    cachedBytes -= files.get(name)?.bytes ?? 0;
    files.delete(name);
    await cache.remove(PREFIX + name).catch((thrown: unknown) => log.warn({ err: thrown, blob: name }, 'blob cannot be removed'));
  }

  return {
    async get(name, signal) {
      signal.throwIfAborted();
      const known = memory.get(name);
      if (known !== undefined) {
        remember(name, known);
        return known;
      }
      let loading = running.get(name);
      if (loading === undefined) {
        loading = load(name)
          .then((bytes) => {
            remember(name, bytes);
            return bytes;
          })
          .finally(() => running.delete(name));
        running.set(name, loading);
      }
      return await unlessAborted(loading, signal);
    },
    async turn() {
      const files = await index();
      turns++;
      for (const [name, { turn }] of files) if (turn < turns - 1) await drop(files, name);
    },
  };
}

function problemOf(name: BlobName, bytes: Uint8Array | undefined): Failure | undefined {
  if (bytes === undefined) return undefined;
  const subject = `blob ${name.slice(0, 12)}`;
  if (bytes.length > MAX_BLOB_BYTES)
    return new DroverError('BLOB_REJECTED', subject, `${bytes.length} bytes; a blob has at most ${MAX_BLOB_BYTES}`);
  return sha256Hex(bytes) === name ? undefined : new DroverError('BLOB_REJECTED', subject, 'its bytes do not have the digest of its name');
}

/** What others wait for too goes on when one of them gives up. */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const stop = (): void => reject(signal.reason as Error);
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
    promise.catch(() => {});
  }
}
