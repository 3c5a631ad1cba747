import type { Problem } from '@drover/contract';
import { DroverError } from '@drover/contract';
import type { Selectable } from 'kysely';
import { sql } from 'kysely';
import type { ReleaseTable } from '#state/schema.ts';
import type { Page } from '../page.ts';
import { paged } from '../page.ts';
import type { List, ReleaseDetail, ReleaseRow } from '../rows.ts';
import { commitRow } from './commit.ts';
import type { Reader } from './reader.ts';
import { iso, parse } from './reader.ts';
import type { ReleaseName } from './release-name.ts';

export interface ReleaseFilter {
  readonly namespace?: string;
  readonly delivery?: string;
}

type StoredRelease = Selectable<ReleaseTable> & { readonly clusters: number; readonly failed: number; readonly rollout: string | null };

/** Newest first. */
export async function listReleases(reader: Reader, filter: ReleaseFilter, page: Page): Promise<List<ReleaseRow>> {
  let narrowed = selectReleases(reader);
  if (filter.namespace !== undefined) narrowed = narrowed.where('release.namespace', '=', filter.namespace);
  if (filter.delivery !== undefined) narrowed = narrowed.where('release.delivery', '=', filter.delivery);
  const rows = await narrowed
    .$if(page.after !== undefined, (query) =>
      query.where(
        sql<boolean>`(release.created_at, release.namespace, release.delivery, release.number) < (${sql.join([...(page.after ?? [])])})`,
      ),
    )
    .orderBy('release.created_at', 'desc')
    .orderBy('release.namespace', 'desc')
    .orderBy('release.delivery', 'desc')
    .orderBy('release.number', 'desc')
    .limit(page.limit + 1)
    .execute();
  const { total } = await narrowed
    .clearSelect()
    .select(({ fn }) => fn.countAll<number>().as('total'))
    .executeTakeFirstOrThrow();
  return { ...paged(rows, page, (row) => [row.created_at, row.namespace, row.delivery, row.number], releaseRow), total };
}

/** @throws DroverError NOT_FOUND */
export async function releaseDetail(reader: Reader, name: ReleaseName): Promise<ReleaseDetail> {
  const row = await selectReleases(reader)
    .where('release.namespace', '=', name.namespace)
    .where('release.delivery', '=', name.delivery)
    .where('release.number', '=', name.number)
    .executeTakeFirst();
  if (row === undefined) throw new DroverError('NOT_FOUND', `release ${name.delivery}-${name.number}`, 'there is no such release');
  const units = await reader.db
    .selectFrom('release_unit')
    .innerJoin('cluster', 'cluster.uid', 'release_unit.cluster')
    .select(['cluster.name', 'release_unit.digest', 'release_unit.problem'])
    .where('release_unit.namespace', '=', row.namespace)
    .where('release_unit.delivery', '=', row.delivery)
    .where('release_unit.number', '=', row.number)
    .orderBy('cluster.name')
    .execute();
  return {
    ...releaseRow(row),
    configHash: row.config_hash,
    units: units.map((unit) => ({ cluster: unit.name, digest: unit.digest, problem: parse<Problem>(unit.problem) })),
  };
}

function selectReleases(reader: Reader) {
  return reader.db
    .selectFrom('release')
    .leftJoin('rollout', (join) =>
      join
        .onRef('rollout.namespace', '=', 'release.namespace')
        .onRef('rollout.delivery', '=', 'release.delivery')
        .onRef('rollout.number', '=', 'release.number'),
    )
    .selectAll('release')
    .select(['rollout.state as rollout', ofUnits('1').as('clusters'), ofUnits('u.problem is not null').as('failed')]);
}

function ofUnits(condition: string) {
  return sql<number>`(select count(*) from release_unit u where u.namespace = release.namespace and u.delivery = release.delivery
    and u.number = release.number and ${sql.raw(condition)})`;
}

function releaseRow(row: StoredRelease): ReleaseRow {
  return {
    id: `${row.delivery}-${row.number}`,
    namespace: row.namespace,
    delivery: row.delivery,
    number: row.number,
    revision: row.revision,
    commit: commitRow(row.commit),
    createdAt: iso(row.created_at),
    deletes: row.deletes,
    clusters: row.clusters,
    failed: row.failed,
    rollout: row.rollout,
  };
}
