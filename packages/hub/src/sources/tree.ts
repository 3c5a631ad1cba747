import { DroverError } from '@drover/contract';
import type { Ignores } from './ignore-rules.ts';
import type { ParsedTree } from './git-objects.ts';
import { collidingNames, showName } from './git-objects.ts';
import { checkTreePath } from './refusals.ts';
import type { Commit, Tree, TreeEntry } from './types.ts';

export const DEFAULT_MAX_FILE_BYTES = 16 * 1024 * 1024;

/** The reads that a tree needs of its mirror. */
export interface TreeReads {
  /** @throws DroverError GIT_CORRUPT when the object is missing or damaged, GIT_TREE_REFUSED when it is too large */
  tree(oid: string, signal: AbortSignal): Promise<ParsedTree>;
  /** @throws DroverError GIT_CORRUPT, RENDER_LIMIT above `maxBytes` */
  blob(oid: string, maxBytes: number, signal: AbortSignal): Promise<Buffer>;
}

/** A commit's files, looked up directory by directory. */
export function createTree(
  reads: TreeReads,
  options: {
    readonly commit: Commit;
    readonly revision: string;
    readonly root: string;
    readonly ignores: Ignores | undefined;
    readonly rules?: string;
  },
): Tree {
  const { commit, revision, root, ignores } = options;

  /** Directories near the root are on the way to every path. */
  const seen = new Map<string, readonly TreeEntry[]>();

  /** What is visible in a directory whose own path is visible. */
  async function visible(path: string, oid: string, signal: AbortSignal): Promise<readonly TreeEntry[]> {
    const known = seen.get(path);
    if (known !== undefined) return known;
    const { entries, refused } = await reads.tree(oid, signal);
    const [bad] = refused;
    if (bad !== undefined) throw refusal(path, `entry ${bad.name}: ${bad.why}`);
    const prefix = path === '' ? '' : `${path}/`;
    const kept = ignores === undefined ? entries : entries.filter((entry) => !ignores(prefix + entry.name, entry.type === 'directory'));
    const colliding = collidingNames(kept);
    if (colliding !== undefined) {
      throw refusal(path, `entries ${showName(colliding[0])} and ${showName(colliding[1])} differ only in letter case or normalisation`);
    }
    seen.set(path, kept);
    return kept;
  }

  async function entry(path: string, signal: AbortSignal): Promise<TreeEntry | undefined> {
    const wrong = checkTreePath(path);
    if (wrong !== undefined) throw new DroverError('RENDER_PATH_REFUSED', showName(path), wrong);
    let found: TreeEntry = { name: '', type: 'directory', oid: root };
    let at = '';
    for (const part of path === '' ? [] : path.split('/')) {
      if (found.type !== 'directory') return undefined;
      const next: TreeEntry | undefined = (await visible(at, found.oid, signal)).find(({ name }) => name === part);
      if (next === undefined) return undefined;
      found = next;
      at = at === '' ? part : `${at}/${part}`;
    }
    return found;
  }

  return {
    commit,
    revision,
    ...(options.rules === undefined ? {} : { rules: options.rules }),
    entry,
    async list(path, signal) {
      const directory = await entry(path, signal);
      return directory?.type === 'directory' ? await visible(path, directory.oid, signal) : undefined;
    },
    read: (oid, signal, maxBytes = DEFAULT_MAX_FILE_BYTES) => reads.blob(oid, maxBytes, signal),
  };
}

function refusal(path: string, what: string): DroverError {
  const shown = path === '' ? 'the root of the repository' : path;
  return new DroverError('GIT_TREE_REFUSED', shown, what, path === '' ? {} : { position: { file: path } });
}
