import type { State } from '@drover/contract';
import type { Kysely, RawBuilder } from 'kysely';
import { sql } from 'kysely';
import type { Database } from '#state/schema.ts';
import type { StateCounts } from '../rows.ts';
import { effectiveState } from './effective-state.ts';
import type { Reader } from './reader.ts';

export interface Counts {
  readonly states: StateCounts;
  readonly units: number;
  /** Units with drift. */
  readonly drift: number;
}

export function noCounts(): { states: StateCounts; units: number; drift: number } {
  return { states: { Failed: 0, Unknown: 0, NotReady: 0, Progressing: 0, Waiting: 0, Ready: 0 }, units: 0, drift: 0 };
}

/** Units by state, grouped: of Deliveries by `namespace/name`, or of clusters by UID. */
export async function countUnits(reader: Reader, by: 'delivery' | 'cluster'): Promise<ReadonlyMap<string, Counts>> {
  const key = by === 'cluster' ? sql<string>`unit.cluster` : sql<string>`unit.namespace || '/' || unit.delivery`;
  const rows = await counted(reader.db, reader.now(), key);
  const counts = new Map<string, ReturnType<typeof noCounts>>();
  for (const row of rows) {
    const entry = counts.get(row.key) ?? noCounts();
    entry.states[row.effective] += row.units;
    entry.units += row.units;
    entry.drift += row.drift;
    counts.set(row.key, entry);
  }
  return counts;
}

function counted(db: Kysely<Database>, now: number, key: RawBuilder<string>) {
  return (
    db
      .selectFrom('unit')
      .innerJoin('cluster', 'cluster.uid', 'unit.cluster')
      .select([
        key.as('key'),
        effectiveState(now).as('effective'),
        sql<number>`count(*)`.as('units'),
        sql<number>`sum(unit.drift > 0)`.as('drift'),
      ])
      // Not called `state`: SQLite would take the column.
      .groupBy(['key', 'effective'])
      .execute()
  );
}

export function sum(counts: Iterable<Counts>): Counts {
  const total = noCounts();
  for (const one of counts) {
    for (const state of Object.keys(total.states) as State[]) total.states[state] += one.states[state];
    total.units += one.units;
    total.drift += one.drift;
  }
  return total;
}
