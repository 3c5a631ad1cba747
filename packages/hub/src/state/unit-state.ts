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
    return { state: silent ? 'Unknown' : 'Progressing', message: known.note ?? 'leaves this cluster', blockedOn };
  }
  const released = known.held.length === 0 && known.presence !== 'Kept';
  const state = stateOf({
    failed: problem !== undefined || heldProblem !== undefined || current?.state === 'Failed',
    silentMs: known.published === undefined ? 0 : known.silentMs,
    applied: released && current !== undefined && current.applied === current.wanted,
    applying: released && current?.state === 'Progressing',
    healthy: current?.healthy ?? false,
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
  return current?.message ?? 'published; the agent has not reported it yet';
}
