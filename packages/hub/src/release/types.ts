import type { Digest, Problem } from '@drover/contract';

/** What evaluating one unit came to. */
export type Judged =
  | { readonly type: 'digest'; readonly digest: Digest }
  /** Its content does not render: the cluster keeps what it has. */
  | { readonly type: 'problem'; readonly problem: Problem }
  /** It could not be told, for no fault of the content. */
  | { readonly type: 'unknown'; readonly problem: Problem }
  /** The path is not there, or the selector does not match. */
  | { readonly type: 'gone'; readonly note: string };

/** Cluster UID → what came of it. */
export type JudgedUnits = ReadonlyMap<string, Judged>;
