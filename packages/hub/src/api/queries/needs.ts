import type { Problem } from '@drover/contract';
import { DEFAULT_NAMESPACE, showUnit, unitName } from '@drover/contract';
import { readMeta } from '#state/store.ts';
import type { HubInfo } from '../types.ts';
import type { DeliveryRow, NeedRow, SourceRow } from '../rows.ts';
import { effectiveSince, effectiveState } from './effective-state.ts';
import type { Reader } from './reader.ts';
import { iso } from './reader.ts';
import type { StoredUnit } from './units.ts';
import { judge, selectUnits } from './units.ts';

const MAX_NEEDS = 20;
const MAX_READ = 200;
/** A workload may take a while; later somebody has to look. */
const NOT_READY_AFTER_MS = 2 * 60_000;
const WAITS_FOR_A_PERSON = ['Approval', 'Budget', 'Error', 'Hold'];

/** What a person has to do, the most urgent first. */
export async function needsYou(
  reader: Reader,
  info: HubInfo,
  sources: readonly SourceRow[],
  deliveries: readonly DeliveryRow[],
): Promise<{ readonly items: NeedRow[]; readonly total: number }> {
  const needs = [
    ...hubNeeds(info),
    ...(await configNeeds(reader)),
    ...sourceNeeds(sources),
    ...deliveryNeeds(deliveries),
    ...(await unitNeeds(reader)),
    ...(await clusterNeeds(reader)),
  ];
  return { items: needs.slice(0, MAX_NEEDS), total: needs.length };
}

function hubNeeds(info: HubInfo): NeedRow[] {
  const { problem, pending } = info.publish;
  if (problem === undefined) return [];
  const message = pending === 0 ? problem : `${pending} not published: ${problem}`;
  return [{ kind: 'Hub', subject: 'NATS', namespace: null, where: null, message, since: null, command: null }];
}

async function configNeeds(reader: Reader): Promise<NeedRow[]> {
  const problems = JSON.parse((await readMeta(reader.db, 'config')) ?? '[]') as Problem[];
  return problems.map((problem) => ({
    kind: 'Config',
    subject: problem.subject,
    namespace: null,
    where: placeOf(problem),
    message: `${problem.code}: ${problem.message}`,
    since: null,
    command: null,
  }));
}

export function placeOf(problem: Pick<Problem, 'position'>): string | null {
  const { position } = problem;
  if (position === undefined) return null;
  return [position.file, position.line, position.column].filter((part) => part !== undefined).join(':');
}

function sourceNeeds(sources: readonly SourceRow[]): NeedRow[] {
  return sources.flatMap(({ problem, ...source }) => {
    if (problem === null) return [];
    const kept = source.revision === null ? 'nothing was fetched yet' : `${shortRevision(source.revision)} stays in force`;
    return {
      kind: 'Source' as const,
      subject: source.name,
      namespace: source.namespace,
      where: null,
      message: `${problem.code}: ${problem.message}; ${kept}`,
      since: source.problemSince,
      command: `reconcile source ${inNamespace(source.namespace, source.name)}`,
    };
  });
}

function deliveryNeeds(deliveries: readonly DeliveryRow[]): NeedRow[] {
  return deliveries.flatMap(({ problem, ...delivery }) => {
    if (problem === null) return [];
    const message = `${problem.code}: ${problem.message}`;
    return {
      kind: 'Config' as const,
      subject: delivery.name,
      namespace: delivery.namespace,
      where: placeOf({ ...problem } as Problem),
      message,
      since: null,
      command: null,
    };
  });
}

async function unitNeeds(reader: Reader): Promise<NeedRow[]> {
  const now = reader.now();
  const state = effectiveState(now);
  const failed = await selectUnits(reader)
    // Stored states that may be these now: the index finds them.
    .where('unit.state', 'in', ['Failed', 'NotReady', 'Unknown'])
    .where(state, 'in', ['Failed', 'NotReady'])
    .orderBy('unit.state')
    .orderBy('unit.since', 'desc')
    .limit(MAX_READ)
    .execute();
  const held = await selectUnits(reader)
    .where('unit.state', 'in', ['Waiting', 'Unknown'])
    .where((where) => where.or([where('unit.held', '<>', '[]'), where('unit.presence', '=', 'Kept')]))
    .where(state, '=', 'Waiting')
    .limit(MAX_READ)
    .execute();
  const old = failed.filter((row) => row.effective === 'Failed' || now - row.since >= NOT_READY_AFTER_MS);
  return [
    ...grouped(reader, old),
    ...grouped(
      reader,
      held.filter((row) => needsPerson(reader, row)),
    ),
  ];
}

function needsPerson(reader: Reader, row: StoredUnit): boolean {
  return judge(reader, row).blockedOn.some((blocked) => WAITS_FOR_A_PERSON.includes(blocked.kind));
}

/** Equal messages of one Delivery's clusters are one row. */
function grouped(reader: Reader, rows: readonly StoredUnit[]): NeedRow[] {
  const groups = new Map<string, { readonly first: StoredUnit; readonly message: string; clusters: number; since: number }>();
  for (const row of rows) {
    const { message } = judge(reader, row);
    const key = `${row.effective} ${row.namespace}/${row.delivery} ${message}`;
    const since = effectiveSince(row, row.effective, row.last_seen ?? undefined);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { first: row, message, clusters: 1, since });
    else {
      group.clusters++;
      group.since = Math.min(group.since, since);
    }
  }
  return [...groups.values()].map(({ first, message, clusters, since }) => ({
    kind: first.effective === 'Failed' ? 'Failed' : first.effective === 'NotReady' ? 'NotReady' : 'Held',
    subject: first.delivery,
    namespace: first.namespace,
    where: clusters === 1 ? first.name : `${clusters} clusters`,
    message,
    since: iso(since),
    command: `explain ${showUnit(unitName(first.namespace, first.delivery), first.name)}`,
  }));
}

/** Clusters that wait to be accepted, and those that are offline. */
async function clusterNeeds(reader: Reader): Promise<NeedRow[]> {
  const rows = await reader.db
    .selectFrom('cluster')
    .select(['uid', 'name', 'accepted', 'last_seen', 'joined_at'])
    .where((where) => where.or([where('accepted', '=', 0), where('online', '=', 0)]))
    .orderBy('accepted')
    .orderBy('name')
    .limit(MAX_READ)
    .execute();
  const needs: NeedRow[] = [];
  for (const row of rows) {
    const base = { subject: row.name, namespace: null };
    if (row.accepted === 0) {
      needs.push({
        ...base,
        kind: 'Pending',
        where: null,
        message: 'joined, waits to be accepted',
        since: iso(row.joined_at),
        command: `cluster accept ${row.name}`,
      });
      continue;
    }
    const units = await reader.db
      .selectFrom('unit')
      .select(['namespace', 'delivery', 'applied_release'])
      .where('cluster', '=', row.uid)
      .orderBy('namespace')
      .orderBy('delivery')
      .execute();
    const releases = units.flatMap((unit) => (unit.applied_release === null ? [] : [`${unit.delivery}-${unit.applied_release}`]));
    const enforces =
      releases.length === 0
        ? 'has applied nothing yet'
        : `enforces ${releases.slice(0, 3).join(', ')}${releases.length > 3 ? ', …' : ''} alone`;
    const where = units.length === 0 ? null : units.length === 1 ? '1 unit' : `${units.length} units`;
    needs.push({ ...base, kind: 'Offline', where, message: enforces, since: iso(row.last_seen ?? row.joined_at), command: null });
    if (needs.length >= MAX_NEEDS * 2) break;
  }
  return needs;
}

export function inNamespace(namespace: string, name: string): string {
  return namespace === DEFAULT_NAMESPACE ? name : unitName(namespace, name);
}

/** `main@sha1:9c1d04e` */
export function shortRevision(revision: string): string {
  return revision.replace(/(sha(?:1|256):[0-9a-f]{7})[0-9a-f]+$/, '$1');
}
