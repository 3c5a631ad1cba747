import type { Facts } from '@drover/contract';
import { DroverError } from '@drover/contract';
import type { Selectable } from 'kysely';
import { labelsOf } from '#release/clusters.ts';
import type { ClusterTable } from '#state/schema.ts';
import type { Page } from '../page.ts';
import { paged } from '../page.ts';
import type { ClusterDetail, ClusterRow, List } from '../rows.ts';
import type { Counts } from './counts.ts';
import { countUnits, noCounts } from './counts.ts';
import type { Reader } from './reader.ts';
import { declaredOf, iso, parse } from './reader.ts';
import type { Suspensions } from './suspensions.ts';
import { clusterSuspensions, readSuspensions } from './suspensions.ts';
import { selectedClusters } from './units.ts';

export interface ClusterFilter {
  readonly selector?: string;
  readonly online?: 'true' | 'false';
  readonly accepted?: 'true' | 'false';
}

type StoredCluster = Selectable<ClusterTable> & { readonly content: string | null; readonly generation: number | null };

interface Around {
  readonly counts: ReadonlyMap<string, Counts>;
  readonly suspensions: Suspensions;
}

export async function listClusters(reader: Reader, filter: ClusterFilter, page: Page): Promise<List<ClusterRow>> {
  let narrowed = selectClusters(reader);
  if (filter.online !== undefined) narrowed = narrowed.where('cluster.online', '=', Number(filter.online === 'true'));
  if (filter.accepted !== undefined) narrowed = narrowed.where('cluster.accepted', '=', Number(filter.accepted === 'true'));
  if (filter.selector !== undefined) {
    const uids = await selectedClusters(reader, filter.selector);
    if (uids.length === 0) return { items: [], next: null, total: 0 };
    narrowed = narrowed.where('cluster.uid', 'in', uids);
  }
  const [after] = page.after ?? [];
  const rows = await narrowed
    .$if(after !== undefined, (query) => query.where('cluster.name', '>', String(after)))
    .orderBy('cluster.name')
    .limit(page.limit + 1)
    .execute();
  const { total } = await narrowed
    .clearSelect()
    .select(({ fn }) => fn.countAll<number>().as('total'))
    .executeTakeFirstOrThrow();
  const around = await readAround(reader);
  return {
    ...paged(
      rows,
      page,
      (row) => [row.name],
      (row) => clusterRow(reader, row, around),
    ),
    total,
  };
}

/** @throws DroverError CLUSTER_UNKNOWN */
export async function clusterDetail(reader: Reader, name: string): Promise<ClusterDetail> {
  const row = await selectClusters(reader).where('cluster.name', '=', name).executeTakeFirst();
  if (row === undefined) throw unknownCluster(name);
  const around = await readAround(reader);
  return {
    ...clusterRow(reader, row, around),
    vars: { ...declaredOf(reader, name)?.vars },
    facts: parse<Facts>(row.facts),
    suspensions: [...clusterSuspensions(reader, around.suspensions, name)],
  };
}

/** @throws DroverError CLUSTER_UNKNOWN */
export async function requireCluster(reader: Pick<Reader, 'db'>, name: string): Promise<Selectable<ClusterTable>> {
  const row = await reader.db.selectFrom('cluster').selectAll().where('name', '=', name).executeTakeFirst();
  if (row === undefined) throw unknownCluster(name);
  return row;
}

function unknownCluster(name: string): DroverError {
  return new DroverError('CLUSTER_UNKNOWN', `cluster ${name}`, 'there is no such cluster');
}

function selectClusters(reader: Reader) {
  return reader.db
    .selectFrom('cluster')
    .leftJoin('head', 'head.cluster', 'cluster.uid')
    .selectAll('cluster')
    .select(['head.content', 'head.generation']);
}

async function readAround(reader: Reader): Promise<Around> {
  return { counts: await countUnits(reader, 'cluster'), suspensions: await readSuspensions(reader) };
}

function clusterRow(reader: Reader, row: StoredCluster, around: Around): ClusterRow {
  const spec = declaredOf(reader, row.name);
  const counts = around.counts.get(row.uid) ?? noCounts();
  const facts = parse<Facts>(row.facts);
  return {
    name: row.name,
    uid: row.uid,
    namespace: row.namespace,
    accepted: row.accepted === 1,
    mode: (spec?.mode ?? row.mode) === 'Enforce' ? 'Enforce' : 'Observe',
    suspended: clusterSuspensions(reader, around.suspensions, row.name).length > 0,
    labels: { ...labelsOf(row, spec) },
    online: row.online === 1,
    lastSeen: iso(row.last_seen),
    joinedAt: iso(row.joined_at),
    agentVersion: row.agent_version,
    kubernetesVersion: facts?.kubernetesVersion ?? null,
    digest: { wanted: row.content, applied: row.applied_content },
    generation: { wanted: row.generation, applied: row.seen_generation === 0 ? null : row.seen_generation },
    units: counts.units,
    states: counts.states,
  };
}
