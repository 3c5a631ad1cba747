import type { BlockedOn, Head, Problem, UnitReport } from '@drover/contract';
import { compareHeads, showUnit } from '@drover/contract';
import type { Transaction } from 'kysely';
import type { Database, UnitTable } from './schema.ts';
import type { Db, Store } from './store.ts';
import type { UnitState } from './unit-state.ts';
import { unitState } from './unit-state.ts';

/** A head's place in the order of its cluster's heads. */
export type HeadPlace = Pick<Head, 'epoch' | 'generation'>;

/** `held` as stored: what blocks, and the problem behind it where a person must mend the configuration. */
export interface StoredHeld extends BlockedOn {
  readonly problem?: Problem;
}

/** The state of a stored unit as its agent last described it. */
export function stateOfRow(
  row: UnitTable,
  cluster: { readonly online: boolean; readonly lastSeen: number | undefined },
  now: number,
): UnitState {
  const held = JSON.parse(row.held) as StoredHeld[];
  return unitState({
    presence: row.presence as 'Delivered',
    note: row.note ?? undefined,
    problem: row.problem === null ? undefined : (JSON.parse(row.problem) as Problem),
    wanted: row.wanted ?? undefined,
    published: row.published ?? undefined,
    held: held.map(({ problem: _problem, ...blocked }) => blocked),
    heldProblem: held.find((entry) => entry.problem !== undefined)?.problem,
    report: reportOf(row),
    silentMs: cluster.online ? 0 : cluster.lastSeen === undefined ? Infinity : now - cluster.lastSeen,
    online: cluster.online,
    offlineSince: cluster.lastSeen ?? now,
  });
}

/** What the agent last said of the unit; undefined when that was before the unit last came, changed or left. */
export function reportOf(row: Pick<UnitTable, 'report' | 'changed_epoch' | 'changed_generation'>): UnitReport | undefined {
  const report = row.report === null ? undefined : (JSON.parse(row.report) as UnitReport);
  return report === undefined || compareHeads(report, changedIn(row)) < 0 ? undefined : report;
}

/** The head in which the unit last came, changed or left. */
export function changedIn(row: Pick<UnitTable, 'changed_epoch' | 'changed_generation'>): HeadPlace {
  return { epoch: row.changed_epoch, generation: row.changed_generation };
}

/** One unit's row, as it is now. */
export function readUnitRow(db: Db, row: Pick<UnitTable, 'namespace' | 'delivery' | 'cluster'>): Promise<UnitTable | undefined> {
  return db
    .selectFrom('unit')
    .selectAll()
    .where('namespace', '=', row.namespace)
    .where('delivery', '=', row.delivery)
    .where('cluster', '=', row.cluster)
    .executeTakeFirst();
}

/** Stores a unit's row with its state; a change of state is an event. */
export async function writeState(
  store: Store,
  tx: Transaction<Database>,
  before: UnitTable,
  next: UnitTable,
  judged: UnitState,
  cluster: string,
  now: number,
): Promise<void> {
  const changed = judged.state !== before.state;
  await tx
    .updateTable('unit')
    .set({ ...next, state: judged.state, since: changed ? now : before.since, message: judged.message })
    .where('namespace', '=', next.namespace)
    .where('delivery', '=', next.delivery)
    .where('cluster', '=', next.cluster)
    .execute();
  if (!changed && !(judged.state === 'Failed' && judged.message !== before.message)) return;
  const unit = `${next.namespace}/${next.delivery}`;
  const severity = judged.state === 'Failed' ? 'Error' : judged.state === 'NotReady' || judged.state === 'Unknown' ? 'Warning' : 'Info';
  const message = judged.message === '' ? `${showUnit(unit, cluster)} is ${judged.state}` : judged.message;
  await store.event(tx, { severity, reason: `Unit${judged.state}`, unit, cluster, message });
}
