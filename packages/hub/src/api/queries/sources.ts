import type { Problem } from '@drover/contract';
import { DroverError } from '@drover/contract';
import type { Selectable } from 'kysely';
import { sql } from 'kysely';
import type { GitRef, GitRepository } from '#config/types.ts';
import type { SourceTable } from '#state/schema.ts';
import type { Page } from '../page.ts';
import { paged } from '../page.ts';
import type { List, SourceRow } from '../rows.ts';
import type { Reader } from './reader.ts';
import { iso, parse } from './reader.ts';
import type { Suspensions } from './suspensions.ts';
import { readSuspensions, sourceSuspensions } from './suspensions.ts';
import { commitRow } from './commit.ts';

export async function listSources(reader: Reader, filter: { readonly namespace?: string }, page: Page): Promise<List<SourceRow>> {
  const suspensions = await readSuspensions(reader);
  let narrowed = reader.db.selectFrom('source').selectAll();
  if (filter.namespace !== undefined) narrowed = narrowed.where('namespace', '=', filter.namespace);
  const rows = await narrowed
    .$if(page.after !== undefined, (query) => query.where(sql<boolean>`(kind, namespace, name) > (${sql.join([...(page.after ?? [])])})`))
    .orderBy('kind')
    .orderBy('namespace')
    .orderBy('name')
    .limit(page.limit + 1)
    .execute();
  const { total } = await narrowed
    .clearSelect()
    .select(({ fn }) => fn.countAll<number>().as('total'))
    .executeTakeFirstOrThrow();
  return {
    ...paged(
      rows,
      page,
      (row) => [row.kind, row.namespace, row.name],
      (row) => sourceRow(row, suspensions),
    ),
    total,
  };
}

export async function readSource(
  reader: Reader,
  source: { readonly kind: string; readonly namespace: string; readonly name: string },
): Promise<SourceRow | undefined> {
  const row = await reader.db
    .selectFrom('source')
    .selectAll()
    .where('kind', '=', source.kind)
    .where('namespace', '=', source.namespace)
    .where('name', '=', source.name)
    .executeTakeFirst();
  return row === undefined ? undefined : sourceRow(row, await readSuspensions(reader));
}

/** @throws DroverError NOT_FOUND */
export async function requireSource(
  reader: Reader,
  source: { readonly kind: string; readonly namespace: string; readonly name: string },
): Promise<SourceRow> {
  const row = await readSource(reader, source);
  if (row !== undefined) return row;
  throw new DroverError('NOT_FOUND', `${source.kind} ${source.namespace}/${source.name}`, 'there is no such source');
}

function sourceRow(row: Selectable<SourceTable>, suspensions: Suspensions): SourceRow {
  const spec = JSON.parse(row.spec) as GitRepository;
  return {
    kind: row.kind,
    namespace: row.namespace,
    name: row.name,
    url: withoutCredentials(spec.url),
    ref: showRef(spec.ref),
    revision: row.revision,
    commit: commitRow(row.commit),
    lastFetch: iso(row.last_fetch),
    lastWebhook: iso(row.last_webhook),
    suspended: sourceSuspensions(suspensions, row, spec).length > 0,
    problem: parse<Problem>(row.problem),
    problemSince: iso(row.problem_since),
  };
}

/** Configuration refuses credentials in URLs; should one be there all the same, it is not shown. */
function withoutCredentials(url: string): string {
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/@]*@/i, '$1');
}

function showRef(ref: GitRef): string {
  switch (ref.type) {
    case 'head':
      return 'HEAD of the remote';
    case 'branch':
      return `branch ${ref.name}`;
    case 'tag':
      return `tag ${ref.name}`;
    case 'commit':
      return `commit ${ref.sha.slice(0, 7)}`;
  }
}
