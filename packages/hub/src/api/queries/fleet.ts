import { sql } from 'kysely';
import { MAX_LIMIT } from '../page.ts';
import type { FleetView } from '../rows.ts';
import type { HubInfo } from '../types.ts';
import { countUnits, sum } from './counts.ts';
import { listDeliveries } from './deliveries.ts';
import { needsYou } from './needs.ts';
import type { Reader } from './reader.ts';
import { iso } from './reader.ts';
import { listRollouts } from './rollouts.ts';
import { listSources } from './sources.ts';
import type { Suspensions } from './suspensions.ts';
import { readSuspensions } from './suspensions.ts';
import { selectUnits, suspendedCondition } from './units.ts';

const ALL = { limit: MAX_LIMIT, after: undefined };

/** The whole fleet on one page: counts by SQL, rows only of what is few or needs a person. */
export async function fleetView(reader: Reader, info: HubInfo): Promise<FleetView> {
  const { items: sources } = await listSources(reader, {}, ALL);
  const { items: deliveries, next } = await listDeliveries(reader, {}, ALL);
  const { items: rollouts } = await listRollouts(reader, { state: 'Progressing' }, { limit: 100, after: undefined });
  const listed = deliveries.map((row) => ({ states: row.states, units: row.clusters, drift: row.drift }));
  const counts = sum(next === null ? listed : (await countUnits(reader, 'delivery')).values());
  const unmatched = (await reader.actions.unmatched?.()) ?? { directories: [], clusters: [] };
  return {
    version: info.version,
    fleet: info.fleet,
    startedAt: iso(info.startedAt),
    now: iso(reader.now()),
    clusters: await countClusters(reader),
    units: counts.units,
    states: counts.states,
    drift: counts.drift,
    suspended: await countSuspended(reader),
    sources: [...sources],
    deliveries: [...deliveries],
    rollouts: [...rollouts],
    needsYou: await needsYou(reader, info, sources, deliveries),
    unmatched: { directories: [...unmatched.directories], clusters: [...unmatched.clusters] },
    publish: { pending: info.publish.pending, problem: info.publish.problem ?? null },
  };
}

async function countClusters(reader: Reader): Promise<FleetView['clusters']> {
  const row = await reader.db
    .selectFrom('cluster')
    .select([
      sql<number>`coalesce(sum(accepted), 0)`.as('total'),
      sql<number>`coalesce(sum(accepted = 1 and online = 1), 0)`.as('online'),
      sql<number>`coalesce(sum(accepted = 0), 0)`.as('pending'),
    ])
    .executeTakeFirstOrThrow();
  return { ...row, offline: row.total - row.online };
}

async function countSuspended(reader: Reader): Promise<number> {
  const suspensions = await readSuspensions(reader);
  if (!(await anySuspended(reader, suspensions))) return 0;
  const { units } = await selectUnits(reader)
    .where(suspendedCondition(reader, suspensions))
    .clearSelect()
    .select(({ fn }) => fn.countAll<number>().as('units'))
    .executeTakeFirstOrThrow();
  return units;
}

/** Asked first: a fleet where nothing is suspended is the rule, and need not be looked through. */
async function anySuspended(reader: Reader, suspensions: Suspensions): Promise<boolean> {
  if (suspensions.size > 0 || [...(reader.actions.declared?.().values() ?? [])].some((spec) => spec.suspend)) return true;
  const file = await reader.db
    .selectFrom('delivery')
    .select('name')
    .where(sql<boolean>`json_extract(spec, '$.suspend') = 1`)
    .limit(1)
    .executeTakeFirst();
  return file !== undefined;
}
