import type { Db } from '#state/store.ts';
import { readMeta, writeMeta } from '#state/store.ts';

export const FIRST_EPOCH = 1;

export async function fleetEpoch(db: Db): Promise<number> {
  return Number((await readMeta(db, 'epoch')) ?? FIRST_EPOCH);
}

/**
 * What an operator does after the store was lost or restored: every head of the new epoch is newer than any that was
 * published before, and publishing goes on.
 *
 * @param least lowest epoch to go to: one above the highest that agents report
 * @returns the epoch that is in force now
 */
export async function raiseEpoch(tx: Db, least = 0): Promise<number> {
  const epoch = Math.max((await fleetEpoch(tx)) + 1, least);
  await writeMeta(tx, 'epoch', String(epoch));
  await tx.deleteFrom('meta').where('key', '=', 'behind').execute();
  return epoch;
}
