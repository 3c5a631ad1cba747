import type { BlockedOn, Digest, Problem, State, UnitReport } from '@drover/contract';
import { UNKNOWN_AFTER_MS, stateOf } from '@drover/contract';

/** What the hub knows of a unit, besides the agent's last report. */
export interface UnitKnowledge {
  readonly presence: 'Delivered' | 'Kept' | 'Delete' | 'Orphan';
  /** Why it is kept or leaves. */
  readonly note: string | undefined;
  /** The newest render failed. */
  readonly problem: Problem | undefined;
  readonly wanted: Digest | undefined;
  readonly published: Digest | undefined;
  /** Why `wanted` is not published. */
  readonly held: readonly BlockedOn[];
  /** Of one of `held` that needs a person to mend the configuration. */
  readonly heldProblem: Problem | undefined;
  /** Of the head in which the unit last changed, or a later one. */
  readonly report: UnitReport | undefined;
  /** ms since the cluster was last heard of; Infinity when never. */
  readonly silentMs: number;
  readonly online: boolean;
  readonly offlineSince: number;
}

export interface UnitState {
  readonly state: State;
  readonly message: string;
  readonly blockedOn: readonly BlockedOn[];
}

/** The state of a unit: what the hub knows of its content, and what the agent says of the digest that was published. */
export function unitState(known: UnitKnowledge): UnitState {
  const { report, problem, heldProblem } = known;
  const current = report !== undefined && report.wanted === known.published ? report : undefined;
  const blockedOn: BlockedOn[] = [...known.held, ...(current?.blockedOn ?? [])];
  if (current === undefined && !known.online && known.published !== undefined) {
    blockedOn.push({ kind: 'Offline', message: 'the agent has no stream to the hub', since: known.offlineSince });
  }
  if (known.presence === 'Delete' || known.presence === 'Orphan') {
    const silent = known.silentMs >= UNKNOWN_AFTER_MS;
    const [held] = known.held;
    const state = heldProblem !== undefined ? 'Failed' : silent ? 'Unknown' : held !== undefined ? 'Waiting' : 'Progressing';
    const why = known.note ?? 'leaves this cluster';
    return { state, message: held === undefined ? why : `${why}; ${held.message}`, blockedOn };
  }
  const released = known.held.length === 0 && known.presence !== 'Kept';
  // In mode Observe nothing is applied: Ready means that nothing would change.
  const same = current?.mode === 'Observe' && current.state === 'Ready';
  const state = stateOf({
    failed: problem !== undefined || heldProblem !== undefined || current?.state === 'Failed',
    silentMs: known.published === undefined ? 0 : known.silentMs,
    applied: released && current !== undefined && (same || current.applied === current.wanted),
    applying: released && current?.state === 'Progressing',
    healthy: same || (current?.healthy ?? false),
    blocked: !released || blockedOn.length > 0,
  });
  return { state, message: messageOf(known, state, blockedOn, current), blockedOn };
}

function messageOf(known: UnitKnowledge, state: State, blockedOn: readonly BlockedOn[], current: UnitReport | undefined): string {
  const problem = known.problem ?? known.heldProblem;
  if (problem !== undefined) {
    const { position } = problem;
    const place =
      position === undefined ? '' : `${[position.file, position.line, position.column].filter((part) => part !== undefined).join(':')}: `;
    return `[${problem.code}] ${place}${problem.message}`;
  }
  if (state === 'Ready') return '';
  if (state === 'Unknown') return 'no report from the agent for 5 minutes';
  if (current !== undefined && current.message !== '' && (state === 'Failed' || state === 'NotReady')) return current.message;
  const [first] = blockedOn;
  if (first !== undefined) return first.message;
  if (current !== undefined) return current.message;
  return known.published === known.wanted ? 'published; the agent has not reported it yet' : 'about to be published';
}
