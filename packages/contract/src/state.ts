import type { ObjectKey } from './object.ts';

/** States of a unit, worst first. */
export const STATES = ['Failed', 'Unknown', 'NotReady', 'Progressing', 'Waiting', 'Ready'] as const;
export type State = (typeof STATES)[number];

export const BLOCKERS = [
  'Error',
  'Source',
  'Render',
  'Dependency',
  'Approval',
  'Budget',
  'Guard',
  'Window',
  'Hold',
  'Freeze',
  'Stage',
  'Soak',
  'Concurrency',
  'Offline',
  'Policy',
  'Handover',
  'Suspended',
] as const;
export type Blocker = (typeof BLOCKERS)[number];

/** What a unit waits for, or why it failed. Times in epoch ms. */
export interface BlockedOn {
  readonly kind: Blocker;
  readonly message: string;
  readonly since: number;
  readonly until?: number;
  readonly by?: string;
}

/** After this long without a report a unit is Unknown, never last week's Ready. */
export const UNKNOWN_AFTER_MS = 5 * 60_000;

export interface StateFacts {
  /** An apply or a render of the wanted content failed. */
  readonly failed: boolean;
  /** ms since the agent's last report; Infinity before the first. */
  readonly silentMs: number;
  /** The wanted digest is applied in full. */
  readonly applied: boolean;
  /** The agent works on the wanted digest now. */
  readonly applying: boolean;
  /** All objects whose health counts are healthy. */
  readonly healthy: boolean;
  /** Something keeps the wanted digest from being applied. */
  readonly blocked: boolean;
}

/** The one table that decides a unit's state. */
export function stateOf(facts: StateFacts): State {
  if (facts.failed) return 'Failed';
  if (facts.silentMs >= UNKNOWN_AFTER_MS) return 'Unknown';
  if (facts.applied) return facts.healthy ? 'Ready' : 'NotReady';
  if (facts.blocked && !facts.applying) return 'Waiting';
  return 'Progressing';
}

export function worst(states: Iterable<State>): State {
  let index: number = STATES.length - 1;
  for (const state of states) index = Math.min(index, STATES.indexOf(state));
  return STATES[index] ?? 'Unknown';
}

/** Health of one object, in kstatus' words. */
export type Health = 'Current' | 'InProgress' | 'Failed' | 'Terminating' | 'NotFound' | 'Unknown';

export interface ObjectHealth {
  readonly health: Health;
  /** Why it is not Current; empty when it is. */
  readonly message: string;
}

/** What an apply did to one object: the one currency from apply to report. */
export const ACTIONS = ['Created', 'Configured', 'Unchanged', 'Skipped', 'Deleted', 'Orphaned', 'Failed'] as const;
export type Action = (typeof ACTIONS)[number];

export interface Change {
  readonly key: ObjectKey;
  readonly action: Action;
}
