import type { BundleManifest } from '@drover/contract';
import type { Db } from './store.ts';

/** The bundle that a cluster's current head names; undefined before the first. */
export async function readBundle(db: Db, cluster: string): Promise<BundleManifest | undefined> {
  const row = await db.selectFrom('head').select('manifest').where('cluster', '=', cluster).executeTakeFirst();
  return row === undefined ? undefined : (JSON.parse(row.manifest) as BundleManifest);
}
