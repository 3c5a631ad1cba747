import type { Checksums, Facts, UnitReport } from '@drover/contract';
import { parseJson, reportChecksum, unitName } from '@drover/contract';
import type { Db } from '#state/store.ts';

/** Checksums of what is stored of one cluster, to be compared with what its agent holds. */
export async function readChecksums(db: Db, uid: string): Promise<Checksums> {
  const [rows, cluster] = await Promise.all([
    db.selectFrom('unit').select(['namespace', 'delivery', 'report']).where('cluster', '=', uid).where('report', 'is not', null).execute(),
    db.selectFrom('cluster').select('facts').where('uid', '=', uid).executeTakeFirst(),
  ]);
  const units = new Map(rows.map((row) => [unitName(row.namespace, row.delivery), checksumOf(row.report ?? '')]));
  const facts = cluster?.facts ?? undefined;
  return { units, ...(facts === undefined ? {} : { facts: checksumOf(facts) }) };
}

function checksumOf(json: string): string {
  return reportChecksum(parseJson(json) as unknown as UnitReport | Facts);
}
