import type { Digest, DriftReport, ObjectKey, ObjectReport, Problem, UnitReport } from '@drover/contract';
import { parseKey, showRef, unitName } from '@drover/contract';
import type { Delivery } from '#config/types.ts';
import type { DriftRow, ObjectRow, SnippetRow, UnitDetail } from '../rows.ts';
import { commitRow } from './commit.ts';
import { eventRow } from './events.ts';
import type { Reader } from './reader.ts';
import { iso, parse, releaseId } from './reader.ts';
import { snippetOf } from './snippet.ts';
import { readSource } from './sources.ts';
import { readSuspensions, unitSuspensions } from './suspensions.ts';
import type { StoredUnit } from './units.ts';
import { readUnit, unitRow } from './units.ts';

/** `[key, apiVersion, digest, file?]`, as `unit_content` keeps an object. */
type ContentEntry = readonly [ObjectKey, string, Digest, string?];

const MAX_NAMES = 20;
const MAX_EVENTS = 10;
const MAX_CHANGED = 20;
const MAX_INVENTORY = 1000;

/** @throws DroverError NOT_FOUND */
export async function unitDetail(
  reader: Reader,
  unit: { readonly namespace: string; readonly delivery: string; readonly cluster: string },
): Promise<UnitDetail> {
  const row = await readUnit(reader, unit);
  const spec = JSON.parse(row.delivery_spec) as Delivery;
  const suspensions = await readSuspensions(reader);
  const report = parse<UnitReport>(row.report);
  const problem = problemOf(row);
  const rendered = await contentOf(reader, row.rendered);
  const published = await contentOf(reader, row.published);
  return {
    ...unitRow(reader, row, suspensions),
    presence: row.presence as UnitDetail['presence'],
    problem,
    snippet: await quote(reader, spec, problem),
    source: (await readSource(reader, spec.sourceRef)) ?? null,
    render: {
      ok: row.problem === null,
      revision: row.problem === null ? (row.delivery_revision ?? row.rendered_revision) : row.rendered_revision,
      digest: row.rendered,
      objects: rendered?.length ?? null,
    },
    published: { digest: row.published, release: releaseId(row.delivery, row.published_release), revision: row.published_revision },
    change: await changeOf(reader, row),
    applied: appliedOf(report),
    inventory: inventoryOf(published ?? [], report, row.published),
    driftObjects: (report?.drift ?? []).map(driftRow),
    lastUndone: report?.lastUndone === undefined ? null : driftRow(report.lastUndone),
    agent: { online: row.online === 1, lastSeen: iso(row.last_seen), reportedAt: iso(row.reported_at) },
    suspensions: [...unitSuspensions(reader, suspensions, unit, spec)],
    others: await othersOf(reader, row, problem),
    events: await eventsOf(reader, row),
  };
}

/** What a person has to mend: of the render, or of what holds the unit. */
function problemOf(row: StoredUnit): Problem | null {
  if (row.problem !== null) return JSON.parse(row.problem) as Problem;
  const held = JSON.parse(row.held) as { readonly problem?: Problem }[];
  return held.find((entry) => entry.problem !== undefined)?.problem ?? null;
}

async function quote(reader: Reader, spec: Delivery, problem: Problem | null): Promise<SnippetRow | null> {
  const position = problem?.position;
  if (position?.line === undefined || reader.actions.readSource === undefined) return null;
  const text = await reader.actions.readSource(spec, position.file);
  return (text === undefined ? undefined : snippetOf(text, position)) ?? null;
}

async function contentOf(reader: Reader, digest: Digest | null): Promise<readonly ContentEntry[] | undefined> {
  if (digest === null) return undefined;
  const row = await reader.db.selectFrom('unit_content').select('objects').where('digest', '=', digest).executeTakeFirst();
  return row === undefined ? undefined : (JSON.parse(row.objects) as ContentEntry[]);
}

function appliedOf(report: UnitReport | null): UnitDetail['applied'] {
  if (report === null) return null;
  const { created, configured, unchanged, deleted } = report.changes;
  const { healthy, state, mode } = report;
  return { created, configured, unchanged, deleted, healthy, state, since: iso(report.since), mode };
}

/**
 * Objects with their health. Agents report those that are not well; the others are well as far as the report is about
 * the published content and counts them so.
 */
function inventoryOf(content: readonly ContentEntry[], report: UnitReport | null, published: Digest | null): ObjectRow[] {
  const problems = new Map((report?.problems ?? []).map((problem) => [problem.key, problem]));
  const told = report !== null && report.wanted === published && report.applied === published;
  const allNamed = told && report.objects.total - report.objects.ready <= problems.size;
  const rows = content.map(([key, apiVersion, , file]): ObjectRow => {
    const problem = problems.get(key);
    problems.delete(key);
    return { ...objectRow(key, problem, allNamed), apiVersion, file: file ?? null };
  });
  for (const [key, problem] of problems) rows.push(objectRow(key, problem, allNamed));
  const isWell = (row: ObjectRow): number => (row.health === 'Current' ? 1 : 0);
  return rows.sort((a, b) => isWell(a) - isWell(b)).slice(0, MAX_INVENTORY);
}

function objectRow(key: ObjectKey, problem: ObjectReport | undefined, othersWell: boolean): ObjectRow {
  return {
    object: showRef(parseKey(key)),
    key,
    apiVersion: null,
    file: null,
    health: problem?.health ?? (othersWell ? 'Current' : 'Unknown'),
    code: problem?.code ?? null,
    message: problem?.message ?? '',
  };
}

function driftRow(drift: DriftReport): DriftRow {
  return {
    object: showRef(parseKey(drift.key)),
    kind: drift.kind,
    paths: [...drift.paths],
    manager: drift.manager ?? null,
    message: drift.message,
    at: iso(drift.at),
  };
}

/** What the wanted release changed here, against the last release that gave this cluster something else. */
async function changeOf(reader: Reader, row: StoredUnit): Promise<UnitDetail['change']> {
  if (row.wanted_release === null) return null;
  const release = await reader.db
    .selectFrom('release')
    .select(['revision', 'commit'])
    .where('namespace', '=', row.namespace)
    .where('delivery', '=', row.delivery)
    .where('number', '=', row.wanted_release)
    .executeTakeFirst();
  const before = await reader.db
    .selectFrom('release_unit')
    .select(['number', 'digest'])
    .where('namespace', '=', row.namespace)
    .where('delivery', '=', row.delivery)
    .where('cluster', '=', row.cluster)
    .where('number', '<', row.wanted_release)
    .where('digest', 'is not', null)
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst();
  const objects = before === undefined ? [] : changedObjects(await contentOf(reader, before.digest), await contentOf(reader, row.wanted));
  return {
    from: releaseId(row.delivery, before?.number ?? null),
    to: releaseId(row.delivery, row.wanted_release) ?? '',
    revision: release?.revision ?? row.wanted_revision ?? '',
    commit: commitRow(release?.commit ?? null),
    objects: objects.slice(0, MAX_CHANGED),
    more: Math.max(0, objects.length - MAX_CHANGED),
  };
}

type Changed = NonNullable<UnitDetail['change']>['objects'];

/** Empty when one of the contents is no longer kept. */
export function changedObjects(before: readonly ContentEntry[] | undefined, after: readonly ContentEntry[] | undefined): Changed {
  if (before === undefined || after === undefined) return [];
  const old = new Map(before.map((entry) => [entry[0], entry]));
  const changed: Changed = [];
  for (const [key, , digest, file] of after) {
    const was = old.get(key);
    old.delete(key);
    if (was?.[2] === digest) continue;
    changed.push({ object: showRef(parseKey(key)), file: file ?? null, action: was === undefined ? 'Added' : 'Changed' });
  }
  for (const [key, , , file] of old.values()) changed.push({ object: showRef(parseKey(key)), file: file ?? null, action: 'Removed' });
  return changed;
}

async function othersOf(reader: Reader, row: StoredUnit, problem: Problem | null): Promise<UnitDetail['others']> {
  const rows = await reader.db
    .selectFrom('unit')
    .innerJoin('cluster', 'cluster.uid', 'unit.cluster')
    .select(['cluster.name', 'unit.problem'])
    .where('unit.namespace', '=', row.namespace)
    .where('unit.delivery', '=', row.delivery)
    .orderBy('cluster.name')
    .execute();
  const same = (other: string | null): boolean =>
    other !== null && problem !== null && (JSON.parse(other) as Problem).code === problem.code;
  return {
    clusters: rows.length,
    sameProblem: rows
      .filter((other) => same(other.problem))
      .map((other) => other.name)
      .slice(0, MAX_NAMES),
    well: rows
      .filter((other) => other.problem === null)
      .map((other) => other.name)
      .slice(0, MAX_NAMES),
  };
}

async function eventsOf(reader: Reader, row: StoredUnit): Promise<UnitDetail['events']> {
  const rows = await reader.db
    .selectFrom('event')
    .selectAll()
    .where('unit', '=', unitName(row.namespace, row.delivery))
    .where('cluster', '=', row.name)
    .orderBy('id', 'desc')
    .limit(MAX_EVENTS)
    .execute();
  return rows.map(eventRow);
}
