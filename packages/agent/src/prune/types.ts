import type { DroverError, UnitName } from '@drover/contract';
import type { Entry } from '#inventory/types.ts';

/** Why an object that is wanted no more stays. */
export interface Kept {
  readonly entry: Entry;
  readonly why: 'Unproven' | 'Protected' | 'Disabled' | 'Guard' | 'Suspended' | 'Observed' | 'NotReady' | 'Held';
  readonly message: string;
}

export interface PrunePlan {
  /** In the order of deletion. */
  readonly remove: readonly Entry[];
  /** To be let go: the object stays, the entry goes. */
  readonly orphan: readonly Entry[];
  /** To be marked `Released`: they left a unit that does not prune. */
  readonly release: readonly Entry[];
  readonly kept: readonly Kept[];
  /** Units of the inventory of which the bundle says nothing. */
  readonly unaccounted: readonly UnitName[];
}

export type Removal =
  | { readonly type: 'Gone'; readonly entry: Entry; readonly deleted: boolean }
  /** Under another UID it is ours after all: adopted, and judged again. */
  | { readonly type: 'Adopted'; readonly entry: Entry }
  /** It is not ours any more: let go, not deleted. */
  | { readonly type: 'Foreign'; readonly entry: Entry; readonly message: string }
  | { readonly type: 'Disabled'; readonly entry: Entry }
  | { readonly type: 'Failed'; readonly entry: Entry; readonly error: DroverError };
