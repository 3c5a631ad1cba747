import type { State, UnitReport } from '@drover/contract';
import { DroverError, parseUnitName, STATES, showUnit, unitName } from '@drover/contract';
import type { Selectable } from 'kysely';
import { sql } from 'kysely';
import type { Delivery } from '#config/types.ts';
import { labelsOf } from '#release/clusters.ts';
import type { UnitTable } from '#state/schema.ts';
import type { UnitState } from '#state/unit-state.ts';
import { stateOfRow } from '#state/unit-row.ts';
import type { Page } from '../page.ts';
import { paged } from '../page.ts';
import type { BlockedOnRow, List, SuspensionRow, UnitRow } from '../rows.ts';
import { effectiveSince, effectiveState } from './effective-state.ts';
import type { Reader } from './reader.ts';
import { declaredOf, iso, parse, releaseId } from './reader.ts';
import { readSelector } from './selector-text.ts';
import type { Suspensions } from './suspensions.ts';
import { readSuspensions, unitSuspensions } from './suspensions.ts';

export interface UnitFilter {
  readonly namespace?: string;
  /** `shop`, or `team-a/shop`. */
  readonly delivery?: string;
  readonly cluster?: string;
  /** One or more, by comma. */
  readonly state?: string;
  readonly clusterSelector?: string;
  readonly drift?: 'true' | 'false';
  readonly suspended?: 'true' | 'false';
}

/** A unit as read: its row, its cluster, and what of its Delivery a row shows. */
export type StoredUnit = Selectable<UnitTable> & {
  readonly name: string;
  readonly online: number;
  readonly last_seen: number | null;
  readonly cluster_mode: string;
  readonly delivery_revision: string | null;
  readonly delivery_spec: string;
  readonly effective: State;
};

/** Units with their clusters and Deliveries, in no order yet. */
export function selectUnits(reader: Reader) {
  return reader.db
    .selectFrom('unit')
    .innerJoin('cluster', 'cluster.uid', 'unit.cluster')
    .innerJoin('delivery', (join) => join.onRef('delivery.namespace', '=', 'unit.namespace').onRef('delivery.name', '=', 'unit.delivery'))
    .selectAll('unit')
    .select([
      'cluster.name',
      'cluster.online',
      'cluster.last_seen',
      'cluster.mode as cluster_mode',
      'delivery.revision as delivery_revision',
      'delivery.spec as delivery_spec',
      effectiveState(reader.now()).as('effective'),
    ]);
}

export async function listUnits(reader: Reader, filter: UnitFilter, page: Page): Promise<List<UnitRow>> {
  const suspensions = await readSuspensions(reader);
  const narrowed = await narrow(reader, filter, suspensions);
  if (narrowed === undefined) return { items: [], next: null, total: 0 };
  const rows = await narrowed
    .$if(page.after !== undefined, (query) =>
      query.where(sql<boolean>`(unit.namespace, unit.delivery, cluster.name) > (${sql.join([...(page.after ?? [])])})`),
    )
    .orderBy('unit.namespace')
    .orderBy('unit.delivery')
    .orderBy('cluster.name')
    .limit(page.limit + 1)
    .execute();
  const { total } = await narrowed
    .clearSelect()
    .select(({ fn }) => fn.countAll<number>().as('total'))
    .executeTakeFirstOrThrow();
  const list = paged(
    rows,
    page,
    (row) => [row.namespace, row.delivery, row.name],
    (row) => unitRow(reader, row, suspensions),
  );
  return { ...list, total };
}

/** @throws DroverError NOT_FOUND */
export async function readUnit(
  reader: Reader,
  unit: { readonly namespace: string; readonly delivery: string; readonly cluster: string },
): Promise<StoredUnit> {
  const row = await selectUnits(reader)
    .where('unit.namespace', '=', unit.namespace)
    .where('unit.delivery', '=', unit.delivery)
    .where('cluster.name', '=', unit.cluster)
    .executeTakeFirst();
  if (row === undefined)
    throw new DroverError('NOT_FOUND', showUnit(unitName(unit.namespace, unit.delivery), unit.cluster), 'there is no such unit');
  return row;
}

/** The query of what a filter leaves; undefined when it can leave nothing. */
async function narrow(reader: Reader, filter: UnitFilter, suspensions: Suspensions) {
  let query = selectUnits(reader);
  if (filter.namespace !== undefined) query = query.where('unit.namespace', '=', filter.namespace);
  if (filter.delivery !== undefined) {
    const { namespace, delivery } = filter.delivery.includes('/')
      ? parseUnitName(filter.delivery)
      : { namespace: undefined, delivery: filter.delivery };
    query = query.where('unit.delivery', '=', delivery);
    if (namespace !== undefined) query = query.where('unit.namespace', '=', namespace);
  }
  if (filter.cluster !== undefined) query = query.where('cluster.name', '=', filter.cluster);
  if (filter.state !== undefined) query = query.where(effectiveState(reader.now()), 'in', statesOf(filter.state));
  if (filter.drift !== undefined) query = query.where('unit.drift', filter.drift === 'true' ? '>' : '=', 0);
  if (filter.suspended !== undefined) {
    const condition = suspendedCondition(reader, suspensions);
    query = query.where(filter.suspended === 'true' ? condition : sql<boolean>`not ${condition}`);
  }
  if (filter.clusterSelector !== undefined) {
    const uids = await selectedClusters(reader, filter.clusterSelector);
    if (uids.length === 0) return undefined;
    query = query.where('unit.cluster', 'in', uids);
  }
  return query;
}

/** As `unitSuspensions` judges one row, over all of them. */
export function suspendedCondition(reader: Reader, suspensions: Suspensions) {
  const targets = [...suspensions.keys()];
  const declared = [...(reader.actions.declared?.().values() ?? [])].filter((spec) => spec.suspend).map((spec) => spec.name);
  const named = [...targets, ...declared.map((name) => `cluster/${name}`)];
  const list = sql.join(named.length === 0 ? [''] : named);
  return sql<boolean>`(json_extract(delivery.spec, '$.suspend') = 1
    or ('unit/' || unit.namespace || '/' || unit.delivery || '/' || cluster.name) in (${list})
    or ('delivery/' || unit.namespace || '/' || unit.delivery) in (${list})
    or ('cluster/' || cluster.name) in (${list}))`;
}

function statesOf(text: string): State[] {
  return text.split(',').map((part) => {
    const state = STATES.find((known) => known.toLowerCase() === part.trim().toLowerCase());
    if (state === undefined) throw new DroverError('REQUEST_INVALID', 'state', `"${part.slice(0, 40)}" is none of ${STATES.join(', ')}`);
    return state;
  });
}

/** UIDs of the clusters whose labels, those of the hub, a selector matches. */
export async function selectedClusters(reader: Reader, selector: string): Promise<string[]> {
  const selects = readSelector(selector);
  const rows = await reader.db.selectFrom('cluster').select(['uid', 'name', 'labels']).execute();
  return rows.filter((row) => selects(labelsOf(row, declaredOf(reader, row.name)))).map((row) => row.uid);
}

export function judge(reader: Reader, row: StoredUnit): UnitState {
  return stateOfRow(row, { online: row.online === 1, lastSeen: row.last_seen ?? undefined }, reader.now());
}

export function unitRow(reader: Reader, row: StoredUnit, suspensions: Suspensions): UnitRow {
  const spec = JSON.parse(row.delivery_spec) as Delivery;
  const name = unitName(row.namespace, row.delivery);
  const report = parse<UnitReport>(row.report);
  const judged = judge(reader, row);
  const unit = { namespace: row.namespace, delivery: row.delivery, cluster: row.name };
  const suspended = unitSuspensions(reader, suspensions, unit, spec);
  const revision = revisionsOf(row);
  return {
    unit: showUnit(name, row.name),
    ...unit,
    state: row.effective,
    since: iso(effectiveSince(row, row.effective, row.last_seen ?? undefined)),
    release: { wanted: releaseId(row.delivery, row.wanted_release), applied: releaseId(row.delivery, row.applied_release) },
    revision,
    digest: { wanted: row.wanted, applied: row.applied },
    objects: { total: report?.objects.total ?? null, ready: report?.objects.ready ?? null },
    drift: row.drift,
    suspended: suspended.length > 0,
    observed: modeOf(reader, row, spec) === 'Observe',
    stale: row.online === 0,
    blockedOn: blockedOnRows(row, judged, suspended),
    message: judged.message,
  };
}

/**
 * Revisions wanted and applied. A row is written when content changes; where the newest revision gives the content that
 * is wanted already, that revision is what is wanted, and applied.
 */
export function revisionsOf(row: StoredUnit): UnitRow['revision'] {
  const newest = row.problem === null && row.presence === 'Delivered' && row.wanted !== null && row.wanted === row.rendered;
  const wanted = (newest ? row.delivery_revision : null) ?? row.wanted_revision;
  return { wanted, applied: newest && row.applied === row.wanted ? wanted : row.applied_revision };
}

/** `Observe` on the cluster or on the Delivery wins. */
export function modeOf(reader: Reader, row: StoredUnit, spec: Delivery): 'Enforce' | 'Observe' {
  const cluster = declaredOf(reader, row.name)?.mode ?? row.cluster_mode;
  return cluster === 'Enforce' && spec.mode === 'Enforce' ? 'Enforce' : 'Observe';
}

/** What blocks, with whom and until when where a person suspended it; a unit that failed is blocked by what failed. */
function blockedOnRows(row: StoredUnit, judged: UnitState, suspensions: readonly SuspensionRow[]): BlockedOnRow[] {
  const [person] = suspensions;
  const rows = judged.blockedOn.map((blocked) => {
    const { kind, message } = blocked;
    const shown: BlockedOnRow = { kind, message, since: iso(blocked.since), until: iso(blocked.until), by: blocked.by ?? null };
    if (kind !== 'Suspended' || person === undefined) return shown;
    return { ...shown, until: shown.until ?? person.until, by: shown.by ?? person.by };
  });
  const told = row.problem === null && (row.held.includes('"problem"') || rows.some((shown) => shown.kind === 'Error'));
  if (row.effective !== 'Failed' || told) return rows;
  const kind = row.problem === null ? 'Error' : 'Render';
  return [{ kind, message: judged.message, since: iso(row.since), until: null, by: null }, ...rows];
}
