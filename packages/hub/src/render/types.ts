import type { ApiResource, Digest, ObjectKey, Position, Problem } from '@drover/contract';
import type { Delivery } from '#config/types.ts';
import type { Tree } from '#sources/types.ts';

/** What of a cluster a render may read. */
export interface RenderCluster {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly vars: Readonly<Record<string, string>>;
  /** Scope of kinds that are not built in, as the agent reported them; undefined before the first report. */
  readonly apiResources: readonly ApiResource[] | undefined;
}

/** One object as it will be applied: canonical bytes with Drover's marks. */
export interface RenderedObject {
  readonly key: ObjectKey;
  readonly apiVersion: string;
  /** SHA-256 of `json`. */
  readonly digest: Digest;
  /** Canonical JSON. */
  readonly json: string;
  /** Where it was written, where that is known. */
  readonly position?: Position;
}

/** A path and the git object it had; `oid` is null for a name that was looked for and absent. Directories by tree id. */
export interface Read {
  readonly path: string;
  readonly oid: string | null;
}

export interface Rendered {
  readonly type: 'rendered';
  /** In apply order. */
  readonly objects: readonly RenderedObject[];
  readonly reads: readonly Read[];
  readonly warnings: readonly Problem[];
}

/** The path itself is not in the tree: with `targeting: path` the Delivery does not apply to the cluster. */
export interface PathAbsent {
  readonly type: 'absent';
  readonly path: string;
  readonly reads: readonly Read[];
}

export interface RenderFailed {
  readonly type: 'failed';
  readonly problem: Problem;
  readonly reads: readonly Read[];
}

export type RenderResult = Rendered | PathAbsent | RenderFailed;

export interface Renderer {
  /**
   * Deterministic in (tree, delivery, cluster). Answers from the cache when every path read before has the same git
   * object now. Never rejects for what the repository holds; rejects with the signal's reason, and for a
   * `transient` failure of the engine (crash, time, memory) with a DroverError, which proves nothing about the content.
   */
  render(tree: Tree, delivery: Delivery, cluster: RenderCluster, signal: AbortSignal): Promise<RenderResult>;
}

/** Kept in SQL so that a restart renders only what changed. Keys are hex digests. */
export interface RenderCache {
  /** Closures seen before under this lookup key (delivery, cluster inputs, path, engine), newest first. */
  closures(lookup: string): Promise<readonly { readonly reads: readonly Read[]; readonly result: string }[]>;
  put(lookup: string, reads: readonly Read[], result: string): Promise<void>;
  /** A result by its key, as stored by `putResult`. */
  result(key: string): Promise<Uint8Array | undefined>;
  putResult(key: string, bytes: Uint8Array): Promise<void>;
}
