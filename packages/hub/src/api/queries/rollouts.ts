import { DroverError, unitName } from '@drover/contract';
import type { Selectable } from 'kysely';
import { sql } from 'kysely';
import type { RolloutTable } from '#state/schema.ts';
import type { Page } from '../page.ts';
import { paged } from '../page.ts';
import type { List, RolloutDetail, RolloutRow } from '../rows.ts';
import type { Reader } from './reader.ts';
import { iso, releaseId } from './reader.ts';
import type { ReleaseName } from './release-name.ts';

export interface RolloutFilter {
  readonly namespace?: string;
  readonly delivery?: string;
  readonly state?: string;
}

/** Newest first. */
export async function listRollouts(reader: Reader, filter: RolloutFilter, page: Page): Promise<List<RolloutRow>> {
  let narrowed = reader.db.selectFrom('rollout').selectAll();
  if (filter.namespace !== undefined) narrowed = narrowed.where('namespace', '=', filter.namespace);
  if (filter.delivery !== undefined) narrowed = narrowed.where('delivery', '=', filter.delivery);
  if (filter.state !== undefined) narrowed = narrowed.where('state', '=', filter.state);
  const rows = await narrowed
    .$if(page.after !== undefined, (query) =>
      query.where(sql<boolean>`(started_at, namespace, delivery, number) < (${sql.join([...(page.after ?? [])])})`),
    )
    .orderBy('started_at', 'desc')
    .orderBy('namespace', 'desc')
    .orderBy('delivery', 'desc')
    .orderBy('number', 'desc')
    .limit(page.limit + 1)
    .execute();
  const { total } = await narrowed
    .clearSelect()
    .select(({ fn }) => fn.countAll<number>().as('total'))
    .executeTakeFirstOrThrow();
  const outcomes = await countOutcomes(reader, rows);
  return {
    ...paged(
      rows,
      page,
      (row) => [row.started_at, row.namespace, row.delivery, row.number],
      (row) => rolloutRow(row, outcomes),
    ),
    total,
  };
}

/** @throws DroverError NOT_FOUND */
export async function rolloutDetail(reader: Reader, name: ReleaseName): Promise<RolloutDetail> {
  const row = await reader.db
    .selectFrom('rollout')
    .selectAll()
    .where('namespace', '=', name.namespace)
    .where('delivery', '=', name.delivery)
    .where('number', '=', name.number)
    .executeTakeFirst();
  if (row === undefined) throw new DroverError('NOT_FOUND', `rollout ${name.delivery}-${name.number}`, 'there is no such rollout');
  const stages = await reader.db
    .selectFrom('rollout_stage')
    .selectAll()
    .where('namespace', '=', row.namespace)
    .where('delivery', '=', row.delivery)
    .orderBy('position')
    .execute();
  const clusters = await reader.db
    .selectFrom('rollout_cluster')
    .innerJoin('cluster', 'cluster.uid', 'rollout_cluster.cluster')
    .select(['cluster.name', 'rollout_cluster.stage', 'rollout_cluster.state', 'rollout_cluster.since'])
    .where('rollout_cluster.namespace', '=', row.namespace)
    .where('rollout_cluster.delivery', '=', row.delivery)
    .where('rollout_cluster.number', '=', row.number)
    .orderBy('cluster.name')
    .execute();
  return {
    ...rolloutRow(row, await countOutcomes(reader, [row])),
    stages: stages.map((stage) => ({
      name: stage.stage,
      state: stage.state,
      current: releaseId(row.delivery, stage.current),
      candidate: releaseId(row.delivery, stage.candidate),
      since: iso(stage.since),
    })),
    outcomes: clusters.map(({ name: cluster, stage, state, since }) => ({ cluster, stage, state, since: iso(since) })),
  };
}

/** The newest rollout of each Delivery, with the stage it is in. */
export async function newestRollouts(reader: Reader): Promise<ReadonlyMap<string, RolloutRow & { readonly stage: string | null }>> {
  const rows = await reader.db
    .selectFrom('rollout')
    .innerJoin('delivery', (join) =>
      join
        .onRef('delivery.namespace', '=', 'rollout.namespace')
        .onRef('delivery.name', '=', 'rollout.delivery')
        .onRef('delivery.release', '=', 'rollout.number'),
    )
    .selectAll('rollout')
    .execute();
  const stages = await reader.db
    .selectFrom('rollout_stage')
    .select(['namespace', 'delivery', 'stage', 'current'])
    .orderBy('position')
    .execute();
  const stage = new Map(stages.map((row) => [key(row.namespace, row.delivery, row.current ?? 0), row.stage]));
  const outcomes = await countOutcomes(reader, rows);
  return new Map(
    rows.map((row) => [
      unitName(row.namespace, row.delivery),
      { ...rolloutRow(row, outcomes), stage: stage.get(key(row.namespace, row.delivery, row.number)) ?? null },
    ]),
  );
}

type Outcomes = RolloutRow['clusters'];

async function countOutcomes(
  reader: Reader,
  rollouts: readonly Pick<Selectable<RolloutTable>, 'namespace' | 'delivery' | 'number'>[],
): Promise<ReadonlyMap<string, Outcomes>> {
  const counts = new Map<string, Outcomes>();
  if (rollouts.length === 0) return counts;
  const wanted = rollouts.map((row) => sql`(${row.namespace}, ${row.delivery}, ${row.number})`);
  const rows = await reader.db
    .selectFrom('rollout_cluster')
    .select(['namespace', 'delivery', 'number', 'state', sql<number>`count(*)`.as('clusters')])
    .where(sql<boolean>`(namespace, delivery, number) in (values ${sql.join(wanted)})`)
    .groupBy(['namespace', 'delivery', 'number', 'state'])
    .execute();
  for (const row of rows) {
    const id = key(row.namespace, row.delivery, row.number);
    const entry = counts.get(id) ?? noOutcomes();
    entry[row.state as keyof Outcomes] += row.clusters;
    counts.set(id, entry);
  }
  return counts;
}

function noOutcomes(): Outcomes {
  return { Pending: 0, Released: 0, Succeeded: 0, Failed: 0, Skipped: 0 };
}

function key(namespace: string, delivery: string, number: number): string {
  return `${namespace}/${delivery}-${number}`;
}

function rolloutRow(row: Selectable<RolloutTable>, outcomes: ReadonlyMap<string, Outcomes>): RolloutRow {
  return {
    id: `${row.delivery}-${row.number}`,
    namespace: row.namespace,
    delivery: row.delivery,
    number: row.number,
    state: row.state,
    startedAt: iso(row.started_at),
    endedAt: iso(row.ended_at),
    clusters: outcomes.get(key(row.namespace, row.delivery, row.number)) ?? noOutcomes(),
  };
}
