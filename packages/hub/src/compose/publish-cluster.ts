import type { BundleManifest, Digest, ObjectKey, UnitName } from '@drover/contract';
import { unitName } from '@drover/contract';
import type { Delivery } from '#config/types.ts';
import type { PublishedHead, Recipient } from '#publish/types.ts';
import type { ClusterTable, UnitTable } from '#state/schema.ts';
import type { Db, Store } from '#state/store.ts';
import type { StoredHeld } from '#state/unit-row.ts';
import { readUnitRow, stateOfRow, writeState } from '#state/unit-row.ts';
import { compose } from './compose.ts';
import type { ComposeInput, Held, UnitContent, UnitOutcome, UnitWish } from './types.ts';

/** A cluster to compose for, with what the hub alone says of it. */
export interface ComposeCluster {
  readonly row: ClusterTable;
  readonly mode: 'Enforce' | 'Observe';
  readonly suspended: boolean;
}

export interface ClusterPublisher {
  /**
   * Composes a cluster's bundle from the record and publishes it if its content is new. Idempotent: the same record
   * gives the same content.
   *
   * @param deliveries by unit name; a unit whose Delivery is not known keeps what it has
   */
  publishCluster(
    cluster: ComposeCluster,
    deliveries: ReadonlyMap<UnitName, Delivery>,
    suspended: ReadonlySet<string>,
    signal: AbortSignal,
  ): Promise<PublishedHead | undefined>;
}

interface Deps {
  readonly store: Store;
  readonly fleet: string;
  readonly now: () => number;
  readonly current: (uid: string) => Promise<{ readonly head: PublishedHead; readonly manifest: BundleManifest } | undefined>;
  readonly publish: (recipient: Recipient, manifest: BundleManifest, signal: AbortSignal) => Promise<PublishedHead>;
}

const MAX_CACHED_CONTENT = 20_000;

export function createClusterPublisher(deps: Deps): ClusterPublisher {
  const cache = new Map<Digest, UnitContent>();

  async function publishCluster(
    cluster: ComposeCluster,
    deliveries: ReadonlyMap<UnitName, Delivery>,
    suspended: ReadonlySet<string>,
    signal: AbortSignal,
  ): Promise<PublishedHead | undefined> {
    const { uid } = cluster.row;
    const rows = await deps.store.db.selectFrom('unit').selectAll().where('cluster', '=', uid).execute();
    const current = await deps.current(uid);
    if (rows.length === 0 && current === undefined) return undefined;
    const known = new Set(rows.map((row) => unitName(row.namespace, row.delivery)));
    const input: ComposeInput = {
      fleet: deps.fleet,
      cluster: uid,
      published: current?.manifest,
      units: await wishesOf(deps.store.db, rows, cluster, deliveries, suspended),
      // A row goes only when the agent has reported the unit done.
      leftDone: new Set((current?.manifest.left ?? []).map((left) => left.name).filter((name) => !known.has(name))),
      content: await contentOf(deps.store.db, digestsOf(rows, current?.manifest), cache),
    };
    const composed = compose(input);
    const head = await deps.publish({ uid, sealingKey: cluster.row.sealing_key }, composed.manifest, signal);
    await recordOutcomes(deps, cluster.row, rows, composed.outcomes);
    return head;
  }

  return { publishCluster };
}

function digestsOf(rows: readonly UnitTable[], manifest: BundleManifest | undefined): ReadonlySet<Digest> {
  const digests = new Set<Digest>();
  for (const row of rows) {
    for (const digest of [row.wanted, row.rendered, row.published]) if (digest !== null) digests.add(digest);
  }
  for (const unit of manifest?.units ?? []) digests.add(unit.digest);
  return digests;
}

async function contentOf(db: Db, digests: ReadonlySet<Digest>, cache: Map<Digest, UnitContent>): Promise<ReadonlyMap<Digest, UnitContent>> {
  const missing = [...digests].filter((digest) => !cache.has(digest));
  if (cache.size + missing.length > MAX_CACHED_CONTENT) cache.clear();
  if (missing.length > 0) {
    const rows = await db.selectFrom('unit_content').selectAll().where('digest', 'in', missing).execute();
    for (const row of rows) {
      const objects = JSON.parse(row.objects) as readonly (readonly [ObjectKey, string, Digest, string?])[];
      cache.set(row.digest, {
        manifest: JSON.parse(row.manifest) as UnitContent['manifest'],
        objects: objects.map(([key, , , file]) => (file === undefined ? { key } : { key, file })),
      });
    }
  }
  const content = new Map<Digest, UnitContent>();
  for (const digest of digests) {
    const found = cache.get(digest);
    if (found !== undefined) content.set(digest, found);
  }
  return content;
}

async function wishesOf(
  db: Db,
  rows: readonly UnitTable[],
  cluster: ComposeCluster,
  deliveries: ReadonlyMap<UnitName, Delivery>,
  suspended: ReadonlySet<string>,
): Promise<readonly UnitWish[]> {
  const wishes: UnitWish[] = [];
  for (const row of rows) {
    const name = unitName(row.namespace, row.delivery);
    const delivery = deliveries.get(name);
    if (delivery === undefined) continue;
    const release =
      row.wanted_release === null || row.wanted === row.published
        ? undefined
        : await db
            .selectFrom('release')
            .select('deletes')
            .where('namespace', '=', row.namespace)
            .where('delivery', '=', row.delivery)
            .where('number', '=', row.wanted_release)
            .executeTakeFirst();
    wishes.push({
      name,
      presence: row.presence as UnitWish['presence'],
      ...(row.note === null ? {} : { keptBecause: row.note }),
      wanted: row.wanted ?? undefined,
      newest: row.rendered ?? undefined,
      renderFailed: row.problem !== null,
      prune: delivery.prune,
      mode: cluster.mode === 'Observe' ? 'Observe' : delivery.mode,
      suspended:
        cluster.suspended || delivery.suspend || suspended.has(`delivery/${name}`) || suspended.has(`unit/${name}/${cluster.row.name}`),
      dependsOn: delivery.dependsOn.map((dependency) => {
        const on = unitName(dependency.namespace, dependency.name);
        const other = deliveries.get(on)?.sourceRef;
        const { sourceRef } = delivery;
        return { name: on, sharedSource: other?.namespace === sourceRef.namespace && other.name === sourceRef.name };
      }),
      deletes: delivery.deletes,
      releaseDeletes: release?.deletes ?? 0,
    });
  }
  return wishes;
}

async function recordOutcomes(
  deps: Deps,
  cluster: ClusterTable,
  rows: readonly UnitTable[],
  outcomes: ReadonlyMap<UnitName, UnitOutcome>,
): Promise<void> {
  const now = deps.now();
  const changed = rows.flatMap((row) => {
    const outcome = outcomes.get(unitName(row.namespace, row.delivery));
    return outcome === undefined || afterCompose(row, outcome, now) === undefined ? [] : [{ row, outcome }];
  });
  const gone = rows.filter((row) => row.published === null && (row.presence === 'Delete' || row.presence === 'Orphan'));
  if (changed.length === 0 && gone.length === 0) return;
  await deps.store.write(async (tx) => {
    const seen = { online: cluster.online === 1, lastSeen: cluster.last_seen ?? cluster.joined_at };
    for (const { row, outcome } of changed) {
      // Read again: a report may have been written since.
      const fresh = await readUnitRow(tx, row);
      const next = fresh === undefined ? undefined : afterCompose(fresh, outcome, now);
      if (fresh !== undefined && next !== undefined)
        await writeState(deps.store, tx, fresh, next, stateOfRow(next, seen, now), cluster.name, now);
    }
    for (const row of gone) {
      await tx
        .deleteFrom('unit')
        .where('namespace', '=', row.namespace)
        .where('delivery', '=', row.delivery)
        .where('cluster', '=', row.cluster)
        .execute();
    }
  });
}

/** The row after its bundle was composed; undefined when nothing of it changed. */
function afterCompose(row: UnitTable, outcome: UnitOutcome, now: number): UnitTable | undefined {
  const before = JSON.parse(row.held) as StoredHeld[];
  const held = JSON.stringify(outcome.held.map((entry) => storedHeld(entry, before, now)));
  const leaves = row.presence === 'Delete' || row.presence === 'Orphan';
  const digest = outcome.digest ?? null;
  const released = !leaves && digest === row.wanted;
  // A newer release may want what is there already: then it is published, and applied, without a change.
  const named = released && row.published_release !== row.wanted_release;
  if (held === row.held && !named && (leaves || digest === row.published)) return undefined;
  if (leaves) return { ...row, held };
  return {
    ...row,
    held,
    published: digest,
    ...(released ? { published_release: row.wanted_release, published_revision: row.wanted_revision } : {}),
    ...(released && row.applied === digest ? { applied_release: row.wanted_release, applied_revision: row.wanted_revision } : {}),
  };
}

function storedHeld(held: Held, before: readonly StoredHeld[], now: number): StoredHeld {
  const same = before.find((entry) => entry.kind === held.kind && entry.message === held.message);
  return {
    kind: held.kind,
    message: held.message,
    since: same?.since ?? now,
    ...(held.problem === undefined ? {} : { problem: held.problem }),
  };
}
