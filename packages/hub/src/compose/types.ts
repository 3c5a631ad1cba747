import type { BlockedOn, BundleManifest, BundleUnit, Digest, Mode, ObjectKey, Problem, UnitName } from '@drover/contract';
import type { DeleteBudget } from '#config/types.ts';

/** One object of a unit's content, as compose needs it. */
export interface ContentObject {
  readonly key: ObjectKey;
  /** Where it was written, for errors that name two files. */
  readonly file?: string;
}

export interface UnitContent {
  readonly manifest: BundleUnit['manifest'];
  readonly objects: readonly ContentObject[];
}

/** What one unit of a cluster should be. */
export interface UnitWish {
  readonly name: UnitName;
  /**
   * - `Delivered`: selected, its path exists
   * - `Kept`: its path vanished or its selector stopped matching, and nobody has approved that it leaves
   * - `Delete`, `Orphan`: it leaves, and what becomes of its objects
   */
  readonly presence: 'Delivered' | 'Kept' | 'Delete' | 'Orphan';
  /** Why it is Kept, for people. */
  readonly keptBecause?: string;
  /** Digest that the rollout released; undefined before the first. */
  readonly wanted: Digest | undefined;
  /** Digest of the newest render, released or not. */
  readonly newest: Digest | undefined;
  /** The newest render failed: dependants at the same source wait. */
  readonly renderFailed: boolean;
  /** It failed for no fault of the content, which may list anything. */
  readonly renderUnknown: boolean;
  /** The source it follows, by its key. */
  readonly source: string;
  readonly prune: boolean;
  /** Its agent has applied what is published. */
  readonly applied: boolean;
  readonly mode: Mode;
  readonly suspended: boolean;
  readonly dependsOn: readonly Dependency[];
  readonly deletes: DeleteBudget;
  /** Deletions over all clusters of the release that `wanted` belongs to. */
  readonly releaseDeletes: number;
}

export interface Dependency {
  readonly name: UnitName;
  /** Both follow one source: they change together. */
  readonly sharedSource: boolean;
}

export interface ComposeInput {
  readonly fleet: string;
  readonly cluster: string;
  /** The current head's manifest; undefined before the first. */
  readonly published: BundleManifest | undefined;
  readonly units: readonly UnitWish[];
  /** Units of `left[]` that the agent has reported done. */
  readonly leftDone: ReadonlySet<UnitName>;
  /** Deliveries, and their sources, that are not evaluated yet at what their source holds: they may list any object of it. */
  readonly unevaluated: ReadonlyMap<UnitName, string>;
  /** Content of every digest that is wanted or newest here, and of those published, unless it was lost. */
  readonly content: ReadonlyMap<Digest, UnitContent>;
}

/** Why a unit's wanted digest is not in the bundle. */
export interface Held {
  readonly kind: BlockedOn['kind'];
  readonly message: string;
  readonly problem?: Problem;
}

export interface UnitOutcome {
  /** Digest in the bundle; undefined when the unit is not in it. */
  readonly digest: Digest | undefined;
  readonly held: readonly Held[];
}

export interface Composed {
  readonly manifest: BundleManifest;
  readonly outcomes: ReadonlyMap<UnitName, UnitOutcome>;
}
