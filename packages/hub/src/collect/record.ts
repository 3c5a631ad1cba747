import type { AgentEvent, UnitReport } from '@drover/contract';
import { parseUnitName } from '@drover/contract';
import type { Transaction } from 'kysely';
import type { Database, UnitTable } from '#state/schema.ts';
import type { Store } from '#state/store.ts';
import { readUnitRow, stateOfRow, writeState } from '#state/unit-row.ts';
import type { AgentBatch, Collected } from './types.ts';

/**
 * Writes what agents said, in one transaction, and tells what it changed. A unit that is not known, or has left, is not
 * made by a report: the hub alone says what a cluster runs.
 */
export function createRecorder(deps: {
  readonly store: Store;
  readonly now: () => number;
}): (batches: readonly AgentBatch[]) => Promise<readonly Collected[]> {
  return (batches) =>
    deps.store.write(async (tx) => {
      const collected: Collected[] = [];
      for (const batch of batches) collected.push(await recordBatch(deps, tx, batch));
      return collected;
    });
}

async function recordBatch(
  deps: { readonly store: Store; readonly now: () => number },
  tx: Transaction<Database>,
  batch: AgentBatch,
): Promise<Collected> {
  const now = deps.now();
  const cluster = await tx.selectFrom('cluster').selectAll().where('uid', '=', batch.uid).executeTakeFirst();
  if (cluster === undefined) return { uid: batch.uid, units: [], left: [], factsChanged: false };
  const facts = batch.facts === undefined ? undefined : JSON.stringify(batch.facts);
  const factsChanged = facts !== undefined && facts !== cluster.facts;
  await tx
    .updateTable('cluster')
    .set({
      last_seen: now,
      ...(factsChanged ? { facts, agent_version: batch.facts?.agentVersion ?? null } : {}),
      ...(batch.seen === undefined
        ? {}
        : {
            seen_fleet: batch.seen.fleet,
            seen_epoch: batch.seen.epoch,
            seen_generation: batch.seen.generation,
            applied_content: batch.seen.content,
          }),
    })
    .where('uid', '=', batch.uid)
    .execute();

  for (const report of batch.units) await recordUnit(deps, tx, { uid: batch.uid, name: cluster.name }, report, now);
  for (const left of batch.left) {
    const { namespace, delivery } = parseUnitName(left.unit);
    if (left.done) {
      const row = await tx
        .deleteFrom('unit')
        .where('namespace', '=', namespace)
        .where('delivery', '=', delivery)
        .where('cluster', '=', batch.uid)
        .where('presence', 'in', ['Delete', 'Orphan'])
        .returning('presence')
        .executeTakeFirst();
      if (row === undefined) continue;
      const what = row.presence === 'Delete' ? 'its objects were deleted' : 'its objects stay, unmanaged';
      await deps.store.event(tx, {
        severity: 'Info',
        reason: 'UnitLeft',
        unit: left.unit,
        cluster: cluster.name,
        message: `the unit left the cluster; ${what}`,
      });
    } else if (left.remaining.length > 0) {
      const [first] = left.remaining;
      await tx
        .updateTable('unit')
        .set({ message: `leaves; ${left.remaining.length} objects remain: ${first?.message ?? ''}`, reported_at: now })
        .where('namespace', '=', namespace)
        .where('delivery', '=', delivery)
        .where('cluster', '=', batch.uid)
        .execute();
    }
  }
  for (const event of batch.events) await recordEvent(deps.store, tx, cluster.name, event);
  return { uid: batch.uid, units: batch.units, left: batch.left.filter((left) => left.done), factsChanged };
}

async function recordUnit(
  deps: { readonly store: Store },
  tx: Transaction<Database>,
  cluster: { readonly uid: string; readonly name: string },
  report: UnitReport,
  now: number,
): Promise<void> {
  const { namespace, delivery } = parseUnitName(report.unit);
  const row = await readUnitRow(tx, { namespace, delivery, cluster: cluster.uid });
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
}

/** Release and revision of a digest, as far as the row knows it. */
function appliedAt(row: UnitTable, applied: string | null): Pick<UnitTable, 'applied_release' | 'applied_revision'> {
  if (applied === row.published) return { applied_release: row.published_release, applied_revision: row.published_revision };
  if (applied === row.wanted) return { applied_release: row.wanted_release, applied_revision: row.wanted_revision };
  return { applied_release: null, applied_revision: null };
}

async function recordEvent(store: Store, tx: Transaction<Database>, cluster: string, event: AgentEvent): Promise<void> {
  await store.event(tx, {
    severity: event.severity,
    reason: event.reason,
    unit: event.unit,
    cluster,
    object: event.object,
    message: event.message.slice(0, 2000),
  });
}
