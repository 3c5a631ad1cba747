import { canonicalJson } from '@drover/contract';
import type { GitRepository } from '#config/types.ts';
import type { Store } from '#state/store.ts';
import type { FetchResult } from './types.ts';

/** `GitRepository/<namespace>/<name>` */
export function sourceKey(source: { readonly namespace: string; readonly name: string }): string {
  return `GitRepository/${source.namespace}/${source.name}`;
}

/** Writes what a fetch gave, before anything is done with it. A failed fetch changes nothing but the problem shown. */
export async function recordFetch(
  deps: { readonly store: Store; readonly now: () => number },
  source: GitRepository,
  result: FetchResult,
): Promise<void> {
  const { namespace, name } = source;
  const now = deps.now();
  await deps.store.write(async (tx) => {
    const before = await tx
      .selectFrom('source')
      .selectAll()
      .where('kind', '=', 'GitRepository')
      .where('namespace', '=', namespace)
      .where('name', '=', name)
      .executeTakeFirst();
    const problem = result.problem === undefined ? null : canonicalJson(result.problem);
    const code = before === undefined || before.problem === null ? undefined : (JSON.parse(before.problem) as { code: string }).code;
    // A commit of another repository is none of this one's: it would be taken for its history after a restart.
    const last = before !== undefined && (JSON.parse(before.spec) as GitRepository).url === source.url ? before : undefined;
    const row = {
      kind: 'GitRepository',
      namespace,
      name,
      spec: canonicalJson(source),
      sha: result.tree?.commit.sha ?? last?.sha ?? null,
      revision: result.tree?.revision ?? last?.revision ?? null,
      commit: result.tree === undefined ? (last?.commit ?? null) : canonicalJson(result.tree.commit),
      last_fetch: result.problem === undefined ? now : (last?.last_fetch ?? null),
      last_webhook: before?.last_webhook ?? null,
      problem,
      problem_since: problem === null ? null : code === result.problem?.code ? (before?.problem_since ?? now) : now,
    };
    if (before === undefined) await tx.insertInto('source').values(row).execute();
    else
      await tx
        .updateTable('source')
        .set(row)
        .where('kind', '=', 'GitRepository')
        .where('namespace', '=', namespace)
        .where('name', '=', name)
        .execute();
    const object = sourceKey(source);
    if (result.problem !== undefined && code !== result.problem.code) {
      await deps.store.event(tx, {
        severity: 'Error',
        reason: result.problem.code,
        object,
        message: `${result.problem.message}; the last good revision stays in force`,
      });
    }
    if (result.problem === undefined && code !== undefined)
      await deps.store.event(tx, { severity: 'Info', reason: 'SourceRecovered', object, message: `fetched ${row.revision}` });
    for (const warning of result.warnings)
      await deps.store.event(tx, { severity: 'Warning', reason: warning.code, object, message: warning.message });
    if (result.changed && result.tree !== undefined) {
      const { commit } = result.tree;
      await deps.store.event(tx, {
        severity: 'Info',
        reason: 'SourceFetched',
        object,
        message: `${result.tree.revision} "${commit.subject}" (${commit.author})`,
      });
    }
  });
}
