import type { ClusterRow, DeliveryRow, EventRow, ReleaseRow, RolloutRow, SourceRow, TokenRow, UnitRow } from '@drover/hub/api';
import { styleOf } from '../format/paint.ts';
import { change, inNamespace, shortCommit, shortDigest, shortRevision } from '../format/revision.ts';
import type { Column } from '../format/table.ts';
import { age, ageOf, clockTime } from '../format/time.ts';

/** How each noun looks as a table. `now` is the clock that ages are told by. */
export function unitColumns(now: number): readonly Column<UnitRow>[] {
  return [
    { title: 'UNIT', cell: (row) => row.unit },
    { title: 'STATE', cell: (row) => ({ text: row.state, style: styleOf(row.state) }) },
    { title: 'AGE', cell: (row) => ageOf(row.since, now), align: 'right' },
    { title: 'RELEASE', cell: (row) => change(row.release.applied, row.release.wanted) },
    { title: 'REVISION', cell: (row) => change(shortRevision(row.revision.applied), shortRevision(row.revision.wanted)), wide: true },
    { title: 'DIGEST', cell: (row) => change(shortDigest(row.digest.applied), shortDigest(row.digest.wanted)), wide: true },
    { title: 'OBJECTS', cell: objectsOf, align: 'right' },
    {
      title: 'MESSAGE',
      cell: (row) => [...marksOf(row), withoutCode(row.message)].filter((part) => part !== '').join('; '),
      flexible: true,
    },
  ];
}

/** The place of a failure first, where there is room for one line: its code is in what `explain` shows. */
export function withoutCode(message: string): string {
  return message.replace(/^\[[A-Z_]+\] /, '');
}

function objectsOf(row: UnitRow): string {
  return row.objects.total === null ? '-' : `${row.objects.ready}/${row.objects.total}`;
}

/** Properties beside the state. */
export function marksOf(row: UnitRow): readonly string[] {
  return [
    row.suspended ? 'suspended' : '',
    row.observed ? 'observed' : '',
    row.drift > 0 ? `drift in ${row.drift}` : '',
    row.stale && row.state !== 'Unknown' ? 'stale' : '',
  ].filter((mark) => mark !== '');
}

export function clusterColumns(now: number): readonly Column<ClusterRow>[] {
  return [
    { title: 'CLUSTER', cell: (row) => row.name },
    { title: 'AGENT', cell: agentOf },
    { title: 'SEEN', cell: (row) => ageOf(row.lastSeen, now), align: 'right' },
    { title: 'MODE', cell: (row) => (row.suspended ? `${row.mode}, suspended` : row.mode) },
    { title: 'UNITS', cell: (row) => String(row.units), align: 'right' },
    { title: 'READY', cell: (row) => String(row.states.Ready), align: 'right' },
    { title: 'FAILED', cell: (row) => count(row.states.Failed, 'bad'), align: 'right' },
    { title: 'GENERATION', cell: (row) => change(number(row.generation.applied), number(row.generation.wanted)) },
    { title: 'KUBERNETES', cell: (row) => row.kubernetesVersion ?? '-' },
    { title: 'VERSION', cell: (row) => row.agentVersion ?? '-', wide: true },
    { title: 'UID', cell: (row) => row.uid, wide: true },
    { title: 'LABELS', cell: (row) => labels(row.labels), flexible: true },
  ];
}

function agentOf(row: ClusterRow): { text: string; style: 'good' | 'warn' | 'bad' } {
  if (!row.accepted) return { text: 'not accepted', style: 'warn' };
  return row.online ? { text: 'online', style: 'good' } : { text: 'offline', style: 'bad' };
}

function number(value: number | null): string | null {
  return value === null ? null : String(value);
}

/** Without the label that every cluster carries. */
function labels(all: Readonly<Record<string, string>>): string {
  return Object.entries(all)
    .filter(([key]) => key !== 'drover.dev/name')
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}

function count(value: number, style: 'bad' | 'warn'): { text: string; style: 'bad' | 'warn' | undefined } {
  return { text: String(value), style: value > 0 ? style : undefined };
}

export function sourceColumns(now: number): readonly Column<SourceRow>[] {
  return [
    { title: 'SOURCE', cell: (row) => inNamespace(row.namespace, row.name) },
    { title: 'REVISION', cell: (row) => shortRevision(row.revision) },
    { title: 'COMMIT', cell: (row) => shortCommit(row.commit), flexible: true },
    { title: 'FETCHED', cell: (row) => ageOf(row.lastFetch, now), align: 'right' },
    { title: 'WEBHOOK', cell: (row) => ageOf(row.lastWebhook, now), align: 'right' },
    { title: 'REF', cell: (row) => row.ref, wide: true },
    { title: 'URL', cell: (row) => row.url, flexible: true },
    { title: 'STATUS', cell: sourceStatus, flexible: true },
  ];
}

function sourceStatus(row: SourceRow): { text: string; style: 'good' | 'bad' | 'warn' } {
  if (row.problem !== null) return { text: `${row.problem.code}: ${row.problem.message}`, style: 'bad' };
  return row.suspended ? { text: 'suspended', style: 'warn' } : { text: 'ok', style: 'good' };
}

/** @param progressing shown where some unit is Progressing */
export function deliveryColumns(progressing: boolean): readonly Column<DeliveryRow>[] {
  return [
    { title: 'DELIVERY', cell: (row) => inNamespace(row.namespace, row.name), flexible: true },
    { title: 'CLUSTERS', cell: (row) => String(row.clusters), align: 'right' },
    { title: 'READY', cell: (row) => String(row.states.Ready), align: 'right' },
    { title: 'WAITING', cell: (row) => count(row.states.Waiting, 'warn'), align: 'right' },
    ...(progressing ? [{ title: 'PROGRESSING', cell: (row: DeliveryRow) => String(row.states.Progressing), align: 'right' as const }] : []),
    { title: 'NOT-READY', cell: (row) => count(row.states.NotReady, 'bad'), align: 'right' },
    { title: 'FAILED', cell: (row) => count(row.states.Failed, 'bad'), align: 'right' },
    { title: 'UNKNOWN', cell: (row) => count(row.states.Unknown, 'warn'), align: 'right' },
    { title: 'DRIFT', cell: (row) => count(row.drift, 'warn'), align: 'right' },
    { title: 'REVISION', cell: (row) => shortRevision(row.revision), wide: true },
    { title: 'SOURCE', cell: (row) => row.source, wide: true },
    { title: 'PATH', cell: (row) => row.path, wide: true },
    { title: 'RELEASE', cell: releaseOf, flexible: true },
  ];
}

function releaseOf(row: DeliveryRow): string {
  const { rollout } = row;
  const parts = [row.release ?? '-'];
  if (rollout?.state === 'Progressing') parts.push(`rolls out ${rollout.succeeded}/${rollout.clusters}`);
  else if (rollout !== null && rollout.state !== 'Succeeded') parts.push(rollout.state);
  if (row.problem !== null) parts.push(row.problem.code);
  if (row.suspended) parts.push('suspended');
  if (row.mode === 'Observe') parts.push('observed');
  if (row.removedAt !== null) parts.push('removed');
  return parts.join(' ');
}

export function releaseColumns(now: number): readonly Column<ReleaseRow>[] {
  return [
    { title: 'RELEASE', cell: (row) => inNamespace(row.namespace, row.id) },
    { title: 'AGE', cell: (row) => ageOf(row.createdAt, now), align: 'right' },
    { title: 'CLUSTERS', cell: (row) => String(row.clusters), align: 'right' },
    { title: 'FAILED', cell: (row) => count(row.failed, 'bad'), align: 'right' },
    { title: 'DELETES', cell: (row) => String(row.deletes), align: 'right' },
    { title: 'ROLLOUT', cell: (row) => row.rollout ?? '-' },
    { title: 'REVISION', cell: (row) => shortRevision(row.revision) },
    { title: 'COMMIT', cell: (row) => shortCommit(row.commit), flexible: true },
  ];
}

export function rolloutColumns(now: number): readonly Column<RolloutRow>[] {
  return [
    { title: 'ROLLOUT', cell: (row) => inNamespace(row.namespace, row.id) },
    { title: 'STATE', cell: (row) => row.state },
    { title: 'STARTED', cell: (row) => ageOf(row.startedAt, now), align: 'right' },
    {
      title: 'TOOK',
      cell: (row) => (row.endedAt === null ? '-' : age(Date.parse(row.endedAt) - Date.parse(row.startedAt))),
      align: 'right',
    },
    { title: 'SUCCEEDED', cell: (row) => String(row.clusters.Succeeded), align: 'right' },
    { title: 'RELEASED', cell: (row) => String(row.clusters.Released), align: 'right' },
    { title: 'PENDING', cell: (row) => String(row.clusters.Pending), align: 'right' },
    { title: 'FAILED', cell: (row) => count(row.clusters.Failed, 'bad'), align: 'right' },
  ];
}

export function eventColumns(now: number): readonly Column<EventRow>[] {
  return [
    { title: 'TIME', cell: (row) => clockTime(Date.parse(row.time), now) },
    { title: 'REASON', cell: (row) => ({ text: row.reason, style: severityStyle(row.severity) }) },
    { title: 'ABOUT', cell: aboutOf },
    { title: 'SEVERITY', cell: (row) => row.severity, wide: true },
    { title: 'OBJECT', cell: (row) => row.object ?? '-', wide: true },
    { title: 'ACTOR', cell: (row) => row.actor ?? '-', wide: true },
    { title: 'MESSAGE', cell: messageOf, flexible: true, wraps: true },
  ];
}

function severityStyle(severity: EventRow['severity']): 'bad' | 'warn' | undefined {
  return severity === 'Error' ? 'bad' : severity === 'Warning' ? 'warn' : undefined;
}

/** With widths that do not depend on the rows: for a log that is printed line by line. */
export function eventLineColumns(now: number): readonly Column<EventRow>[] {
  const widths: Readonly<Record<string, number>> = { TIME: 8, REASON: 18, ABOUT: 20 };
  return eventColumns(now).map((column) => ({ ...column, minWidth: widths[column.title] ?? 0 }));
}

function aboutOf(row: EventRow): string {
  const source = /^GitRepository\/([^/]+)\/([^/]+)$/.exec(row.object ?? '');
  if (source !== null) return `source ${inNamespace(source[1] ?? null, source[2] ?? '')}`;
  return row.unit ?? row.cluster ?? row.object ?? '-';
}

function messageOf(row: EventRow): string {
  const about = row.unit ?? row.cluster;
  const object = row.object !== null && about !== null && !row.message.includes(row.object) ? `${row.object}: ` : '';
  const message = row.message.replace(/\b(sha1:[0-9a-f]{7})[0-9a-f]{33}\b/g, '$1').replace(/ <[^<>\s]+@[^<>\s]+>/g, '');
  return `${object}${message}${row.actor === null ? '' : ` (${row.actor})`}`;
}

export function tokenColumns(now: number): readonly Column<TokenRow>[] {
  return [
    { title: 'ID', cell: (row) => row.id },
    { title: 'KIND', cell: (row) => row.kind },
    { title: 'STATE', cell: (row) => ({ text: row.state, style: row.state === 'Active' ? 'good' : 'dim' }) },
    { title: 'FOR', cell: (row) => row.cluster ?? row.name ?? 'any cluster' },
    { title: 'ROLE', cell: (row) => row.role ?? (row.enforce ? 'enforce' : 'observe') },
    { title: 'USES', cell: (row) => (row.kind === 'join' ? `${row.uses}/${row.maxUses}` : '-'), align: 'right' },
    { title: 'AGE', cell: (row) => ageOf(row.createdAt, now), align: 'right' },
    { title: 'EXPIRES', cell: (row) => (row.expiresAt === null ? 'never' : clockTime(Date.parse(row.expiresAt), now, false)) },
    { title: 'LABELS', cell: (row) => labels(row.labels), flexible: true },
  ];
}
