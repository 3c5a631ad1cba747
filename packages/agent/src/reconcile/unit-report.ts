import type { BlockedOn, Blocker, LeftReport, ObjectReport, UnitName, UnitReport } from '@drover/contract';
import { canonicalJson, MAX_REPORTED_OBJECTS, parseKey, showRef, stateOf } from '@drover/contract';
import type { Comparison } from '#apply/compare.ts';
import type { WantedUnit } from '#apply/types.ts';
import type { RecordedUnit } from '#inventory/types.ts';
import type { Kept } from '#prune/types.ts';
import type { Term } from './term.ts';
import type { UnitFacts } from './unit-facts.ts';
import { standingOf, waitsFor } from './unit-facts.ts';

/** Tells the reporter all that is true now. */
export function publish(term: Term, applying: boolean): void {
  const { desired } = term;
  if (desired === undefined) {
    term.reporter.publish({ head: term.inventory.record?.head, units: [], left: [] });
    return;
  }
  const { facts, ready } = standingOf(term);
  const kept = Map.groupBy(term.kept, (one) => one.entry.unit);
  const units: UnitReport[] = [];
  for (const unit of desired.units.values()) {
    const own = facts.get(unit.name);
    if (own === undefined) continue;
    const deletes = deletesOf(term, unit.name);
    const before = term.reports.get(unit.name);
    const report =
      unit.mode === 'Observe'
        ? observedReport(term, unit, own, before)
        : enforcedReport(
            term,
            unit,
            { facts: own, waits: waitsFor(unit, term, ready), deletes, kept: kept.get(unit.name) ?? [], applying },
            before,
          );
    // The same object while nothing changed: the reporter sends what is another one.
    const same = before !== undefined && canonicalJson(before) === canonicalJson(report);
    if (!same) term.reports.set(unit.name, report);
    units.push(same ? before : report);
  }
  for (const unit of term.inventory.record?.units ?? []) {
    if (!desired.unknown.includes(unit.name)) continue;
    const report = unknownReport(term, unit, term.reports.get(unit.name));
    term.reports.set(unit.name, report);
    units.push(report);
  }
  for (const name of term.reports.keys()) if (!desired.units.has(name) && !desired.unknown.includes(name)) term.reports.delete(name);
  units.sort((a, b) => (a.unit < b.unit ? -1 : 1));
  term.reporter.publish({ head: term.inventory.record?.head, units, left: desired.left.map(({ name }) => leftReport(term, name)) });
}

/** Tells that what was reported last is not known to hold any more. */
export function publishUnknown(term: Term, message: string): void {
  const units = [...term.reports.values()]
    .map((report): UnitReport => withSince(term, report, { ...report, state: 'Unknown', healthy: false, message }))
    .sort((a, b) => (a.unit < b.unit ? -1 : 1));
  term.reporter.publish({
    head: term.inventory.record?.head,
    units,
    left: term.desired?.left.map(({ name }) => leftReport(term, name)) ?? [],
  });
}

/** A unit on record whose manifest was lost with the cache: kept as it is until its bundle is delivered again. */
function unknownReport(term: Term, unit: RecordedUnit, before: UnitReport | undefined): UnitReport {
  if (before !== undefined) return before;
  const message = 'its manifest is not cached, and its bundle was not delivered since the start: it is kept as it is';
  return withSince(term, before, {
    unit: unit.name,
    state: 'Waiting',
    ...headOf(term),
    wanted: unit.digest,
    ...(unit.applied === undefined ? {} : { applied: unit.applied }),
    healthy: false,
    objects: { total: 0, ready: 0 },
    changes: { created: 0, configured: 0, unchanged: 0, deleted: 0 },
    problems: [],
    drift: [],
    blockedOn: [{ kind: 'Error', message, since: term.ports.clock.now() }],
    suspended: unit.suspended,
    mode: unit.mode,
    message,
  });
}

interface Situation {
  readonly facts: UnitFacts;
  readonly waits: readonly string[];
  readonly deletes: readonly ObjectReport[];
  readonly kept: readonly Kept[];
  readonly applying: boolean;
}

function enforcedReport(term: Term, unit: WantedUnit, situation: Situation, before: UnitReport | undefined): UnitReport {
  const { facts, waits, deletes, kept } = situation;
  const blockedOn = blockersOf(term, unit, situation, before);
  const state = stateOf({
    failed: facts.failures.size > 0 || deletes.some((one) => one.code !== 'KUBE_TERMINATING'),
    silentMs: 0,
    applied: facts.applied,
    applying: situation.applying && waits.length === 0 && !unit.suspended,
    healthy: facts.healthy,
    blocked: waits.length > 0 || unit.suspended || term.trouble !== undefined,
  });
  const problems = [...facts.problems, ...deletes, ...kept.filter(isShown).map(keptReport)].slice(0, MAX_REPORTED_OBJECTS);
  return withSince(term, before, {
    unit: unit.name,
    state,
    ...headOf(term),
    wanted: unit.digest,
    ...(facts.applied ? { applied: unit.digest } : unit.applied === undefined ? {} : { applied: unit.applied }),
    healthy: facts.healthy,
    objects: { total: unit.objects.length, ready: facts.ready },
    changes: term.changes.get(unit.name) ?? { created: 0, configured: 0, unchanged: unit.objects.length, deleted: 0 },
    problems,
    drift: (term.drift.get(unit.name) ?? []).slice(0, MAX_REPORTED_OBJECTS),
    ...lastUndone(term, unit.name),
    blockedOn,
    suspended: unit.suspended,
    mode: unit.mode,
    message: messageOf(term, unit, state, facts, blockedOn, problems),
  });
}

function messageOf(
  term: Term,
  unit: WantedUnit,
  state: UnitReport['state'],
  facts: UnitFacts,
  blockedOn: readonly BlockedOn[],
  problems: readonly ObjectReport[],
): string {
  if (state === 'Ready') return '';
  const [blocker] = blockedOn;
  if (blocker !== undefined) return blocker.message;
  const [problem] = problems;
  const since = term.appliedSince.get(unit.name);
  const late =
    facts.applied && since !== undefined && term.ports.clock.monotonic() - since.at > unit.options.timeoutMs
      ? ' (longer than its timeout)'
      : '';
  if (problem !== undefined) return `${showRef(parseKey(problem.key))}: ${problem.message || problem.health}${late}`;
  return facts.applied ? '' : 'being applied';
}

function blockersOf(term: Term, unit: WantedUnit, situation: Situation, before: UnitReport | undefined): readonly BlockedOn[] {
  const { facts, waits, deletes, kept } = situation;
  const found: { kind: Blocker; message: string }[] = [];
  if (unit.suspended) found.push({ kind: 'Suspended', message: 'the unit is suspended' });
  if (waits.length > 0) found.push({ kind: 'Dependency', message: waits.join('; ') });
  for (const [key, failure] of facts.failures) {
    found.push({ kind: 'Error', message: `${showRef(parseKey(key))}: ${failure.error.what}` });
    break;
  }
  if (facts.failures.size === 0 && deletes[0] !== undefined && deletes[0].code !== 'KUBE_TERMINATING') {
    found.push({ kind: 'Error', message: `${showRef(parseKey(deletes[0].key))} cannot be deleted: ${deletes[0].message}` });
  }
  if (!facts.applied && facts.failures.size === 0 && term.trouble !== undefined)
    found.push({ kind: 'Error', message: term.trouble.message });
  const guarded = kept.find((one) => one.why === 'Guard' || one.why === 'Held');
  if (guarded !== undefined) found.push({ kind: 'Guard', message: guarded.message });
  const held = kept.filter((one) => one.why === 'Protected');
  if (held.length > 0) {
    const names = held.slice(0, 3).map((one) => showRef(parseKey(one.entry.key)));
    found.push({
      kind: 'Approval',
      message: `not deleted without approval: ${names.join(', ')}${held.length > 3 ? ` and ${held.length - 3} more` : ''}`,
    });
  }
  const now = term.ports.clock.now();
  return found.map(({ kind, message }) => {
    const known = before?.blockedOn.find((one) => one.kind === kind && one.message === message);
    return known ?? { kind, message, since: now };
  });
}

/** In mode Observe nothing is proven: Ready means that nothing would change. */
function observedReport(term: Term, unit: WantedUnit, facts: UnitFacts, before: UnitReport | undefined): UnitReport {
  const comparison = term.compared.get(unit.name);
  const current = comparison?.digest === unit.digest ? comparison : undefined;
  const { same, problems, drift, failed } = readComparison(term, current);
  const settled = current !== undefined && same === unit.objects.length;
  const differing = unit.objects.length - same;
  const text =
    current === undefined
      ? 'mode Observe: being compared'
      : `mode Observe: ${differing} of ${unit.objects.length} objects would change; nothing is written`;
  const known = before?.blockedOn.find((one) => one.message === text);
  const blockedOn: readonly BlockedOn[] = settled ? [] : [known ?? { kind: 'Approval', message: text, since: term.ports.clock.now() }];
  return withSince(term, before, {
    unit: unit.name,
    state: stateOf({ failed, silentMs: 0, applied: settled, applying: false, healthy: true, blocked: !settled }),
    ...headOf(term),
    wanted: unit.digest,
    ...(unit.applied === undefined ? {} : { applied: unit.applied }),
    healthy: facts.healthy,
    objects: { total: unit.objects.length, ready: same },
    changes: { created: 0, configured: 0, unchanged: same, deleted: 0 },
    problems: problems.slice(0, MAX_REPORTED_OBJECTS),
    drift: drift.slice(0, MAX_REPORTED_OBJECTS),
    ...lastUndone(term, unit.name),
    blockedOn,
    suspended: unit.suspended,
    mode: unit.mode,
    message: settled ? '' : text,
  });
}

function readComparison(
  term: Term,
  comparison: Comparison | undefined,
): { same: number; problems: ObjectReport[]; drift: UnitReport['drift'][number][]; failed: boolean } {
  const problems: ObjectReport[] = [];
  const drift: UnitReport['drift'][number][] = [];
  let same = 0;
  // The time of the comparison, on the wall clock, so that an unchanged report stays the same.
  const at = comparison === undefined ? 0 : Math.round(term.ports.clock.now() - (term.ports.clock.monotonic() - comparison.at));
  const earlier = new Map([...term.reports.values()].flatMap((report) => report.drift).map((one) => [one.key, one]));
  for (const [key, standing] of comparison?.standings ?? []) {
    const name = showRef(parseKey(key));
    if (standing.type === 'Same') same++;
    else if (standing.type === 'Failed') problems.push({ key, health: 'Unknown', code: standing.error.code, message: standing.error.what });
    else {
      const missing = standing.type === 'Missing';
      const paths = missing ? [] : standing.paths;
      const known = earlier.get(key);
      const since =
        known !== undefined && known.kind === (missing ? 'Missing' : 'Differs') && known.paths.join() === paths.join() ? known.at : at;
      drift.push({
        key,
        kind: missing ? 'Missing' : 'Differs',
        paths,
        message: missing ? `${name} is missing` : `${name} differs in ${paths.join(', ')}`,
        at: since,
      });
    }
  }
  return { same, problems, drift, failed: problems.length > 0 };
}

function leftReport(term: Term, unit: UnitName): LeftReport {
  const entries = [...term.inventory.entries.values()].filter(
    (entry) => entry.unit === unit && term.desired?.owners.get(entry.key) === undefined,
  );
  const why = new Map(term.kept.map((one) => [one.entry.key, one]));
  const remaining = entries.slice(0, MAX_REPORTED_OBJECTS).map(({ key }): ObjectReport => {
    const failure = term.failures.get(key);
    if (failure !== undefined) return { key, health: 'Unknown', code: failure.error.code, message: failure.error.what };
    return { key, health: 'Unknown', message: why.get(key)?.message ?? 'it is to be deleted' };
  });
  return { unit, done: entries.length === 0 && term.inventory.record !== undefined && term.damage.length === 0, remaining };
}

/** Objects of a unit that could not be deleted. */
function deletesOf(term: Term, unit: UnitName): readonly ObjectReport[] {
  const reports: ObjectReport[] = [];
  for (const [key, { error, digest }] of term.failures) {
    if (digest !== undefined || term.inventory.entries.get(key)?.unit !== unit) continue;
    reports.push({ key, health: error.code === 'KUBE_TERMINATING' ? 'Terminating' : 'Unknown', code: error.code, message: error.what });
  }
  return reports;
}

const isShown = (kept: Kept): boolean => kept.why === 'Protected' || kept.why === 'Guard' || kept.why === 'Held';

function keptReport({ entry, message }: Kept): ObjectReport {
  return { key: entry.key, health: 'Unknown', message };
}

function headOf(term: Term): { epoch: number; generation: number } {
  const { epoch, generation } = term.desired?.head ?? { epoch: 0, generation: 0 };
  return { epoch, generation };
}

function lastUndone(term: Term, unit: UnitName): Pick<UnitReport, 'lastUndone'> {
  const undone = term.lastUndone.get(unit);
  return undone === undefined ? {} : { lastUndone: undone };
}

function withSince(term: Term, before: UnitReport | undefined, report: Omit<UnitReport, 'since'>): UnitReport {
  return { ...report, since: before?.state === report.state ? before.since : term.ports.clock.now() };
}
