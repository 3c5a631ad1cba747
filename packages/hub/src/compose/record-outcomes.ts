import type { DroverError } from '@drover/contract';
import { unitName } from '@drover/contract';
import type { Transaction } from 'kysely';
import type { ClusterTable, Database, UnitTable } from '#state/schema.ts';
import type { Store } from '#state/store.ts';
import type { HeadPlace, StoredHeld } from '#state/unit-row.ts';
import { readUnitRow, stateOfRow, writeState } from '#state/unit-row.ts';
import type { Composed, Held, UnitOutcome } from './types.ts';

interface Deps {
  readonly store: Store;
  readonly now: () => number;
  readonly onUnit: (tx: Transaction<Database>, row: UnitTable) => Promise<void>;
}

/** Writes to the units' rows what of them is in the head that was published, and why where it is not what is wanted. */
export async function recordOutcomes(
  deps: Deps,
  cluster: Pick<ClusterTable, 'uid' | 'name' | 'online' | 'last_seen' | 'joined_at'>,
  rows: readonly UnitTable[],
  { manifest, outcomes }: Composed,
  head: HeadPlace,
): Promise<void> {
  const left = new Set(manifest.left.map((unit) => unit.name));
  // What leaves and is in neither list never reached the cluster: nobody will report it done.
  const never = (row: UnitTable): boolean => {
    const name = unitName(row.namespace, row.delivery);
    return isLeaving(row) && outcomes.get(name)?.digest === undefined && outcomes.has(name) && !left.has(name);
  };
  const gone = rows.filter(never);
  await writeRows(deps, cluster, rows, (row, now) => {
    const outcome = outcomes.get(unitName(row.namespace, row.delivery));
    return outcome === undefined || never(row) ? undefined : afterCompose(row, outcome, head, now);
  });
  if (gone.length === 0) return;
  await deps.store.write(async (tx) => {
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

/** Writes to the units that would have changed that nothing could be published, and why. */
export async function recordFailure(
  deps: Deps,
  cluster: Pick<ClusterTable, 'uid' | 'name' | 'online' | 'last_seen' | 'joined_at'>,
  rows: readonly UnitTable[],
  { outcomes }: Composed,
  error: DroverError,
): Promise<void> {
  const failed: Held = { kind: 'Error', message: `not published: ${error.what}`, problem: error.toProblem() };
  await writeRows(deps, cluster, rows, (row, now) => {
    const outcome = outcomes.get(unitName(row.namespace, row.delivery));
    if (outcome === undefined || (outcome.digest ?? null) === row.published) return undefined;
    const held = heldText(row, [failed], now);
    return held === row.held ? undefined : { ...row, held };
  });
}

async function writeRows(
  deps: Deps,
  cluster: Pick<ClusterTable, 'uid' | 'name' | 'online' | 'last_seen' | 'joined_at'>,
  rows: readonly UnitTable[],
  next: (row: UnitTable, now: number) => UnitTable | undefined,
): Promise<void> {
  const now = deps.now();
  const changed = rows.filter((row) => next(row, now) !== undefined);
  if (changed.length === 0) return;
  await deps.store.write(async (tx) => {
    const read = await tx
      .selectFrom('cluster')
      .select(['online', 'last_seen', 'joined_at'])
      .where('uid', '=', cluster.uid)
      .executeTakeFirst();
    const { online, last_seen, joined_at } = read ?? cluster;
    const seen = { online: online === 1, lastSeen: last_seen ?? joined_at };
    for (const row of changed) {
      // Read again: a report may have been written since.
      const fresh = await readUnitRow(tx, row);
      const written = fresh === undefined ? undefined : next(fresh, now);
      if (fresh === undefined || written === undefined) continue;
      await writeState(deps.store, tx, fresh, written, stateOfRow(written, seen, now), cluster.name, now);
      await deps.onUnit(tx, written);
    }
  });
}

const isLeaving = (row: UnitTable): boolean => row.presence === 'Delete' || row.presence === 'Orphan';

/** The row after its bundle was published; undefined when nothing of it changed. */
function afterCompose(row: UnitTable, outcome: UnitOutcome, head: HeadPlace, now: number): UnitTable | undefined {
  const held = heldText(row, outcome.held, now);
  const digest = outcome.digest ?? null;
  const released = !isLeaving(row) && digest !== null && digest === row.wanted;
  // A newer release may want what is there already: then it is published, and applied, without a change.
  const named = released && row.published_release !== row.wanted_release;
  const moved = digest !== row.published;
  if (held === row.held && !named && !moved) return undefined;
  const release = { published_release: row.wanted_release, published_revision: row.wanted_revision };
  return {
    ...row,
    held,
    published: digest,
    ...(moved ? { changed_epoch: head.epoch, changed_generation: head.generation } : {}),
    ...(released ? release : digest === null ? { published_release: null, published_revision: null } : {}),
    ...(released && row.applied === digest ? { applied_release: row.wanted_release, applied_revision: row.wanted_revision } : {}),
  };
}

function heldText(row: UnitTable, held: readonly Held[], now: number): string {
  const before = JSON.parse(row.held) as StoredHeld[];
  return JSON.stringify(held.map((entry) => storedHeld(entry, before, now)));
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
