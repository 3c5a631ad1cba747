import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Logger } from '@drover/contract';
import { digestOf, DroverError } from '@drover/contract';
import { secretJson } from '#inventory/codec.ts';
import type { SecretStore } from '#inventory/secrets.ts';
import type { LiveObject } from '#kube/types.ts';
import type { CacheStore } from '#ports';
import type { ContentCache } from './content-cache.ts';
import { MAX_MIRROR_BYTES, openContentCache } from './content-cache.ts';
import { openPack, sealPack } from './pack.ts';

const KEY = Buffer.alloc(32, 7);
const signal = new AbortController().signal;
const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

interface Bed {
  readonly disk: Map<string, Uint8Array>;
  readonly secrets: Map<string, Uint8Array>;
  open(saved?: { recent: Uint8Array; packs: readonly number[] }, options?: { mirror?: boolean }): Promise<ContentCache>;
}

function createBed(): Bed {
  const disk = new Map<string, Uint8Array>();
  const secrets = new Map<string, Uint8Array>();
  const known = new Set<string>();
  let nonces = 0;
  const store: CacheStore = {
    read: async (name) => disk.get(name),
    write: async (name, bytes) => void disk.set(name, bytes),
    remove: async (name) => void disk.delete(name),
    list: async () => [...disk.keys()],
  };
  const mirror: SecretStore = {
    async read(name) {
      const pack = secrets.get(name);
      if (pack === undefined) return undefined;
      known.add(name);
      return { ...(JSON.parse(secretJson(name, 'cache', { pack }, undefined)) as LiveObject) };
    },
    list: async () => [],
    async write(_point, name, _component, data) {
      secrets.set(name, data['pack'] ?? new Uint8Array(0));
      known.add(name);
      return 'written';
    },
    async remove(_point, name) {
      secrets.delete(name);
    },
    held: (name) => (known.has(name) ? { uid: 'u', resourceVersion: '1' } : undefined),
  };
  return {
    disk,
    secrets,
    open: (saved = { recent: new Uint8Array(0), packs: [] }, { mirror: mirrored = true } = {}) =>
      openContentCache(
        {
          key: KEY,
          disk: store,
          secrets: mirror,
          mirror: mirrored,
          effect: (_point, run) => run(),
          random: { fraction: () => 0.5, bytes: (length) => new Uint8Array(length).fill(++nonces), uuid: () => 'u' },
          log: silent,
        },
        saved,
        signal,
      ),
  };
}

/** Text that deflate cannot shrink much. */
function noise(seed: number, length: number): string {
  let state = seed;
  return Array.from({ length }, () =>
    String.fromCharCode(33 + (((state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) >>> 16) % 90)),
  ).join('');
}

async function fill(cache: ContentCache, texts: readonly string[]): Promise<Set<string>> {
  for (const text of texts) await cache.add(digestOf(text), text, signal);
  return new Set(texts.map((text) => digestOf(text)));
}

test('a pack opens with its key alone', () => {
  const pack = sealPack(KEY, new Uint8Array(12), new Map([['x', 'text']]));
  assert.deepEqual([...openPack(KEY, pack).values()], ['text']);
  for (const harm of [pack.subarray(1), Buffer.concat([pack.subarray(0, 30), Buffer.from('x'), pack.subarray(31)]), Buffer.from('short')]) {
    assert.throws(
      () => openPack(KEY, harm),
      (thrown) => thrown instanceof DroverError && thrown.code === 'BLOB_REJECTED',
    );
  }
  assert.throws(() => openPack(Buffer.alloc(32, 8), pack), DroverError);
});

test('little content lasts in the state alone, without a write of its own', async () => {
  const bed = createBed();
  const cache = await bed.open();
  const saved = await cache.commit(await fill(cache, ['one', 'two']), signal);
  assert.deepEqual([saved.packs, bed.disk.size, bed.secrets.size], [[], 0, 0]);
  const again = await bed.open(saved);
  assert.equal(await again.read(digestOf('two'), signal), 'two');
});

test('F3 with the disk gone, content is read from the cluster; with the mirror gone, from disk', async () => {
  const bed = createBed();
  const cache = await bed.open();
  const texts = Array.from({ length: 6 }, (_, index) => noise(index, 60_000));
  const saved = await cache.commit(await fill(cache, texts), signal);
  assert.ok(saved.packs.length > 0);
  assert.ok(cache.durable());
  const copy = new Map(bed.secrets);
  bed.disk.clear();
  for (const text of texts) assert.equal(await (await bed.open(saved)).read(digestOf(text), signal), text);
  for (const [name, pack] of copy) bed.disk.set(name, pack);
  bed.secrets.clear();
  for (const text of texts) assert.equal(await (await bed.open(saved)).read(digestOf(text), signal), text);
});

test('a pack that is damaged or lost is left out, and its content is fetched anew', async () => {
  const bed = createBed();
  const cache = await bed.open();
  const text = noise(1, 400_000);
  const saved = await cache.commit(await fill(cache, [text, 'small']), signal);
  for (const name of bed.secrets.keys()) bed.secrets.set(name, Buffer.from('damaged'));
  bed.disk.clear();
  const again = await bed.open(saved);
  assert.equal(await again.read(digestOf(text), signal), undefined);
  assert.equal(again.has(digestOf(text)), false);
});

test('content that nobody names any more goes, pack by pack', async () => {
  const bed = createBed();
  const cache = await bed.open();
  let saved = await cache.commit(await fill(cache, [noise(1, 300_000), noise(2, 300_000)]), signal);
  await cache.sweep(saved.packs, signal);
  for (let version = 3; version < 20; version++) {
    saved = await cache.commit(await fill(cache, [noise(version, 300_000), noise(version + 100, 300_000)]), signal);
    await cache.sweep(saved.packs, signal);
  }
  assert.ok(bed.secrets.size <= 2, `${bed.secrets.size} packs`);
  assert.deepEqual([...bed.disk.keys()].sort(), [...bed.secrets.keys()].sort());
  assert.equal(await (await bed.open(saved)).read(digestOf(noise(19, 300_000)), signal), noise(19, 300_000));
});

test('beyond 8 MiB the mirror takes no more, and says that it is not durable', async () => {
  const bed = createBed();
  const cache = await bed.open();
  const texts = Array.from({ length: 14 }, (_, index) => noise(index, 900_000));
  const saved = await cache.commit(await fill(cache, texts), signal);
  const mirrored = [...bed.secrets.values()].reduce((sum, pack) => sum + pack.length, 0);
  assert.ok(mirrored <= MAX_MIRROR_BYTES, `${mirrored} bytes`);
  assert.equal(cache.durable(), false);
  for (const text of texts) assert.equal(await (await bed.open(saved)).read(digestOf(text), signal), text);
});

test('where a volume lasts nothing is mirrored', async () => {
  const bed = createBed();
  const cache = await bed.open(undefined, { mirror: false });
  await cache.commit(await fill(cache, [noise(1, 400_000)]), signal);
  assert.equal(bed.secrets.size, 0);
  assert.ok(cache.durable());
});
