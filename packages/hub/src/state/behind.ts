import type { Head } from '@drover/contract';
import { compareHeads, DroverError } from '@drover/contract';
import type { Transaction } from 'kysely';
import type { Database } from './schema.ts';
import type { Store } from './store.ts';
import { readMeta, writeMeta } from './store.ts';

/** A head that an agent has on record; `content` where it said so. */
export type SeenHead = Pick<Head, 'fleet' | 'epoch' | 'generation'> & { readonly content?: string | undefined };

/**
 * Compares what an agent has taken with what this store has published to it. A head is committed here before it is
 * published, so an agent that is ahead proves that this store is older than what was published, or that another hub
 * publishes: nothing more is published until an operator has decided.
 *
 * @returns true when the hub is marked as behind by this
 */
export async function judgeSeen(
  store: Store,
  tx: Transaction<Database>,
  fleet: string,
  cluster: { readonly uid: string; readonly name: string },
  seen: SeenHead,
): Promise<boolean> {
  if (seen.fleet !== fleet || seen.generation === 0) return false;
  // What was published in an epoch that an operator has ended since counts no more.
  if (seen.epoch < Number((await readMeta(tx, 'epoch')) ?? 1)) return false;
  const head = await tx.selectFrom('head').select(['epoch', 'generation', 'content']).where('cluster', '=', cluster.uid).executeTakeFirst();
  const order = head === undefined ? 1 : compareHeads(seen, head);
  if (order < 0 || (order === 0 && (seen.content === undefined || seen.content === head?.content))) return false;
  if ((await readMeta(tx, 'behind')) !== undefined) return false;
  const which = `generation ${seen.generation} of epoch ${seen.epoch}`;
  const error =
    order > 0
      ? new DroverError('HUB_BEHIND', `cluster ${cluster.name}`, `its agent has ${which}, newer than this store`)
      : new DroverError('PUBLISH_LOST_RACE', `cluster ${cluster.name}`, `its agent has other content under ${which} than this store`);
  await writeMeta(tx, 'behind', JSON.stringify(error.toProblem()));
  await store.event(tx, {
    severity: 'Error',
    reason: error.code,
    cluster: cluster.name,
    message: `${error.what}; nothing is published any more`,
  });
  return true;
}
