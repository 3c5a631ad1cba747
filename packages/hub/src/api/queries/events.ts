import { parseKey, parseUnitName, showRef, showUnit, DEFAULT_NAMESPACE } from '@drover/contract';
import type { Selectable } from 'kysely';
import type { EventTable } from '#state/schema.ts';
import type { Page } from '../page.ts';
import { paged } from '../page.ts';
import type { EventRow, List } from '../rows.ts';
import type { Reader } from './reader.ts';
import { iso } from './reader.ts';

export interface EventFilter {
  /** Only those after this id, oldest first; without it the newest come first. */
  readonly since?: number;
  /** Not older than this, epoch ms. */
  readonly notBefore?: number;
  readonly namespace?: string;
  readonly delivery?: string;
  readonly cluster?: string;
  readonly severity?: 'Info' | 'Warning' | 'Error';
  readonly reason?: string;
}

export async function listEvents(reader: Reader, filter: EventFilter, page: Page): Promise<List<EventRow>> {
  const narrowed = narrow(reader, filter);
  const [after] = page.after ?? [];
  const ascending = filter.since !== undefined;
  const rows = await narrowed
    .$if(after !== undefined, (query) => query.where('id', ascending ? '>' : '<', Number(after)))
    .orderBy('id', ascending ? 'asc' : 'desc')
    .limit(page.limit + 1)
    .execute();
  const { total } = await narrowed
    .clearSelect()
    .select(({ fn }) => fn.countAll<number>().as('total'))
    .executeTakeFirstOrThrow();
  return { ...paged(rows, page, (row) => [row.id], eventRow), total };
}

/** The next of the log after an id, oldest first. */
export async function eventsAfter(reader: Reader, filter: EventFilter, id: number, limit: number): Promise<readonly EventRow[]> {
  const rows = await narrow(reader, filter).where('id', '>', id).orderBy('id').limit(limit).execute();
  return rows.map(eventRow);
}

export async function lastEventId(reader: Reader): Promise<number> {
  const row = await reader.db
    .selectFrom('event')
    .select(({ fn }) => fn.max('id').as('id'))
    .executeTakeFirst();
  return row?.id ?? 0;
}

function narrow(reader: Reader, filter: EventFilter) {
  let query = reader.db.selectFrom('event').selectAll();
  if (filter.since !== undefined) query = query.where('id', '>', filter.since);
  if (filter.notBefore !== undefined) query = query.where('time', '>=', filter.notBefore);
  if (filter.cluster !== undefined) query = query.where('cluster', '=', filter.cluster);
  if (filter.severity !== undefined) query = query.where('severity', '=', filter.severity);
  if (filter.reason !== undefined) query = query.where('reason', '=', filter.reason);
  if (filter.delivery !== undefined) {
    const { namespace, delivery } = filter.delivery.includes('/')
      ? parseUnitName(filter.delivery)
      : { namespace: filter.namespace ?? DEFAULT_NAMESPACE, delivery: filter.delivery };
    query = query.where('unit', '=', `${namespace}/${delivery}`);
  } else if (filter.namespace !== undefined) {
    // '0' follows '/': every name in the namespace lies between.
    query = query.where('unit', '>', `${filter.namespace}/`).where('unit', '<', `${filter.namespace}0`);
  }
  return query;
}

export function eventRow(row: Selectable<EventTable>): EventRow {
  return {
    id: row.id,
    time: iso(row.time),
    severity: row.severity as EventRow['severity'],
    reason: row.reason,
    unit: row.unit === null ? null : showDelivery(row.unit, row.cluster),
    cluster: row.cluster,
    object: row.object === null ? null : showObject(row.object),
    message: row.message,
    actor: row.actor,
  };
}

function showDelivery(name: string, cluster: string | null): string {
  if (cluster !== null) return showUnit(name, cluster);
  const { namespace, delivery } = parseUnitName(name);
  return namespace === DEFAULT_NAMESPACE ? delivery : name;
}

/** Keys of Kubernetes objects as people write them; sources and documents have names already. */
function showObject(object: string): string {
  return object.split('/').length === 4 ? showRef(parseKey(object)) : object;
}
