import type { BlobName, BlobRef, Digest, Effect, UnitName, UnitOptions } from '@drover/contract';
import { inFlight, unitDigest } from '@drover/contract';
import type { RenderedObject } from '#render/types.ts';
import type { Db, Store } from '#state/store.ts';
import type { BlobStore } from './blob-store.ts';
import type { Place } from './pack.ts';
import { manifestBlobs, packObjects, unitManifest } from './pack.ts';
import type { StoredUnit } from './types.ts';

/**
 * Content: units, their objects and the blobs that hold them. Blobs are on disk before the transaction that records
 * them. Units that are stored at the same time share one transaction.
 */
export interface ContentStore {
  store(unit: UnitName, options: UnitOptions, objects: readonly RenderedObject[], signal: AbortSignal): Promise<StoredUnit>;
  /** Runs while no unit is being stored. */
  exclusive<T>(run: () => Promise<T>): Promise<T>;
}

export interface ContentDeps {
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly fleetSecret: Uint8Array;
  readonly now: () => number;
  readonly effect: Effect;
  /** Called after each commit that recorded blobs. */
  readonly onStored: (names: Iterable<BlobName>) => void;
}

interface Request {
  readonly unit: UnitName;
  readonly options: UnitOptions;
  readonly objects: readonly RenderedObject[];
  readonly digest: Digest;
  readonly signal: AbortSignal;
  readonly done: PromiseWithResolvers<StoredUnit>;
}

interface UnitRow {
  readonly digest: Digest;
  readonly unit: UnitName;
  readonly manifest: string;
  readonly objects: string;
  readonly blobs: string;
}

/** New units and objects of one transaction: it holds the writer for some 50 ms. */
const MAX_BATCH_UNITS = 64;
const MAX_BATCH_OBJECTS = 2000;
/** Below the number of parameters of one statement. */
const ROWS = 200;
const BLOB_WRITES = 8;

export function createContentStore(deps: ContentDeps): ContentStore {
  const { store, blobs, fleetSecret, now, effect } = deps;
  const queue: Request[] = [];
  let tail: Promise<unknown> = Promise.resolve();
  let working = false;

  function exclusive<T>(run: () => Promise<T>): Promise<T> {
    const turn = tail.then(run);
    tail = turn.catch(() => {});
    return turn;
  }

  async function work(): Promise<void> {
    while (queue.length > 0) {
      const batch = takeBatch(queue);
      if (batch.length === 0) continue;
      try {
        const stored = await exclusive(() => storeBatch(batch));
        for (const request of batch) {
          const manifest = stored.get(request.digest) ?? [];
          request.done.resolve({ digest: request.digest, manifest });
        }
      } catch (thrown) {
        for (const request of batch) request.done.reject(thrown);
      }
    }
    working = false;
  }

  async function storeBatch(batch: readonly Request[]): Promise<ReadonlyMap<Digest, readonly BlobRef[]>> {
    const stored = await storedUnits(batch.map(({ digest }) => digest));
    const fresh = new Map<Digest, Request>();
    for (const request of batch) if (!stored.has(request.digest)) fresh.set(request.digest, request);
    if (fresh.size === 0) return stored;
    const wanted = new Set([...fresh.values()].flatMap(({ objects }) => objects.map(({ digest }) => digest)));
    const places = await storedPlaces(wanted);
    const reused = new Set([...places.values()].flatMap((place) => place.blobs));
    const newPlaces = new Map<Digest, Place>();
    const newBlobs = new Map<BlobName, Uint8Array>();
    const rows: UnitRow[] = [];
    for (const request of fresh.values()) {
      const packing = packObjects(
        fleetSecret,
        request.objects.filter(({ digest }) => !places.has(digest)),
      );
      for (const { name, bytes } of packing.blobs) newBlobs.set(name, bytes);
      for (const [digest, place] of packing.places) {
        places.set(digest, place);
        newPlaces.set(digest, place);
      }
      const manifest = unitManifest(request.unit, request.options, request.objects, places);
      const made = manifestBlobs(fleetSecret, manifest);
      for (const { ref, bytes } of made) newBlobs.set(ref.name, bytes);
      const refs = made.map(({ ref }) => ref);
      stored.set(request.digest, refs);
      rows.push({
        digest: request.digest,
        unit: request.unit,
        manifest: JSON.stringify(refs),
        objects: JSON.stringify(request.objects.map(listed)),
        blobs: JSON.stringify(manifest.blobs),
      });
    }
    await inFlight(newBlobs, BLOB_WRITES, ([name, bytes]) => effect('blob-write', () => blobs.write(name, bytes)));
    await effect('unit-commit', () => store.write((tx) => record(tx, newBlobs, newPlaces, rows, reused)));
    deps.onStored(newBlobs.keys());
    return stored;
  }

  /** Manifests of units that are stored; what they name is kept for another day if it was about to be swept. */
  async function storedUnits(digests: readonly Digest[]): Promise<Map<Digest, readonly BlobRef[]>> {
    const found = await store.db
      .selectFrom('unit_content')
      .select(['digest', 'manifest', 'blobs'])
      .where('digest', 'in', digests)
      .execute();
    const stored = new Map<Digest, readonly BlobRef[]>();
    const kept: BlobName[] = [];
    for (const row of found) {
      const refs = JSON.parse(row.manifest) as readonly BlobRef[];
      stored.set(row.digest, refs);
      if (await isFading(refs)) kept.push(...refs.map(({ name }) => name), ...(JSON.parse(row.blobs) as BlobName[]));
    }
    if (kept.length > 0) await store.write((tx) => keep(tx, kept));
    return stored;
  }

  /** A unit's own manifest is unreferenced exactly when the unit is. */
  async function isFading(refs: readonly BlobRef[]): Promise<boolean> {
    const row = await store.db
      .selectFrom('blob')
      .select('unreferenced_since')
      .where('name', '=', refs[0]?.name ?? '')
      .executeTakeFirst();
    return row !== undefined && row.unreferenced_since !== null;
  }

  async function storedPlaces(digests: Iterable<Digest>): Promise<Map<Digest, Place>> {
    const places = new Map<Digest, Place>();
    for (const some of chunks([...digests])) {
      for (const row of await store.db.selectFrom('object_content').selectAll().where('digest', 'in', some).execute()) {
        places.set(row.digest, JSON.parse(row.place) as Place);
      }
    }
    return places;
  }

  async function record(
    tx: Db,
    newBlobs: ReadonlyMap<BlobName, Uint8Array>,
    newPlaces: ReadonlyMap<Digest, Place>,
    rows: readonly UnitRow[],
    reused: ReadonlySet<BlobName>,
  ): Promise<void> {
    const created_at = now();
    for (const some of chunks([...newBlobs])) {
      await tx
        .insertInto('blob')
        .values(some.map(([name, bytes]) => ({ name, size: bytes.length, created_at, unreferenced_since: null })))
        .onConflict((conflict) => conflict.column('name').doUpdateSet({ unreferenced_since: null }))
        .execute();
    }
    for (const some of chunks([...newPlaces])) {
      await tx
        .insertInto('object_content')
        .values(some.map(([digest, place]) => ({ digest, place: JSON.stringify(place) })))
        .onConflict((conflict) => conflict.column('digest').doNothing())
        .execute();
    }
    for (const row of rows) {
      await tx
        .insertInto('unit_content')
        .values(row)
        .onConflict((conflict) => conflict.column('digest').doNothing())
        .execute();
    }
    await keep(tx, [...reused]);
  }

  return {
    exclusive,
    async store(unit, options, objects, signal) {
      signal.throwIfAborted();
      const digest = unitDigest(fleetSecret, unit, options, objects);
      const done = Promise.withResolvers<StoredUnit>();
      queue.push({ unit, options, objects, digest, signal, done });
      if (!working) {
        working = true;
        void Promise.resolve().then(work);
      }
      return await done.promise;
    },
  };
}

/** What a deleted or owned-elsewhere object is told by: key, apiVersion, digest and, where known, its file. */
function listed({ key, apiVersion, digest, position }: RenderedObject): readonly string[] {
  return position === undefined ? [key, apiVersion, digest] : [key, apiVersion, digest, position.file];
}

async function keep(tx: Db, names: readonly BlobName[]): Promise<void> {
  for (const some of chunks(names)) {
    await tx
      .updateTable('blob')
      .set({ unreferenced_since: null })
      .where('name', 'in', some)
      .where('unreferenced_since', 'is not', null)
      .execute();
  }
}

function takeBatch(queue: Request[]): readonly Request[] {
  let objects = 0;
  let count = 0;
  for (const request of queue) {
    objects += request.objects.length;
    if (count > 0 && (objects > MAX_BATCH_OBJECTS || count === MAX_BATCH_UNITS)) break;
    count++;
  }
  const batch = queue.splice(0, count);
  const wanted: Request[] = [];
  for (const request of batch) {
    if (request.signal.aborted) request.done.reject(request.signal.reason as Error);
    else wanted.push(request);
  }
  return wanted;
}

function* chunks<T>(items: readonly T[]): Generator<T[]> {
  for (let at = 0; at < items.length; at += ROWS) yield items.slice(at, at + ROWS);
}
