import type { BundleManifest, Digest, ObjectKey, UnitName } from '@drover/contract';
import { DroverError, unitName } from '@drover/contract';
import type { Transaction } from 'kysely';
import { LRUCache } from 'lru-cache';
import type { Delivery } from '#config/types.ts';
import type { PublishedHead, Recipient } from '#publish/types.ts';
import type { ClusterTable, Database, UnitTable } from '#state/schema.ts';
import type { Db, Store } from '#state/store.ts';
import { compose } from './compose.ts';
import { recordFailure, recordOutcomes } from './record-outcomes.ts';
import type { ComposeInput, UnitContent } from './types.ts';
import { wishesOf } from './wishes.ts';

/** A cluster to compose for, with what the hub alone says of it. */
export interface ComposeCluster {
  readonly row: Omit<ClusterTable, 'facts'>;
  readonly mode: 'Enforce' | 'Observe';
  readonly suspended: boolean;
}

/** What bundles of all clusters depend on. */
export interface ComposeFleet {
  /** By unit name; a unit whose Delivery is not known keeps what it has. */
  readonly deliveries: ReadonlyMap<UnitName, Delivery>;
  /** Targets of suspensions by API. */
  readonly suspended: ReadonlySet<string>;
  /** Deliveries, with the keys of their sources, that are not evaluated at what their source holds now. */
  readonly unevaluated: ReadonlyMap<UnitName, string>;
}

export interface ClusterPublisher {
  /**
   * Composes a cluster's bundle from the record and publishes it if its content is new. Idempotent: the same record
   * gives the same content. What cannot be published is written to the units that it concerns.
   *
   * @returns units whose content is no longer stored: nothing is published until they were rendered again
   * @throws DroverError of the publisher, after it was recorded
   */
  publishCluster(cluster: ComposeCluster, fleet: ComposeFleet, signal: AbortSignal): Promise<readonly UnitName[]>;
}

export interface PublishClusterDeps {
  readonly store: Store;
  readonly fleet: string;
  readonly now: () => number;
  readonly sourceKey: (source: { readonly namespace: string; readonly name: string }) => string;
  readonly current: (uid: string) => Promise<{ readonly head: PublishedHead; readonly manifest: BundleManifest } | undefined>;
  readonly publish: (recipient: Recipient, manifest: BundleManifest, signal: AbortSignal) => Promise<PublishedHead>;
  /** Called with each unit's row whose place in the bundle changed, in the transaction that writes it. */
  readonly onUnit: (tx: Transaction<Database>, row: UnitTable) => Promise<void>;
}

/** Objects of cached content: some 200 bytes each. */
const MAX_CACHED_OBJECTS = 250_000;

export function createClusterPublisher(deps: PublishClusterDeps): ClusterPublisher {
  const cache = new LRUCache<Digest, UnitContent>({
    maxSize: MAX_CACHED_OBJECTS,
    sizeCalculation: (content) => content.objects.length + 1,
  });

  async function publishCluster(cluster: ComposeCluster, fleet: ComposeFleet, signal: AbortSignal): Promise<readonly UnitName[]> {
    const { uid } = cluster.row;
    const rows = await deps.store.db.selectFrom('unit').selectAll().where('cluster', '=', uid).execute();
    const current = await deps.current(uid);
    if (rows.length === 0 && current === undefined) return [];
    const wanted = wantedOf(rows);
    const digests = [...wanted.keys(), ...(current?.manifest.units ?? []).map((unit) => unit.digest)];
    const content = await contentOf(deps.store.db, digests, cache);
    // What is not known is not nothing: without its objects no rule could judge a unit.
    const lost = lostOf(wanted, content);
    if (lost.length > 0) return lost;
    const known = new Set(rows.map((row) => unitName(row.namespace, row.delivery)));
    const input: ComposeInput = {
      fleet: deps.fleet,
      cluster: uid,
      published: current?.manifest,
      units: await wishesOf(deps, rows, cluster, fleet),
      unevaluated: fleet.unevaluated,
      // A row goes only when the agent has reported the unit done.
      leftDone: new Set((current?.manifest.left ?? []).map((left) => left.name).filter((name) => !known.has(name))),
      content,
    };
    const composed = compose(input);
    let head: PublishedHead;
    try {
      head = await deps.publish({ uid, sealingKey: cluster.row.sealing_key }, composed.manifest, signal);
    } catch (thrown) {
      signal.throwIfAborted();
      for (const digest of digests) cache.delete(digest);
      const lately = lostOf(wanted, await contentOf(deps.store.db, digests, cache));
      if (lately.length > 0) return lately;
      const error = DroverError.from(thrown, `bundle of ${cluster.row.name}`);
      await recordFailure(deps, cluster.row, rows, composed, error);
      throw error;
    }
    await recordOutcomes(deps, cluster.row, rows, composed, head);
    return [];
  }

  return { publishCluster };
}

/** Every digest that a unit may come to have now, with the unit. */
function wantedOf(rows: readonly UnitTable[]): ReadonlyMap<Digest, UnitName> {
  const digests = new Map<Digest, UnitName>();
  for (const row of rows) {
    const name = unitName(row.namespace, row.delivery);
    for (const digest of [row.wanted, row.rendered]) if (digest !== null) digests.set(digest, name);
  }
  return digests;
}

function lostOf(wanted: ReadonlyMap<Digest, UnitName>, content: ReadonlyMap<Digest, UnitContent>): readonly UnitName[] {
  return [...new Set([...wanted].filter(([digest]) => !content.has(digest)).map(([, name]) => name))];
}

async function contentOf(
  db: Db,
  digests: Iterable<Digest>,
  cache: LRUCache<Digest, UnitContent>,
): Promise<ReadonlyMap<Digest, UnitContent>> {
  const content = new Map<Digest, UnitContent>();
  const unread: Digest[] = [];
  for (const digest of digests) {
    const found = cache.get(digest);
    if (found === undefined) unread.push(digest);
    else content.set(digest, found);
  }
  if (unread.length === 0) return content;
  for (const row of await db.selectFrom('unit_content').selectAll().where('digest', 'in', unread).execute()) {
    const objects = JSON.parse(row.objects) as readonly (readonly [ObjectKey, string, Digest, string?])[];
    const read: UnitContent = {
      manifest: JSON.parse(row.manifest) as UnitContent['manifest'],
      objects: objects.map(([key, , , file]) => (file === undefined ? { key } : { key, file })),
    };
    cache.set(row.digest, read);
    content.set(row.digest, read);
  }
  return content;
}
