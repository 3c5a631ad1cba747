import { DroverError } from '@drover/contract';
import type { Answer } from './batch-reader.ts';
import type { ParsedCommit, ParsedTree } from './git-objects.ts';
import { parseCommit, parseTree } from './git-objects.ts';
import type { ObjectStore } from './object-store.ts';
import type { TreeReads } from './tree.ts';

/** Parsed trees by `<mirror> <oid>`; bounded, shared by all mirrors. */
export interface TreeCache {
  get(key: string): ParsedTree | undefined;
  set(key: string, tree: ParsedTree): void;
}

/** Largest tree object: about 100,000 entries in one directory. */
const MAX_TREE_BYTES = 8 * 1024 * 1024;
const MAX_COMMIT_BYTES = 1024 * 1024;

/** Reads of one mirror, whatever repository it has in force at the moment. */
export interface MirrorObjects extends TreeReads {
  /**
   * The commit that an object id names, tags followed.
   *
   * @returns undefined when the mirror does not hold the object
   * @throws DroverError GIT_REF_REFUSED when it names something else
   */
  commit(oid: string, signal: AbortSignal): Promise<ParsedCommit | undefined>;
}

export function createMirrorObjects(deps: {
  readonly store: () => ObjectStore;
  readonly cache: TreeCache;
  /** Tells this mirror's trees from others'. */
  readonly mirror: string;
  readonly subject: string;
  /** An object that must be there is not, or is not what it should be. */
  readonly damaged: () => void;
}): MirrorObjects {
  const { cache, mirror, subject } = deps;

  async function get(name: string, maxBytes: number, signal: AbortSignal): Promise<Answer> {
    try {
      return await deps.store().get(name, maxBytes, signal);
    } catch (error) {
      if (error instanceof DroverError && error.code === 'GIT_CORRUPT') deps.damaged();
      throw error;
    }
  }

  function corrupt(what: string): DroverError {
    deps.damaged();
    return new DroverError('GIT_CORRUPT', subject, what);
  }

  return {
    async tree(oid, signal) {
      const key = `${mirror} ${oid}`;
      const cached = cache.get(key);
      if (cached !== undefined) return cached;
      const answer = await get(oid, MAX_TREE_BYTES, signal);
      if (answer.type === 'too-large') {
        throw new DroverError(
          'GIT_TREE_REFUSED',
          subject,
          `directory ${oid} has ${answer.size} bytes of entries; at most ${MAX_TREE_BYTES}`,
        );
      }
      const tree = answer.type === 'object' && answer.kind === 'tree' ? parseTree(answer.bytes) : undefined;
      if (tree === undefined) throw corrupt(`directory ${oid} is missing or damaged`);
      cache.set(key, tree);
      return tree;
    },

    async blob(oid, maxBytes, signal) {
      const answer = await get(oid, maxBytes, signal);
      if (answer.type === 'too-large')
        throw new DroverError('RENDER_LIMIT', `file ${oid}`, `it has ${answer.size} bytes; at most ${maxBytes}`);
      if (answer.type === 'missing' || answer.kind !== 'blob') throw corrupt(`file ${oid} is missing or damaged`);
      return answer.bytes;
    },

    async commit(oid, signal) {
      const answer = await get(`${oid}^{commit}`, MAX_COMMIT_BYTES, signal);
      if (answer.type === 'too-large') throw new DroverError('GIT_TREE_REFUSED', subject, `commit ${oid} has ${answer.size} bytes`);
      if (answer.type === 'missing') {
        const itself = await get(oid, 0, signal);
        if (itself.type === 'missing') return undefined;
        throw new DroverError('GIT_REF_REFUSED', subject, `the ref names object ${oid}, which is no commit`);
      }
      const parsed = parseCommit(answer.oid, answer.bytes);
      if (parsed === undefined) throw corrupt(`commit ${answer.oid} is damaged`);
      return parsed;
    },
  };
}
