import type { AgentEvent, LeftReport, UnitReport } from '@drover/contract';
import type { SeenHead } from '#pull/types.ts';

/** All that is true now, whole: a unit that is not listed is no longer known here. */
export interface Snapshot {
  /** The head on record; undefined before the first bundle. */
  readonly head: SeenHead | undefined;
  /** Sorted by unit; a report that did not change is the same JavaScript object as before. */
  readonly units: readonly UnitReport[];
  /** Every unit of `left[]` of the bundle on record. */
  readonly left: readonly LeftReport[];
}

/** Where the agent's truth goes; never blocks and never fails: the reporter coalesces, keeps and resumes. */
export interface Reporter {
  publish(snapshot: Snapshot): void;
  /** Events are kept until they are acknowledged, up to a bound; `id` makes a repetition harmless. */
  event(event: AgentEvent): void;
}
