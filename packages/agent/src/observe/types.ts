import type { Digest, ObjectHealth, ObjectKey, UnitName } from '@drover/contract';
import type { LiveObject } from '#kube/types.ts';

/**
 * Observation: what the cluster shows of the objects that Drover applied. Drift is judged by ownership, not by value:
 * the paths that manager `drover` (Apply) holds in the response of an apply are the baseline; drift is a change of that
 * set, or an object that is gone.
 */

/** Short hash of the field set that manager `drover` holds; the empty string when it holds none. */
export type FieldsHash = string;

/** One entry of the inventory, as far as observing needs it. */
export interface Expectation {
  readonly key: ObjectKey;
  readonly apiVersion: string;
  readonly unit: UnitName;
  /** UID recorded at the last apply; null for an intent whose create has not been confirmed. */
  readonly uid: string | null;
  /** Baseline recorded at the last apply; undefined where none is known: then nothing that is present counts as drift. */
  readonly fields: FieldsHash | undefined;
  readonly digest: Digest;
}

/** `Missing` is always confirmed by a live GET; `Unknown` is no information and never leads to a write. */
export type Presence = 'Present' | 'Missing' | 'Unknown';

export interface Observation {
  readonly presence: Presence;
  readonly uid?: string;
  readonly resourceVersion?: string;
  /** `NotFound` for Missing, `Unknown` for Unknown. */
  readonly health: ObjectHealth;
  /** Missing, another UID, or the field set is no longer the baseline. Never true for Unknown or an intent. */
  readonly drifted: boolean;
  /** JSON pointers of what is no longer ours; absent where the baseline set is not known (drift from before a restart). */
  readonly paths?: readonly string[];
  /** Manager that holds these paths now, where one does. */
  readonly manager?: string;
  /** Being deleted. */
  readonly terminating: boolean;
  /** The server states that it does not serve the kind any more: entries may be drained, nothing is Missing. */
  readonly kindAbsent?: true;
}

/** What a correction undid, or what a dry run would. */
export interface Drift {
  readonly paths: readonly string[];
  readonly manager?: string;
}

export interface Observer {
  /** Runs the watches until aborted; never rejects for anything the API server does. */
  run(signal: AbortSignal): Promise<void>;
  /**
   * Replaces the set of what is observed. An entry whose uid, fields and apiVersion are as before keeps its observation;
   * a kind in use for the first time is listed and watched, one no longer in use is not.
   */
  expect(entries: Iterable<Expectation>): void;
  /**
   * Takes the response of an apply as the new baseline, at once: `observed` reflects it when this returns, and older
   * watch events are ignored. An object that was not expected is expected from now on, with `rest`.
   */
  applied(key: ObjectKey, live: LiveObject, rest: Pick<Expectation, 'unit' | 'digest'>): FieldsHash;
  /** Undefined when the key is not expected. */
  observed(key: ObjectKey): Observation | undefined;
  /**
   * Resolves with the keys whose observation changed since the last call, as soon as there is one. Changes in one turn
   * of the event loop come together. Calls of `applied` and `expect` do not count as changes, except that `applied` tells
   * of drift that came between the apply and its response. For one reader at a time.
   */
  changed(signal: AbortSignal): Promise<ReadonlySet<ObjectKey>>;
  /** Lists every kind anew, as a check that no event was lost; costs one list a kind. */
  refresh(): void;
  /** Every expected key is Present, Missing or of an absent kind. */
  synced(): boolean;
  /** Resolves when {@link synced} is true; kinds that cannot be read keep it waiting. */
  whenSynced(signal: AbortSignal): Promise<void>;
}
