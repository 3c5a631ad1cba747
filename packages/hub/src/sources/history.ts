import type { Problem } from '@drover/contract';
import { DroverError } from '@drover/contract';

/** How a fetched commit stands to the last good one. */
export type Relation =
  | 'forward'
  /** Not a descendant, but with common history: a force-push. */
  | 'rewritten'
  | 'unrelated'
  /** The last good commit is no longer at hand, so that nothing can be told. */
  | 'unknown';

export type Verdict =
  | { readonly type: 'take'; readonly warnings: readonly Problem[] }
  | { readonly type: 'hold'; readonly problem: Problem };

/** Judges a commit that differs from the last good one (faults.md F28). What is held stays held until it is approved. */
export function judgeHistory(
  subject: string,
  facts: {
    readonly relation: Relation;
    readonly from: string;
    readonly to: string;
    readonly forcePush: 'Follow' | 'Hold';
    readonly approved: boolean;
  },
): Verdict {
  const { relation, from, to, forcePush, approved } = facts;
  if (relation === 'forward') return { type: 'take', warnings: [] };
  const steps = `from ${short(from)} to ${short(to)}`;
  if (relation === 'rewritten') {
    const problem = new DroverError('GIT_FORCE_PUSH_HELD', subject, `history was rewritten ${steps}`).toProblem();
    if (forcePush === 'Hold' && !approved) return { type: 'hold', problem };
    const hint = approved ? 'the commit was approved' : 'forcePush is Follow: the new history is followed; nothing is to be done';
    return { type: 'take', warnings: [{ ...problem, hint }] };
  }
  const what =
    relation === 'unrelated'
      ? `the history at ${short(to)} has nothing in common with ${short(from)}`
      : `nothing ties ${short(to)} to ${short(from)}, which the remote no longer has`;
  const problem = new DroverError('GIT_HISTORY_UNRELATED', subject, what).toProblem();
  if (!approved) return { type: 'hold', problem };
  return { type: 'take', warnings: [{ ...problem, hint: 'the commit was approved' }] };
}

const short = (sha: string): string => sha.slice(0, 12);

/**
 * Looks for a commit among the nearest ancestors of another, without a process: nearly every push is found here.
 *
 * @param parentsOf undefined when the commit is not at hand
 * @returns false when it is not among the first `limit`: it may still be farther away
 */
export async function isNearAncestor(
  parentsOf: (sha: string) => Promise<readonly string[] | undefined>,
  ancestor: string,
  of: string,
  limit = 64,
): Promise<boolean> {
  const seen = new Set([of]);
  const queue = [of];
  for (let read = 0; read < limit; read += 1) {
    const next = queue.shift();
    if (next === undefined) return false;
    for (const parent of (await parentsOf(next)) ?? []) {
      if (parent === ancestor) return true;
      if (seen.has(parent)) continue;
      seen.add(parent);
      queue.push(parent);
    }
  }
  return false;
}
