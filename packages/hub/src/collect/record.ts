import type { AgentEvent, LeftReport, UnitReport } from '@drover/contract';
import { compareHeads, parseUnitName } from '@drover/contract';
import type { Transaction } from 'kysely';
import { judgeSeen } from '#state/behind.ts';
import { readBundle } from '#state/bundle.ts';
import type { ClusterTable, Database, UnitTable } from '#state/schema.ts';
import type { Store } from '#state/store.ts';
import { changedIn, readUnitRow, stateOfRow, writeState } from '#state/unit-row.ts';
import type { AgentBatch, Collected } from './types.ts';

export interface RecorderDeps {
  readonly store: Store;
  readonly now: () => number;
  readonly fleet: string;
  /** Called with each unit's row as it was just written, in the same transaction. */
  readonly onUnit: (tx: Transaction<Database>, row: UnitTable) => Promise<void>;
}

const MAX_TEXT = 2000;
const MAX_NAME = 600;
const REMAINING = /; \d+ objects? remains?: [^]*$/;

/**
 * Writes what agents said, in one transaction, and tells what it changed. A unit that is not known, or has left, is not
 * made by a report: the hub alone says what a cluster runs.
 */
export function createRecorder(deps: RecorderDeps): (batches: readonly AgentBatch[]) => Promise<readonly Collected[]> {
  return (batches) =>
    deps.store.write(async (tx) => {
      const collected: Collected[] = [];
      for (const batch of batches) collected.push(await recordBatch(deps, tx, batch));
      return collected;
    });
}

async function recordBatch(deps: RecorderDeps, tx: Transaction<Database>, batch: AgentBatch): Promise<Collected> {
  const { uid, seen } = batch;
  const now = deps.now();
  const cluster = await tx.selectFrom('cluster').selectAll().where('uid', '=', uid).executeTakeFirst();
  if (cluster === undefined) return { uid, units: [], left: [], factsChanged: false };
  const facts = batch.facts === undefined ? undefined : JSON.stringify(batch.facts);
  const factsChanged = facts !== undefined && facts !== cluster.facts;
  await tx
    .updateTable('cluster')
    .set({
      last_seen: now,
      ...(factsChanged ? { facts, agent_version: batch.facts?.agentVersion ?? null } : {}),
      ...(seen === undefined
        ? {}
        : { seen_fleet: seen.fleet, seen_epoch: seen.epoch, seen_generation: seen.generation, applied_content: seen.content }),
    })
    .where('uid', '=', uid)
    .execute();
  if (seen !== undefined) await judgeSeen(deps.store, tx, deps.fleet, cluster, seen);
  for (const report of batch.units) await recordUnit(deps, tx, cluster, report, now);
  const left: LeftReport[] = [];
  for (const report of batch.left) if (await recordLeft(deps, tx, cluster, report, seen, now)) left.push(report);
  for (const event of batch.events) await recordEvent(deps.store, tx, cluster.name, event);
  return { uid, units: batch.units, left, factsChanged };
}

async function recordUnit(
  deps: RecorderDeps,
  tx: Transaction<Database>,
  cluster: Pick<ClusterTable, 'uid' | 'name'>,
  report: UnitReport,
  now: number,
): Promise<void> {
  const row = await rowOf(tx, report.unit, cluster.uid);
  if (row === undefined) return;
  const applied = report.applied ?? null;
  const next: UnitTable = {
    ...row,
    report: JSON.stringify(report),
    reported_at: now,
    applied,
    drift: report.drift.length,
    ...(applied === row.applied ? {} : appliedAt(row, applied)),
  };
  await writeState(deps.store, tx, row, next, stateOfRow(next, { online: true, lastSeen: now }, now), cluster.name, now);
  await deps.onUnit(tx, next);
}

/** Release and revision of a digest, as far as the row knows it. */
function appliedAt(row: UnitTable, applied: string | null): Pick<UnitTable, 'applied_release' | 'applied_revision'> {
  if (applied === null) return { applied_release: null, applied_revision: null };
  if (applied === row.published) return { applied_release: row.published_release, applied_revision: row.published_revision };
  if (applied === row.wanted) return { applied_release: row.wanted_release, applied_revision: row.wanted_revision };
  return { applied_release: null, applied_revision: null };
}

/**
 * What remains of a unit that the current bundle states as left. Of an older bundle it proves nothing: the unit may have
 * come back in between, and left again.
 *
 * @returns true when that was the last of the unit
 */
async function recordLeft(
  deps: RecorderDeps,
  tx: Transaction<Database>,
  cluster: Pick<ClusterTable, 'uid' | 'name'>,
  report: LeftReport,
  seen: AgentBatch['seen'],
  now: number,
): Promise<boolean> {
  const row = await rowOf(tx, report.unit, cluster.uid);
  const leaves = row !== undefined && (row.presence === 'Delete' || row.presence === 'Orphan') && row.published === null;
  if (!leaves || seen?.fleet !== deps.fleet || compareHeads(seen, changedIn(row)) < 0) return false;
  const { namespace, delivery } = row;
  if (!report.done) {
    const [first] = report.remaining;
    if (first === undefined) return false;
    await tx
      .updateTable('unit')
      .set({ note: remaining(row.note ?? 'leaves', report.remaining.length, first.message), reported_at: now })
      .where('namespace', '=', namespace)
      .where('delivery', '=', delivery)
      .where('cluster', '=', cluster.uid)
      .execute();
    return false;
  }
  await tx
    .deleteFrom('unit')
    .where('namespace', '=', namespace)
    .where('delivery', '=', delivery)
    .where('cluster', '=', cluster.uid)
    .execute();
  const stated = (await readBundle(tx, cluster.uid))?.left.find((unit) => unit.name === report.unit)?.objects ?? row.presence;
  const what = stated === 'Delete' ? 'its objects were deleted' : 'its objects stay, unmanaged';
  await deps.store.event(tx, {
    severity: 'Info',
    reason: 'UnitLeft',
    unit: report.unit,
    cluster: cluster.name,
    message: `the unit left the cluster; ${what}`,
  });
  return true;
}

/** Why it leaves, and what keeps it. */
function remaining(note: string, count: number, message: string): string {
  const why = note.replace(REMAINING, '');
  return `${why}; ${count} ${count === 1 ? 'object remains' : 'objects remain'}: ${message.slice(0, MAX_TEXT)}`;
}

async function rowOf(tx: Transaction<Database>, unit: string, uid: string): Promise<UnitTable | undefined> {
  const { namespace, delivery } = parseUnitName(unit);
  return readUnitRow(tx, { namespace, delivery, cluster: uid });
}

async function recordEvent(store: Store, tx: Transaction<Database>, cluster: string, event: AgentEvent): Promise<void> {
  await store.event(tx, {
    severity: event.severity,
    reason: event.reason.slice(0, MAX_NAME),
    unit: event.unit?.slice(0, MAX_NAME),
    cluster,
    object: event.object?.slice(0, MAX_NAME),
    message: event.message.slice(0, MAX_TEXT),
  });
}
