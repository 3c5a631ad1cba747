import type { BundleUnit, Digest, LeftUnit, ObjectKey, UnitName } from '@drover/contract';
import type { FieldsHash } from '#observe/types.ts';
import type { SeenHead } from '#pull/types.ts';

/**
 * The inventory: every object that the agent applied, or is about to apply, in this cluster. It covers what is owned at
 * every instant (I5): an intent is written before the create, and an entry is taken out only after the object is gone
 * for certain.
 */
export interface Entry {
  readonly key: ObjectKey;
  readonly apiVersion: string;
  /** Null for an intent: the object may not exist, or may not be ours. */
  readonly uid: string | null;
  /** Of the content last applied; empty when that is not known: then the object is applied again. */
  readonly digest: Digest;
  readonly unit: UnitName;
  /** It existed before we first applied it. */
  readonly adopted: boolean;
  /** Baseline of drift: hash of the fields that were ours in the last apply's response. */
  readonly fields?: FieldsHash;
  /**
   * Never pruned: `Disabled` by the annotation `drover.dev/prune: disabled` of what was applied, `Released` because it
   * left a unit that does not prune.
   */
  readonly keep?: 'Disabled' | 'Released';
}

/** A unit of the bundle on record; its manifest is an item of the cache. */
export interface RecordedUnit extends Omit<BundleUnit, 'manifest'> {
  /** Digest of the cached manifest. */
  readonly item: Digest;
  /** Newest digest of which every object was applied. */
  readonly applied?: Digest;
}

export const STATE_FORMAT = 'drover.state/1';

/** What `drover-state` holds besides the intents. */
export interface StateRecord {
  readonly format: typeof STATE_FORMAT;
  readonly head: SeenHead;
  readonly units: readonly RecordedUnit[];
  readonly left: readonly LeftUnit[];
  /** Numbers of the packs of the cache that hold content in use. */
  readonly packs: readonly number[];
}

/** An intent's part of an entry. */
export type Intent = Pick<Entry, 'key' | 'apiVersion' | 'unit'>;

export function intentOf(intent: Intent): Entry {
  return { key: intent.key, apiVersion: intent.apiVersion, uid: null, digest: '', unit: intent.unit, adopted: false };
}
