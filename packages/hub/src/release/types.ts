import type { Digest, Problem } from '@drover/contract';

/** What rendering one unit came to, as far as a release is concerned. */
export type UnitResult =
  | { readonly type: 'digest'; readonly digest: Digest }
  /** It did not render: the cluster keeps what it has. */
  | { readonly type: 'problem'; readonly problem: Problem };

/** Cluster UID → result. */
export type ReleaseUnits = ReadonlyMap<string, UnitResult>;
