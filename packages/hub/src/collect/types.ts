import type { AgentEvent, Facts, LeftReport, UnitReport } from '@drover/contract';

/** One batch of what one agent said, in order. Identity comes from the certificate, never from the payload. */
export interface AgentBatch {
  /** UID of the cluster. */
  readonly uid: string;
  /** Highest the agent has applied. */
  readonly seen?: { readonly fleet: string; readonly epoch: number; readonly generation: number; readonly content: string };
  readonly facts?: Facts;
  readonly units: readonly UnitReport[];
  readonly left: readonly LeftReport[];
  readonly events: readonly AgentEvent[];
  /** Names of blobs that the agent could not verify or find. */
  readonly badBlobs: readonly string[];
}

/** What the reconcile loop is told after a batch was committed. */
export interface Collected {
  readonly uid: string;
  readonly units: readonly UnitReport[];
  readonly left: readonly LeftReport[];
  readonly factsChanged: boolean;
}

/** The hub's end of the report streams. */
export interface Collector extends AsyncDisposable {
  /** Asks the agent of a cluster, if a stream is open, to verify everything (or one unit) now; false when none is open. */
  reconcileNow(uid: string, unit?: string): boolean;
  /** UIDs with an open stream. */
  online(): ReadonlySet<string>;
  /** Closes the stream of a cluster at once. */
  disconnect(uid: string): void;
}
