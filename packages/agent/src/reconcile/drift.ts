import type { DriftReport, ObjectKey, UnitName } from '@drover/contract';
import { parseKey, showRef } from '@drover/contract';
import { corrected, dueAt, isContested, mayCorrect, NO_CONTEST, seen } from '#apply/contest.ts';
import type { WantedUnit } from '#apply/types.ts';
import type { Observation } from '#observe/types.ts';
import type { Term } from './term.ts';
import { say, sayOnce, wakeBy } from './term.ts';

const MAX_PATHS = 20;

/**
 * Looks at everything that drifted and says what is to be corrected now. What is not (other policies, suspension, a
 * contest) is left in `term.drift` to be reported.
 */
export function judgeDrift(term: Term): ReadonlySet<ObjectKey> {
  const correct = new Set<ObjectKey>();
  const standing = new Map<UnitName, DriftReport[]>();
  const now = term.ports.clock.monotonic();
  for (const unit of term.desired?.units.values() ?? []) {
    if (unit.mode === 'Observe' || unit.options.drift === 'Ignore') continue;
    for (const { key } of unit.objects) {
      const entry = term.inventory.entries.get(key);
      if (entry === undefined || entry.uid === null || entry.unit !== unit.name) continue;
      const observation = term.observer.observed(key);
      if (observation === undefined || !observation.drifted || observation.terminating) {
        if (observation?.presence === 'Present') term.said.delete(topicOf(key));
        continue;
      }
      const report = reportOf(term, key, observation);
      if (unit.suspended || unit.options.drift === 'Warn') {
        add(standing, unit.name, report);
        sayOnce(term, topicOf(key), {
          severity: 'Warning',
          reason: 'DriftDetected',
          unit: unit.name,
          object: key,
          message: report.message,
        });
      } else if (mayCorrectNow(term, key, observation, now)) correct.add(key);
      else {
        add(standing, unit.name, { ...report, message: `${report.message}; contested, corrected once an hour` });
        const message = `${observation.manager ?? 'something'} undid five corrections in ten minutes; from now on it is corrected once an hour`;
        sayOnce(term, `contested ${contestOf(key, observation)}`, {
          severity: 'Warning',
          reason: 'DriftContested',
          unit: unit.name,
          object: key,
          message,
        });
      }
    }
  }
  term.drift = standing;
  return correct;
}

function mayCorrectNow(term: Term, key: ObjectKey, observation: Observation, now: number): boolean {
  const name = contestOf(key, observation);
  const contest = seen(term.contests.get(name) ?? NO_CONTEST, now);
  if (contest !== NO_CONTEST) term.contests.set(name, contest);
  if (mayCorrect(contest, now)) return true;
  const due = dueAt(contest, now);
  if (due !== undefined) wakeBy(term, due);
  return false;
}

/** To be called after drift was corrected. */
export function noteCorrected(term: Term, unit: WantedUnit, key: ObjectKey, before: Observation): void {
  const now = term.ports.clock.monotonic();
  const name = contestOf(key, before);
  const contest = corrected(term.contests.get(name) ?? NO_CONTEST, now);
  term.contests.set(name, contest);
  if (!isContested(contest, now)) term.said.delete(`contested ${name}`);
  const report = reportOf(term, key, before);
  term.lastUndone.set(unit.name, report);
  say(term, { severity: 'Warning', reason: 'DriftCorrected', unit: unit.name, object: key, message: report.message });
}

function reportOf(term: Term, key: ObjectKey, observation: Observation): DriftReport {
  const missing = observation.presence === 'Missing';
  const paths = (observation.paths ?? []).slice(0, MAX_PATHS);
  const { manager } = observation;
  const what = missing
    ? 'deleted'
    : paths.length === 0
      ? 'changed'
      : `${paths.slice(0, 3).join(', ')}${paths.length > 3 ? ', …' : ''} changed`;
  return {
    key,
    kind: missing ? 'Missing' : 'Differs',
    paths,
    ...(manager === undefined ? {} : { manager }),
    message: `${showRef(parseKey(key))}: ${what}${manager === undefined ? '' : ` by ${manager}`}`,
    at: term.ports.clock.now(),
  };
}

function add(standing: Map<UnitName, DriftReport[]>, unit: UnitName, report: DriftReport): void {
  const list = standing.get(unit);
  if (list === undefined) standing.set(unit, [report]);
  else list.push(report);
}

function topicOf(key: ObjectKey): string {
  return `drift ${key}`;
}

function contestOf(key: ObjectKey, observation: Observation): string {
  return `${key} ${observation.presence === 'Missing' ? 'deleted' : (observation.manager ?? '')}`;
}
