import type { UnitReport } from '@drover/contract';
import { showUnit, unitName } from '@drover/contract';
import type { Reader } from '../queries/reader.ts';
import { parse } from '../queries/reader.ts';
import type { Target } from '../queries/suspensions.ts';
import type { StoredUnit } from '../queries/units.ts';
import { judge, selectUnits } from '../queries/units.ts';
import type { Waiting } from './await-effect.ts';

/** The units that a target means; none for a source. */
export async function unitsOf(reader: Reader, target: Target): Promise<readonly StoredUnit[]> {
  if (target.type === 'source') return [];
  let query = selectUnits(reader);
  if (target.type !== 'cluster') query = query.where('unit.namespace', '=', target.namespace).where('unit.delivery', '=', target.delivery);
  if (target.type !== 'delivery') query = query.where('cluster.name', '=', target.cluster);
  return query.orderBy('unit.namespace').orderBy('unit.delivery').orderBy('cluster.name').execute();
}

/** Units whose agent has not told yet that something holds; those without content in the cluster have nothing to tell. */
export function untold(rows: readonly StoredUnit[], holds: (report: UnitReport, row: StoredUnit) => boolean): readonly Waiting[] {
  return rows.flatMap((row) => {
    const report = parse<UnitReport>(row.report);
    if (row.published === null || (report !== null && holds(report, row))) return [];
    const message = row.online === 1 ? 'the agent has not confirmed it yet' : 'its agent is offline: it takes effect when it is back';
    return { subject: showUnit(unitName(row.namespace, row.delivery), row.name), message };
  });
}

/** Units that do not have what is wanted yet, with why. */
export function unsettled(reader: Reader, rows: readonly StoredUnit[]): readonly Waiting[] {
  return rows.flatMap((row) => {
    const judged = judge(reader, row);
    if (judged.state === 'Ready' || judged.state === 'NotReady' || judged.state === 'Failed') return [];
    return { subject: showUnit(unitName(row.namespace, row.delivery), row.name), message: `${judged.state}: ${judged.message}` };
  });
}
