import type { Digest, Effect, Logger, Random } from '@drover/contract';
import { DroverError } from '@drover/contract';
import { secretData } from '#inventory/codec.ts';
import type { SecretStore } from '#inventory/secrets.ts';
import type { CacheStore } from '#ports';
import type { Items } from './pack.ts';
import { NONCE_BYTES, openPack, sealPack } from './pack.ts';

/**
 * The cache: manifests and objects of the bundle on record, so that the agent enforces after a restart without hub and
 * NATS. Items lie in packs: the newest, `recent`, inside `drover-state`; sealed ones on disk, and in Secrets up to
 * {@link MAX_MIRROR_BYTES}. Losing it costs time, never correctness.
 */
export const MAX_MIRROR_BYTES = 8 * 1024 * 1024;
/** `recent` is written with every bundle: beyond this it is sealed. */
const MAX_RECENT_BYTES = 160 * 1024;
/** Plaintext of one sealed pack: what is opened to read one object. */
const MAX_PACK_CHARS = 1024 * 1024;
/** A Secret may have 1 MiB. */
const MAX_SECRET_BYTES = 1000 * 1024;
const COMPONENT = 'cache';

export interface ContentCache {
  has(item: Digest): boolean;
  /** Undefined when it is not there, or damaged: to be fetched again. */
  read(item: Digest, signal: AbortSignal): Promise<string | undefined>;
  /** Adds to what the next `commit` makes last; large additions are sealed at once. */
  add(item: Digest, text: string, signal: AbortSignal): Promise<void>;
  /** What `drover-state` has to hold so that all `live` items last. Items that nobody names any more are left out. */
  commit(live: ReadonlySet<Digest>, signal: AbortSignal): Promise<{ readonly recent: Uint8Array; readonly packs: readonly number[] }>;
  /** Removes packs that the state written last does not name. */
  sweep(packs: readonly number[], signal: AbortSignal): Promise<void>;
  /** Whether all packs are in the cluster; false when they outgrew the mirror. */
  durable(): boolean;
}

export interface ContentCacheDeps {
  /** 32 bytes, from the agent's identity. */
  readonly key: Uint8Array;
  readonly disk: CacheStore;
  readonly secrets: SecretStore;
  /** Whether packs go into Secrets too: not needed where `--cache-dir` is a volume that lasts. */
  readonly mirror: boolean;
  readonly effect: Effect;
  readonly random: Random;
  readonly log: Logger;
}

interface Pack {
  readonly items: ReadonlySet<Digest>;
  readonly bytes: number;
  readonly mirrored: boolean;
}

/** Opens the packs that the state on record names; what cannot be read is left out. */
export async function openContentCache(
  deps: ContentCacheDeps,
  saved: { readonly recent: Uint8Array; readonly packs: readonly number[] },
  signal: AbortSignal,
): Promise<ContentCache> {
  const { key, disk, secrets, effect, random, log } = deps;
  const packs = new Map<number, Pack>();
  const places = new Map<Digest, number>();
  let recent = new Map<Digest, string>(tryOpen('recent', saved.recent) ?? []);
  let recentChars = charsOf(recent);
  let opened: { readonly number: number; readonly items: Items } | undefined;
  let next = Math.max(0, ...saved.packs) + 1;

  for (const number of saved.packs) {
    const { bytes, mirrored } = await load(number, signal);
    const items = bytes === undefined ? undefined : tryOpen(packName(number), bytes);
    if (bytes === undefined || items === undefined) continue;
    packs.set(number, { items: new Set(items.keys()), bytes: bytes.length, mirrored });
    for (const item of items.keys()) places.set(item, number);
  }

  function tryOpen(name: string, bytes: Uint8Array): Items | undefined {
    try {
      return openPack(key, bytes);
    } catch (thrown) {
      log.warn({ err: thrown, pack: name }, 'pack of the cache left out');
      return undefined;
    }
  }

  async function load(number: number, at: AbortSignal): Promise<{ bytes: Uint8Array | undefined; mirrored: boolean }> {
    const secret = deps.mirror ? await secrets.read(packName(number), at) : undefined;
    const mirrored = secret === undefined ? undefined : secretData(secret, 'pack');
    return { bytes: mirrored ?? (await readDisk(number)), mirrored: mirrored !== undefined };
  }

  async function readDisk(number: number): Promise<Uint8Array | undefined> {
    try {
      return await disk.read(packName(number));
    } catch (thrown) {
      log.warn({ err: thrown, pack: packName(number) }, 'pack of the cache cannot be read from disk');
      return undefined;
    }
  }

  async function read(item: Digest, at: AbortSignal): Promise<string | undefined> {
    const fresh = recent.get(item);
    if (fresh !== undefined) return fresh;
    const number = places.get(item);
    if (number === undefined) return undefined;
    if (opened?.number !== number) {
      const bytes = (await readDisk(number)) ?? (await load(number, at)).bytes;
      const items = bytes === undefined ? undefined : tryOpen(packName(number), bytes);
      if (items === undefined) {
        forget(number);
        return undefined;
      }
      opened = { number, items };
    }
    return opened.items.get(item);
  }

  function forget(number: number): void {
    for (const item of packs.get(number)?.items ?? []) if (places.get(item) === number) places.delete(item);
    packs.delete(number);
    if (opened?.number === number) opened = undefined;
  }

  async function add(item: Digest, text: string, at: AbortSignal): Promise<void> {
    if (recent.has(item) || places.has(item)) return;
    recent.set(item, text);
    recentChars += text.length;
    if (recentChars > 2 * MAX_PACK_CHARS) await sealRecent(at);
  }

  /** Moves all of `recent` into sealed packs. */
  async function sealRecent(at: AbortSignal): Promise<void> {
    const moving = recent;
    recent = new Map();
    recentChars = 0;
    for (const items of chunks(moving)) await writePack(items, at);
  }

  async function writePack(items: Items, at: AbortSignal): Promise<void> {
    const bytes = sealPack(key, random.bytes(NONCE_BYTES), items);
    const number = next++;
    const name = packName(number);
    await effect('cache-write', () => disk.write(name, bytes)).catch((thrown: unknown) => {
      if (DroverError.from(thrown, name).code === 'LEASE_LOST') throw thrown;
      log.warn({ err: thrown, pack: name }, 'pack of the cache cannot be written to disk');
    });
    const room = mirroredBytes() + bytes.length <= MAX_MIRROR_BYTES && bytes.length <= MAX_SECRET_BYTES;
    const mirrored = deps.mirror && room && (await mirror(name, bytes, at));
    packs.set(number, { items: new Set(items.keys()), bytes: bytes.length, mirrored });
    for (const item of items.keys()) places.set(item, number);
  }

  /** What lies there under a number that no state names was left by a crash: it is replaced. */
  async function mirror(name: string, pack: Uint8Array, at: AbortSignal): Promise<boolean> {
    const first = await secrets.write('cache-write', name, COMPONENT, { pack }, at);
    return first === 'written' || (await secrets.write('cache-write', name, COMPONENT, { pack }, at)) === 'written';
  }

  function mirroredBytes(): number {
    let sum = 0;
    for (const pack of packs.values()) if (pack.mirrored) sum += pack.bytes;
    return sum;
  }

  const commit: ContentCache['commit'] = async (live, at) => {
    for (const item of recent.keys()) if (!live.has(item)) recent.delete(item);
    await compact(live, at);
    recentChars = charsOf(recent);
    let sealed = sealPack(key, random.bytes(NONCE_BYTES), recent);
    if (sealed.length > MAX_RECENT_BYTES) {
      await sealRecent(at);
      sealed = sealPack(key, random.bytes(NONCE_BYTES), recent);
    }
    return { recent: sealed, packs: [...packs.keys()].sort((a, b) => a - b) };
  };

  /** Gives up packs of which less than half is in use; what is in use of them is packed anew. */
  async function compact(live: ReadonlySet<Digest>, at: AbortSignal): Promise<void> {
    for (const [number, pack] of [...packs]) {
      const used = [...pack.items].filter((item) => live.has(item) && places.get(item) === number);
      if (used.length * 2 > pack.items.size) continue;
      for (const item of used) {
        const text = await read(item, at);
        if (text !== undefined) recent.set(item, text);
      }
      forget(number);
    }
  }

  async function sweep(named: readonly number[], at: AbortSignal): Promise<void> {
    const keep = new Set(named.map(packName));
    for (const name of await disk.list().catch(() => []))
      if (name.startsWith(PREFIX) && !keep.has(name)) await disk.remove(name).catch(() => undefined);
    if (!deps.mirror) return;
    for (let number = 1; number < next; number++) {
      if (!keep.has(packName(number)) && secrets.held(packName(number)) !== undefined)
        await secrets.remove('cache-write', packName(number), at);
    }
  }

  return {
    has: (item) => recent.has(item) || places.has(item),
    read,
    add,
    commit,
    sweep,
    durable: () => !deps.mirror || [...packs.values()].every((pack) => pack.mirrored),
  };
}

const PREFIX = 'drover-cache-';

function packName(number: number): string {
  return `${PREFIX}${number}`;
}

function charsOf(items: Items): number {
  let sum = 0;
  for (const text of items.values()) sum += text.length;
  return sum;
}

function* chunks(items: Items): Generator<Items> {
  let chunk = new Map<Digest, string>();
  let chars = 0;
  for (const [item, text] of items) {
    if (chars > 0 && chars + text.length > MAX_PACK_CHARS) {
      yield chunk;
      chunk = new Map();
      chars = 0;
    }
    chunk.set(item, text);
    chars += text.length;
  }
  if (chunk.size > 0) yield chunk;
}
