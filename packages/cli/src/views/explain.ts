import { stripVTControlCharacters } from 'node:util';
import type { DriftRow, SuspensionRow, UnitDetail } from '@drover/hub/api';
import { clean, cut, pad, widthOf, wrap } from '../format/clean.ts';
import type { Style } from '../format/paint.ts';
import { styleOf } from '../format/paint.ts';
import { authorOf, counted, shortDigest, shortRevision } from '../format/revision.ts';
import { age, clockTime, duration } from '../format/time.ts';
import { marksOf } from './columns.ts';
import { problemView } from './problem.ts';
import { sides } from './status.ts';
import type { ViewOptions } from './status.ts';

const LABEL = 9;
const MAX_OBJECTS = 5;
const MAX_CHANGES = 6;

/** One unit: what it is, why, what changed, how far it came on its way, and what to do next. */
export function explainView(unit: UnitDetail, now: number, options: ViewOptions): string {
  const blocks = [
    title(unit, now, options),
    problemView(unit, options),
    [...why(unit, now, options), ...changed(unit, now, options), ...steps(unit, now, options), ...next(unit, options)].join('\n'),
  ];
  return `${blocks.filter((block) => block !== '').join('\n\n')}\n`;
}

function title(unit: UnitDetail, now: number, options: ViewOptions): string {
  const since = Date.parse(unit.since);
  const marks = marksOf(unit).filter((mark) => mark === 'suspended' || mark === 'observed');
  const left = `${unit.unit}  ${unit.state} for ${age(now - since)}, since ${clockTime(since, now)}${marks.length === 0 ? '' : `, ${marks.join(', ')}`}`;
  const { online, lastSeen, reportedAt } = unit.agent;
  const heard = online ? (reportedAt ?? lastSeen) : lastSeen;
  const agent = online ? 'agent online' : 'agent offline';
  const right =
    heard === null
      ? `${agent}, nothing reported`
      : `${agent}, ${online ? 'reported' : 'last seen'} ${duration(now - Date.parse(heard))} ago`;
  const line = sides(left, options.paint(right, online ? undefined : 'warn'), options.width);
  return line.replace(`  ${unit.state} `, () => `  ${options.paint(unit.state, styleOf(unit.state))} `);
}

/** Lines under one label. */
function labelled(label: string, texts: readonly string[], options: ViewOptions, style?: Style): readonly string[] {
  const room = options.width - LABEL;
  return texts
    .flatMap((text) => wrap(clean(text), room))
    .map((line, index) => (index === 0 ? options.paint(pad(label, LABEL), style ?? 'strong') : ' '.repeat(LABEL)) + line);
}

function why(unit: UnitDetail, now: number, options: ViewOptions): readonly string[] {
  if (unit.state === 'Ready' && unit.suspensions.length === 0) return labelled('WHY', ['every object is applied and healthy'], options);
  const texts: string[] = [];
  const bad = unit.inventory.filter((object) => object.health !== 'Current' && object.message !== '');
  if (unit.problem !== null) texts.push('it does not render, or cannot be published: see above');
  else if (bad.length > 0 && (unit.state === 'NotReady' || unit.state === 'Failed')) {
    for (const object of bad.slice(0, MAX_OBJECTS)) {
      const code = object.code === null ? '' : `[${object.code}] `;
      texts.push(`${object.object}: ${code}${object.message}`);
    }
    if (bad.length > MAX_OBJECTS) texts.push(`and ${counted(bad.length - MAX_OBJECTS, 'object')} more`);
  } else if (unit.message !== '' && unit.blockedOn.every((blocked) => blocked.message !== unit.message)) texts.push(unit.message);
  for (const blocked of unit.blockedOn) {
    const by = blocked.by === null ? '' : `, by ${blocked.by}`;
    const text = `blocked on ${blocked.kind}${by}: ${blocked.message}`;
    if (unit.problem === null || blocked.kind !== 'Render') texts.push(text);
  }
  texts.push(...unit.suspensions.map((row) => suspension(row, now)));
  return labelled('WHY', texts.length === 0 ? [unit.state] : [...new Set(texts)], options);
}

function suspension(row: SuspensionRow, now: number): string {
  const what = row.target.startsWith('unit/') ? 'this unit' : row.target.startsWith('cluster/') ? 'the cluster' : 'the Delivery';
  const until = row.until === null ? '' : ` until ${clockTime(Date.parse(row.until), now, false)}`;
  return `suspended by ${row.by}, ${what}${until}${row.message === '' ? '' : `: ${row.message}`}`;
}

function changed(unit: UnitDetail, now: number, options: ViewOptions): readonly string[] {
  const { change } = unit;
  if (change === null || unit.problem !== null) return [];
  const from = change.from === null ? change.to : `${change.from} -> ${change.to}`;
  const commit = change.commit;
  const when = commit === null ? '' : `"${commit.subject}"  ${authorOf(commit)}, ${clockTime(Date.parse(commit.time), now)}`;
  const lines = [...labelled('CHANGED', [`${from}  ${shortRevision(change.revision)}`], options)];
  const first = lines[0] ?? '';
  if (when !== '') lines[0] = `${first}  ${cut(clean(when), options.width - widthOf(stripVTControlCharacters(first)) - 2)}`;
  for (const object of change.objects.slice(0, MAX_CHANGES)) {
    const verb = object.action === 'Changed' ? '' : object.action === 'Added' ? ' added' : ' removed';
    lines.push(' '.repeat(LABEL) + sides(`${object.object}${verb}`, cut(clean(object.file ?? ''), 50), options.width - LABEL).trimEnd());
  }
  const more = change.more + Math.max(0, change.objects.length - MAX_CHANGES);
  if (more > 0) lines.push(`${' '.repeat(LABEL)}and ${counted(more, 'object')} more`);
  return lines;
}

/** The way of the data, one line a step: what it gave, and when. */
function steps(unit: UnitDetail, now: number, options: ViewOptions): readonly string[] {
  const { source, render, applied, objects } = unit;
  const at = (time: string | null): string => (time === null ? '' : clockTime(Date.parse(time), now));
  const line = (label: string, ok: boolean | undefined, word: string, text: string, time: string | null): string => {
    const style: Style | undefined = ok === undefined ? undefined : ok ? 'good' : 'bad';
    const painted = options.paint(pad(word, 7), style);
    const rest = sides(text, at(time), options.width - LABEL - 9).trimEnd();
    return `${pad(label, LABEL)}${painted}  ${rest}`.trimEnd();
  };
  const drawn: string[] = [];
  if (source !== null) {
    const text = source.problem === null ? shortRevision(source.revision) : `${source.problem.code}: ${source.problem.message}`;
    drawn.push(
      line('source', source.problem === null, source.problem === null ? 'ok' : 'FAILED', text, source.problemSince ?? source.lastFetch),
    );
  }
  const rendered = `${render.objects === null ? 'nothing' : counted(render.objects, 'object')}, digest ${shortDigest(render.digest)}`;
  const last = render.digest === null ? 'nothing was rendered yet' : `last good: ${rendered}`;
  drawn.push(line('render', render.ok, render.ok ? 'ok' : 'FAILED', render.ok ? rendered : last, null));
  drawn.push(applyLine(unit, line));
  if (applied !== null && objects.total !== null) {
    const ready = objects.ready === objects.total;
    drawn.push(line('health', ready, ready ? 'ok' : 'FAILING', `${objects.ready} of ${objects.total} ready`, ready ? null : applied.since));
  }
  drawn.push(...driftLines(unit, now, line, options));
  return drawn;
}

type Line = (label: string, ok: boolean | undefined, word: string, text: string, time: string | null) => string;

function applyLine(unit: UnitDetail, line: Line): string {
  const { applied, digest, published } = unit;
  if (applied === null) return line('apply', undefined, '-', 'the agent has not reported this unit yet', null);
  const parts = [
    applied.created > 0 ? `${applied.created} created` : '',
    `${applied.configured} changed`,
    `${applied.unchanged} unchanged`,
    `${applied.deleted} deleted`,
  ];
  const done = parts.filter((part) => part !== '').join(', ');
  const failed = applied.state === 'Failed';
  if (failed) return line('apply', false, 'FAILED', done, applied.since);
  if (digest.applied === null || (published.digest !== null && digest.applied !== published.digest))
    return line('apply', undefined, 'behind', `has ${shortDigest(digest.applied)}, published is ${shortDigest(published.digest)}`, null);
  if (digest.wanted !== published.digest) return line('apply', undefined, 'held', `has ${unit.release.applied ?? '-'}; ${done}`, null);
  return line('apply', true, applied.mode === 'Observe' ? 'watched' : 'ok', done, null);
}

function driftLines(unit: UnitDetail, now: number, line: Line, options: ViewOptions): readonly string[] {
  const { driftObjects, lastUndone } = unit;
  const undone = lastUndone === null ? '' : `last undone ${clockTime(Date.parse(lastUndone.at), now, false)}: ${driftText(lastUndone)}`;
  if (driftObjects.length === 0) return [line('drift', undefined, 'none', undone, null)];
  const texts = driftObjects.map(driftText);
  const [first = '', ...more] = texts.slice(0, MAX_OBJECTS);
  const rest = texts.length > MAX_OBJECTS ? [`and ${counted(texts.length - MAX_OBJECTS, 'object')} more`] : [];
  const indent = ' '.repeat(LABEL + 9);
  return [
    line('drift', false, 'DRIFTED', first, driftObjects[0]?.at ?? null),
    ...[...more, ...rest, undone].filter((text) => text !== '').map((text) => indent + cut(clean(text), options.width - LABEL - 9)),
  ];
}

/** As the agent said it, where it named the object. */
function driftText(drift: DriftRow): string {
  if (drift.message.includes(drift.object)) return drift.message;
  const by = drift.manager === null ? '' : `, by ${drift.manager}`;
  const what = drift.kind === 'Missing' ? `${drift.object} is missing` : `${drift.object} ${drift.paths.slice(0, 3).join(' ')}`;
  return `${what}${by}${drift.message === '' ? '' : `: ${drift.message}`}`;
}

/** What a person can do, most useful first. */
function next(unit: UnitDetail, options: ViewOptions): readonly string[] {
  const offers: (readonly [command: string, why: string])[] = [];
  const own = unit.suspensions.find((row) => row.origin === 'Api');
  if (own !== undefined) offers.push([`drover resume ${resumeName(own.target, unit)}`, 'lifts the suspension']);
  if (unit.problem !== null) offers.push(['', unit.problem.hint]);
  const kinds = new Set(unit.blockedOn.map((blocked) => blocked.kind));
  const { change } = unit;
  if (unit.observed) offers.push([`drover enforce ${unit.cluster}`, 'writes it, unless its Delivery says Observe']);
  if (kinds.has('Budget') || (kinds.has('Approval') && !unit.observed))
    offers.push(['', 'revert the removal in Git; nothing is deleted until then']);
  if (
    (unit.state === 'NotReady' || unit.state === 'Failed') &&
    unit.problem === null &&
    change?.commit !== null &&
    change?.from !== null &&
    change !== null
  ) {
    offers.push([`git revert ${change.commit.sha.slice(0, 7)}`, `back to what ${change.from} was`]);
  }
  if (!unit.agent.online) offers.push(['', `look at the agent in ${unit.cluster}: it enforces what it has, alone`]);
  if (unit.source?.problem !== null && unit.source !== null) offers.push(['', unit.source.problem.hint]);
  if (offers.length === 0 && unit.state === 'Ready') return [];
  if (unit.state === 'NotReady' || unit.state === 'Progressing') offers.push([`drover wait ${unit.unit}`, 'until it is Ready']);
  offers.push([`drover get events --unit ${unit.unit}`, 'its history']);
  const width = Math.max(...offers.map(([command]) => widthOf(command)));
  return offers.slice(0, 4).map(([command, text], index) => {
    const label = index === 0 ? options.paint(pad('NEXT', LABEL), 'strong') : ' '.repeat(LABEL);
    const rest = command === '' ? clean(text) : `${pad(command, width)}   ${clean(text)}`;
    return label + cut(rest, options.width - LABEL);
  });
}

function resumeName(target: string, unit: UnitDetail): string {
  if (target.startsWith('unit/')) return unit.unit;
  return target.startsWith('cluster/')
    ? `cluster ${unit.cluster}`
    : `delivery ${unit.namespace === 'drover' ? unit.delivery : `${unit.namespace}/${unit.delivery}`}`;
}
