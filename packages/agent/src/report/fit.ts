import type { AgentEvent, BlockedOn, DriftReport, LeftReport, ObjectReport, UnitReport } from '@drover/contract';
import { MAX_REPORTED_OBJECTS } from '@drover/contract';

/**
 * Bounds what one report may weigh: texts that others wrote (admission, the API server) and lists of objects. Counts
 * stay whole, so nothing is hidden by it.
 */
const MAX_TEXT = 2000;
const MAX_PATHS = 20;
const MAX_PATH = 250;
const MAX_BLOCKERS = 20;

export function fitReport(report: UnitReport): UnitReport {
  return {
    ...report,
    message: text(report.message),
    problems: report.problems.slice(0, MAX_REPORTED_OBJECTS).map(fitObject),
    drift: report.drift.slice(0, MAX_REPORTED_OBJECTS).map(fitDrift),
    ...(report.lastUndone === undefined ? {} : { lastUndone: fitDrift(report.lastUndone) }),
    blockedOn: report.blockedOn.slice(0, MAX_BLOCKERS).map((blocked): BlockedOn => ({ ...blocked, message: text(blocked.message) })),
  };
}

export function fitLeft(left: LeftReport): LeftReport {
  return { ...left, remaining: left.remaining.slice(0, MAX_REPORTED_OBJECTS).map(fitObject) };
}

export function fitEvent(event: AgentEvent): AgentEvent {
  return { ...event, message: text(event.message) };
}

function fitObject(object: ObjectReport): ObjectReport {
  return { ...object, message: text(object.message) };
}

function fitDrift(drift: DriftReport): DriftReport {
  return { ...drift, message: text(drift.message), paths: drift.paths.slice(0, MAX_PATHS).map((path) => cut(path, MAX_PATH)) };
}

const text = (value: string): string => cut(value, MAX_TEXT);

/** Never between the halves of a character. */
function cut(value: string, max: number): string {
  return value.length <= max ? value : `${value.slice(0, max - 1).toWellFormed()}…`;
}
