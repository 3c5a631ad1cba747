import type { Change, Digest, DroverError, LeftUnit, ObjectKey, UnitName, UnitOptions } from '@drover/contract';
import type { RecordedUnit } from '#inventory/types.ts';
import type { SeenHead } from '#pull/types.ts';

export interface WantedObject {
  readonly key: ObjectKey;
  readonly apiVersion: string;
  readonly digest: Digest;
}

/** One unit of the bundle on record, with its manifest. */
export interface WantedUnit extends RecordedUnit {
  readonly options: UnitOptions;
  /** In apply order. */
  readonly objects: readonly WantedObject[];
}

/** What this cluster shall run. */
export interface Desired {
  readonly head: SeenHead;
  readonly units: ReadonlyMap<UnitName, WantedUnit>;
  readonly left: readonly LeftUnit[];
  /** The unit that lists an object. */
  readonly owners: ReadonlyMap<ObjectKey, UnitName>;
  /** Units whose manifest is not at hand; while there is one, nothing can be shown to be unwanted. */
  readonly unknown: readonly UnitName[];
}

/** Why an object is sent. */
export type Reason = 'Create' | 'Change' | 'Move' | 'Drift' | 'Unknown';

export interface Task {
  readonly unit: WantedUnit;
  readonly object: WantedObject;
  readonly reason: Reason;
  /** What drifted is not known, as after a restart: the object is read before it is corrected. */
  readonly inspect?: true;
}

/** What went wrong with an object; kept until it succeeds, or is wanted no more. */
export interface Failure {
  readonly error: DroverError;
  /** Digest that was tried; undefined for a delete. */
  readonly digest: Digest | undefined;
  readonly attempts: number;
  /** Monotonic ms. */
  readonly retryAt: number;
}

export interface UnitChanges {
  readonly created: number;
  readonly configured: number;
  readonly unchanged: number;
  readonly deleted: number;
}

export type Changes = readonly Change[];
