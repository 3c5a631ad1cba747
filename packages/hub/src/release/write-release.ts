import type { Digest, ObjectKey } from '@drover/contract';
import { unitName } from '@drover/contract';
import type { Transaction } from 'kysely';
import type { Delivery, Named } from '#config/types.ts';
import type { Tree } from '#sources/types.ts';
import type { Database, ReleaseTable, UnitTable } from '#state/schema.ts';
import type { Db, Store } from '#state/store.ts';
import type { JudgedUnits } from './types.ts';

/** Releases whose digests are kept, and of which anything is remembered. */
export const KEPT_RELEASES = 10;
const REMEMBERED_RELEASES = 100;
const ROWS = 500;

interface Deps {
  readonly store: Store;
  /** What would be deleted if a unit went from one list of objects to another. */
  readonly deletesBetween: (
    before: readonly ObjectKey[],
    after: readonly ObjectKey[],
    elsewhere: ReadonlySet<ObjectKey>,
  ) => readonly ObjectKey[];
  readonly startRollout: (tx: Transaction<Database>, delivery: Delivery, number: number, clusters: readonly string[]) => Promise<void>;
}

interface Input {
  readonly delivery: Delivery;
  readonly configHash: string;
  readonly tree: Tree;
  readonly factsOnly: boolean;
}

/**
 * Writes the release of digests that are new to their clusters and starts its rollout. Where the newest release has the
 * same inputs and these clusters are only late (they joined since, did not render at first, or their facts changed), it
 * is that release that is completed.
 *
 * @param released cluster UID → digest; not empty
 * @returns the number of the release that has these digests
 */
export async function writeRelease(
  deps: Deps,
  tx: Transaction<Database>,
  input: Input,
  rows: ReadonlyMap<string, UnitTable>,
  judged: JudgedUnits,
  released: ReadonlyMap<string, Digest>,
  now: number,
): Promise<number> {
  const { delivery, tree, configHash } = input;
  const { namespace, name } = delivery;
  const newest = await newestRelease(tx, delivery);
  const deletes = delivery.prune ? await countDeletes(deps, tx, rows, released) : 0;
  if (newest !== undefined && (input.factsOnly || (await isLate(tx, newest, input, released)))) {
    await complete(tx, newest, released, deletes);
    await deps.startRollout(tx, delivery, newest.number, [...released.keys()]);
    return newest.number;
  }
  const number = (newest?.number ?? 0) + 1;
  await tx
    .insertInto('release')
    .values({
      namespace,
      delivery: name,
      number,
      revision: tree.revision,
      commit: JSON.stringify(tree.commit),
      config_hash: configHash,
      created_at: now,
      deletes,
    })
    .execute();
  const units = await unitsOf(tx, delivery, judged);
  const list = [...units];
  for (let at = 0; at < list.length; at += ROWS) {
    await tx
      .insertInto('release_unit')
      .values(list.slice(at, at + ROWS).map(([cluster, unit]) => ({ namespace, delivery: name, number, cluster, ...unit })))
      .execute();
  }
  await tx.updateTable('delivery').set({ release: number }).where('namespace', '=', namespace).where('name', '=', name).execute();
  await forgetOld(tx, delivery, number);
  await deps.startRollout(tx, delivery, number, [...released.keys()]);
  await deps.store.event(tx, {
    severity: 'Info',
    reason: 'ReleaseCreated',
    unit: unitName(namespace, name),
    message: `${name}-${number}: ${tree.revision} "${tree.commit.subject}" (${tree.commit.author}) changes ${released.size} of ${units.size} clusters`,
  });
  return number;
}

async function newestRelease(tx: Transaction<Database>, delivery: Named): Promise<ReleaseTable | undefined> {
  return await tx
    .selectFrom('release')
    .selectAll()
    .where('namespace', '=', delivery.namespace)
    .where('delivery', '=', delivery.name)
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst();
}

/** The newest release has these inputs, and no digest for any of these clusters, or one that it carried over. */
async function isLate(
  tx: Transaction<Database>,
  newest: ReleaseTable,
  input: Input,
  released: ReadonlyMap<string, Digest>,
): Promise<boolean> {
  if (newest.revision !== input.tree.revision || newest.config_hash !== input.configHash) return false;
  const uids = [...released.keys()];
  for (let at = 0; at < uids.length; at += ROWS) {
    const rendered = await tx
      .selectFrom('release_unit')
      .select('cluster')
      .where('namespace', '=', newest.namespace)
      .where('delivery', '=', newest.delivery)
      .where('number', '=', newest.number)
      .where('cluster', 'in', uids.slice(at, at + ROWS))
      .where('problem', 'is', null)
      .limit(1)
      .executeTakeFirst();
    if (rendered !== undefined) return false;
  }
  return true;
}

async function complete(
  tx: Transaction<Database>,
  newest: ReleaseTable,
  released: ReadonlyMap<string, Digest>,
  deletes: number,
): Promise<void> {
  const { namespace, delivery, number } = newest;
  for (const [cluster, digest] of released) {
    await tx
      .insertInto('release_unit')
      .values({ namespace, delivery, number, cluster, digest, problem: null })
      .onConflict((conflict) => conflict.columns(['namespace', 'delivery', 'number', 'cluster']).doUpdateSet({ digest, problem: null }))
      .execute();
  }
  if (deletes === 0) return;
  await tx
    .updateTable('release')
    .set({ deletes: newest.deletes + deletes })
    .where('namespace', '=', namespace)
    .where('delivery', '=', delivery)
    .where('number', '=', number)
    .execute();
}

/** What the release says of every cluster: those that were not rendered now keep what they have. */
async function unitsOf(
  tx: Transaction<Database>,
  delivery: Named,
  judged: JudgedUnits,
): Promise<ReadonlyMap<string, { readonly digest: string | null; readonly problem: string | null }>> {
  const rows = await tx
    .selectFrom('unit')
    .select(['cluster', 'wanted'])
    .where('namespace', '=', delivery.namespace)
    .where('delivery', '=', delivery.name)
    .where('presence', '=', 'Delivered')
    .execute();
  const before = new Map(rows.map((row) => [row.cluster, row.wanted]));
  const units = new Map<string, { digest: string | null; problem: string | null }>();
  for (const [cluster, digest] of before) if (digest !== null) units.set(cluster, { digest, problem: null });
  for (const [cluster, verdict] of judged) {
    if (verdict.type === 'digest') units.set(cluster, { digest: verdict.digest, problem: null });
    else if (verdict.type === 'gone') units.delete(cluster);
    else units.set(cluster, { digest: before.get(cluster) ?? null, problem: JSON.stringify(verdict.problem) });
  }
  return units;
}

async function forgetOld(tx: Transaction<Database>, { namespace, name }: Named, number: number): Promise<void> {
  await tx
    .deleteFrom('release_unit')
    .where('namespace', '=', namespace)
    .where('delivery', '=', name)
    .where('number', '<=', number - KEPT_RELEASES)
    .execute();
  await tx
    .deleteFrom('rollout')
    .where('namespace', '=', namespace)
    .where('delivery', '=', name)
    .where('number', '<=', number - REMEMBERED_RELEASES)
    .execute();
  await tx
    .deleteFrom('release')
    .where('namespace', '=', namespace)
    .where('delivery', '=', name)
    .where('number', '<=', number - REMEMBERED_RELEASES)
    // A unit that is held at an old release is held by that release's deletions.
    .where('number', 'not in', (query) =>
      query
        .selectFrom('unit')
        .select('wanted_release')
        .where('namespace', '=', namespace)
        .where('delivery', '=', name)
        .where('wanted_release', 'is not', null)
        .$narrowType<{ wanted_release: number }>(),
    )
    .execute();
}

/** Objects that a release removes over all clusters, by the rule of one unit's budget. */
async function countDeletes(
  deps: Pick<Deps, 'deletesBetween'>,
  tx: Transaction<Database>,
  rows: ReadonlyMap<string, UnitTable>,
  released: ReadonlyMap<string, Digest>,
): Promise<number> {
  const pairs = new Map<string, { readonly before: Digest; readonly after: Digest; readonly uids: string[] }>();
  for (const [uid, after] of released) {
    const before = rows.get(uid)?.published ?? undefined;
    if (before === undefined || before === after) continue;
    const pair = pairs.get(`${before} ${after}`) ?? { before, after, uids: [] };
    pair.uids.push(uid);
    pairs.set(`${before} ${after}`, pair);
  }
  const keys = new Map<Digest, readonly ObjectKey[]>();
  const keysOf = async (digest: Digest): Promise<readonly ObjectKey[]> => {
    const known = keys.get(digest) ?? (await readKeys(tx, digest));
    keys.set(digest, known);
    return known;
  };
  let deletes = 0;
  for (const { before, after, uids } of pairs.values()) {
    const removed = deps.deletesBetween(await keysOf(before), await keysOf(after), new Set());
    if (removed.length === 0) continue;
    for (const uid of uids) {
      const others = await tx.selectFrom('unit').select('rendered').where('cluster', '=', uid).where('rendered', 'is not', null).execute();
      const elsewhere = new Set<ObjectKey>();
      for (const { rendered } of others)
        if (rendered !== null && rendered !== before) for (const key of await keysOf(rendered)) elsewhere.add(key);
      deletes += removed.filter((key) => !elsewhere.has(key)).length;
    }
  }
  return deletes;
}

async function readKeys(db: Db, digest: Digest): Promise<readonly ObjectKey[]> {
  const row = await db.selectFrom('unit_content').select('objects').where('digest', '=', digest).executeTakeFirst();
  return row === undefined ? [] : (JSON.parse(row.objects) as [ObjectKey][]).map(([key]) => key);
}
