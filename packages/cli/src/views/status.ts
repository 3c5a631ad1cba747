import { stripVTControlCharacters } from 'node:util';
import type { FleetView, NeedRow, SourceRow } from '@drover/hub/api';
import { clean, cut, pad, widthOf, wrap } from '../format/clean.ts';
import type { Paint, Style } from '../format/paint.ts';
import { counted, inNamespace, shortCommit, shortRevision } from '../format/revision.ts';
import { table } from '../format/table.ts';
import { clockTime, duration, sinceWhen } from '../format/time.ts';
import { deliveryColumns, withoutCode } from './columns.ts';

export interface ViewOptions {
  readonly width: number;
  readonly wide: boolean;
  readonly paint: Paint;
}

/** The whole fleet on one screen: what there is, how it fares, and what needs a person. */
export function statusView(fleet: FleetView, options: ViewOptions): string {
  const now = Date.parse(fleet.now);
  const blocks = [
    [header(fleet, now, options), ...fleet.sources.map((source) => sourceLine(source, now, options)), ...publishLine(fleet, options)].join(
      '\n',
    ),
    deliveries(fleet, options),
    needs(fleet, now, options),
    unmatched(fleet, options),
  ];
  return `${blocks.filter((block) => block !== '').join('\n\n')}\n`;
}

function header(fleet: FleetView, now: number, options: ViewOptions): string {
  const { total, online, offline, pending } = fleet.clusters;
  const parts = [`${online} online`];
  if (offline > 0) parts.push(`${offline} offline`);
  if (pending > 0) parts.push(`${pending} not accepted`);
  const left = `fleet   ${counted(total, 'cluster')}: ${parts.join(', ')}`;
  return sides(left, `hub ${fleet.version}, up ${duration(now - Date.parse(fleet.startedAt))}`, options.width);
}

function sourceLine(source: SourceRow, now: number, options: ViewOptions): string {
  const name = inNamespace(source.namespace, source.name);
  const left = `source  ${name}  ${shortRevision(source.revision)}  ${shortCommit(source.commit)}`;
  if (source.problem !== null) {
    const since = source.problemSince === null ? '' : ` since ${clockTime(Date.parse(source.problemSince), now, false)}`;
    return sides(left, options.paint(`${source.problem.code}${since}`, 'bad'), options.width);
  }
  const fetched = source.lastFetch === null ? 'never fetched' : `fetched ${duration(now - Date.parse(source.lastFetch))} ago`;
  const extra = source.suspended ? ', suspended' : source.lastWebhook === null ? '' : ', webhook ok';
  return sides(left, fetched + extra, options.width);
}

function publishLine(fleet: FleetView, options: ViewOptions): readonly string[] {
  const { pending, problem } = fleet.publish;
  if (problem === null) return [];
  return [options.paint(cut(clean(`nats    ${counted(pending, 'head')} not published: ${problem}`), options.width), 'bad')];
}

function deliveries(fleet: FleetView, options: ViewOptions): string {
  if (fleet.deliveries.length === 0) return 'No Deliveries: nothing is delivered yet.';
  const progressing = fleet.deliveries.some((row) => row.states.Progressing > 0);
  return table(deliveryColumns(progressing), fleet.deliveries, options);
}

const WORDS: Readonly<Record<NeedRow['kind'], { readonly word: string; readonly style: Style }>> = {
  Hub: { word: 'hub', style: 'bad' },
  Config: { word: 'config', style: 'bad' },
  Source: { word: 'source', style: 'bad' },
  Failed: { word: 'failed', style: 'bad' },
  NotReady: { word: 'not ready', style: 'bad' },
  Held: { word: 'held', style: 'warn' },
  Offline: { word: 'offline', style: 'warn' },
  Pending: { word: 'joined', style: 'warn' },
  Drift: { word: 'drift', style: 'warn' },
};

function needs(fleet: FleetView, now: number, options: ViewOptions): string {
  const { items, total } = fleet.needsYou;
  if (total === 0) return options.paint('Nothing needs you.', 'good');
  const since = items.map((need) => (need.since === null ? '' : sinceWhen(need.since, now)));
  const widths = {
    word: Math.max(...items.map((need) => WORDS[need.kind].word.length)),
    subject: bounded(
      items.map((need) => inNamespace(need.namespace, clean(need.subject))),
      24,
    ),
    where: bounded(
      items.map((need) => clean(need.where ?? '')),
      24,
    ),
    since: Math.max(5, ...since.map(widthOf)),
  };
  const indent = 2 + widths.word + 2;
  const room = Math.max(20, options.width - indent - widths.subject - 2 - widths.where - 2 - widths.since - 2);
  const lines = [options.paint(sides(`NEEDS YOU (${total})`, pad('SINCE', widths.since), options.width).trimEnd(), 'dim')];
  for (const [index, need] of items.entries()) {
    const { word, style } = WORDS[need.kind];
    const [first = '', ...more] = wrap(withoutCode(clean(need.message)), room);
    const subject = pad(cut(inNamespace(need.namespace, clean(need.subject)), widths.subject), widths.subject);
    const where = pad(cut(clean(need.where ?? ''), widths.where), widths.where);
    lines.push(
      `  ${options.paint(pad(word, widths.word), style)}  ${subject}  ${where}  ${pad(cut(first, room), room)}  ${since[index]}`.trimEnd(),
    );
    const below = ' '.repeat(indent + widths.subject + 2 + widths.where + 2);
    for (const line of more.slice(0, 2)) lines.push(`${below}${cut(line, room)}`);
    if (need.command !== null) lines.push(`${' '.repeat(indent)}${options.paint(`> drover ${clean(need.command)}`, 'strong')}`);
  }
  if (total > items.length) lines.push(`  ${total - items.length} more: drover get units, drover get events`);
  return lines.join('\n');
}

function bounded(texts: readonly string[], max: number): number {
  return Math.min(max, Math.max(0, ...texts.map(widthOf)));
}

function unmatched(fleet: FleetView, options: ViewOptions): string {
  const { directories, clusters } = fleet.unmatched;
  const parts = [
    ...directories.map((directory) => `${clean(directory)}/ has no cluster`),
    ...clusters.map((cluster) => `cluster ${clean(cluster)} has no directory clusters/${clean(cluster)}/`),
  ];
  if (parts.length === 0) return '';
  const [first = '', ...more] = wrap(parts.slice(0, 10).join('; '), options.width - 10);
  return [`${options.paint('UNMATCHED', 'warn')} ${first}`, ...more.map((line) => `          ${line}`)].join('\n');
}

/** One text at each end of a line; the left one gives way. */
export function sides(left: string, right: string, width: number): string {
  const room = width - widthOf(stripVTControlCharacters(right)) - 2;
  return `${pad(cut(clean(left), room), room)}  ${right}`;
}
