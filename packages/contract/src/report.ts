import type { Mode } from './bundle.ts';
import type { Digest } from './digest.ts';
import type { Code } from './errors.ts';
import type { ObjectKey, UnitName } from './object.ts';
import type { BlockedOn, Health, State } from './state.ts';

/** What an agent tells the hub. Times in epoch ms of the agent's clock: for showing, never for ordering. */

/** An object that is not as it should be; whole objects never travel up. */
export interface ObjectReport {
  readonly key: ObjectKey;
  readonly health: Health;
  /** Present when the apply or delete of the object failed. */
  readonly code?: Code;
  readonly message: string;
}

export type DriftKind = 'Missing' | 'Differs';

/** Drift that is there now (`Warn`, `Observe`, contested) or was undone (`at` is when). */
export interface DriftReport {
  readonly key: ObjectKey;
  readonly kind: DriftKind;
  /** Paths that are no longer ours, as JSON pointers; at most 20. */
  readonly paths: readonly string[];
  /** Field manager that took them, where it is known. */
  readonly manager?: string;
  readonly message: string;
  readonly at: number;
}

export interface UnitReport {
  readonly unit: UnitName;
  readonly state: State;
  readonly since: number;
  /** (epoch, generation) whose bundle asks for `wanted`. */
  readonly epoch: number;
  readonly generation: number;
  readonly wanted: Digest;
  /** The newest digest of which every object was applied; absent before the first. */
  readonly applied?: Digest;
  readonly healthy: boolean;
  readonly objects: { readonly total: number; readonly ready: number };
  /** What the last apply did. */
  readonly changes: { readonly created: number; readonly configured: number; readonly unchanged: number; readonly deleted: number };
  /** Objects not ready or failed: at most {@link MAX_REPORTED_OBJECTS}; `objects` counts all. */
  readonly problems: readonly ObjectReport[];
  readonly drift: readonly DriftReport[];
  readonly lastUndone?: DriftReport;
  readonly blockedOn: readonly BlockedOn[];
  readonly suspended: boolean;
  readonly mode: Mode;
  /** One sentence for people; empty when Ready. */
  readonly message: string;
}

/** A unit of `left[]` that is done: nothing of it remains in the inventory. */
export interface LeftReport {
  readonly unit: UnitName;
  readonly done: boolean;
  /** Objects that still remain, with why. */
  readonly remaining: readonly ObjectReport[];
}

export type Severity = 'Info' | 'Warning' | 'Error';

export interface AgentEvent {
  readonly id: string;
  readonly time: number;
  readonly severity: Severity;
  /** PascalCase, for example `DriftCorrected`; for failures the code in its registry's spelling. */
  readonly reason: string;
  readonly unit?: UnitName;
  readonly object?: ObjectKey;
  readonly message: string;
}

export interface ApiResource {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

export interface Facts {
  readonly agentVersion: string;
  /** Of the API server, for example `v1.36.3`. */
  readonly kubernetesVersion: string;
  readonly apiResources: readonly ApiResource[];
}

export const MAX_REPORTED_OBJECTS = 50;
