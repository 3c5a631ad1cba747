import type { Problem } from '@drover/contract';
import type { GitRepository } from '#config/types.ts';

export interface Commit {
  /** 40 hex digits. */
  readonly sha: string;
  readonly subject: string;
  readonly author: string;
  /** Epoch ms. */
  readonly time: number;
}

/** One entry of a directory. */
export interface TreeEntry {
  readonly name: string;
  readonly type: 'file' | 'directory' | 'symlink' | 'submodule';
  /** Git object id, hex. */
  readonly oid: string;
}

/**
 * One commit's files, read lazily from the mirror's objects; never a work tree. Paths are relative to the repository's
 * root, `/`-separated, without `.` or `..`; `''` is the root. Entries that the source ignores are absent.
 */
export interface Tree {
  readonly commit: Commit;
  /** `main@sha1:<hex>` */
  readonly revision: string;
  /** Digest of the ignore rules in force; absent without any. */
  readonly rules?: string;
  /** Entry at a path, symbolic links not followed; undefined when absent. */
  entry(path: string, signal: AbortSignal): Promise<TreeEntry | undefined>;
  /** Sorted by name; undefined when the path is absent or no directory. @throws DroverError GIT_TREE_REFUSED (B33) */
  list(path: string, signal: AbortSignal): Promise<readonly TreeEntry[] | undefined>;
  /** Bytes of a blob. @throws DroverError RENDER_LIMIT above `maxBytes` (default 16 MiB), GIT_CORRUPT */
  read(oid: string, signal: AbortSignal, maxBytes?: number): Promise<Buffer>;
}

/** What the last fetch of a source gave. Nothing in here is ever emptiness: a failure keeps `tree` as it was. */
export interface FetchResult {
  /** The last good revision; undefined before the first. */
  readonly tree: Tree | undefined;
  /**
   * True when there is something to evaluate: `tree` is the first, or another commit than before this fetch, or the same
   * commit under another `spec.ignore`.
   */
  readonly changed: boolean;
  /** Paths that differ from the revision before; undefined when there was none, or too many to tell (> 10,000). */
  readonly changedPaths: readonly string[] | undefined;
  readonly problem: Problem | undefined;
  /** For example a followed force-push. */
  readonly warnings: readonly Problem[];
}

/** One mirrored repository. */
export interface GitMirror extends AsyncDisposable {
  /** Fetches; concurrent calls are coalesced to one running and one waiting. */
  fetch(spec: GitRepository, signal: AbortSignal): Promise<FetchResult>;
  /**
   * Opens a commit that the mirror already holds: after a restart, before the first fetch. From then on that commit is
   * the one that fetches are judged against and compared with.
   * @returns undefined when the mirror does not hold it
   * @throws DroverError GIT_URL_REFUSED, GIT_REF_REFUSED; GIT_TREE_REFUSED when its ignore rules are refused
   */
  open(spec: GitRepository, sha: string, signal: AbortSignal): Promise<Tree | undefined>;
  /**
   * Lets the next fetch that finds exactly this commit take it, though its history is unrelated or its force-push was
   * held (`GIT_HISTORY_UNRELATED`, `GIT_FORCE_PUSH_HELD`): an operator has approved it.
   */
  approve(sha: string): void;
  changedPaths(from: string, to: string, signal: AbortSignal): Promise<readonly string[] | undefined>;
}
