import type { UnitName } from '@drover/contract';
import { FAILURES, unitName } from '@drover/contract';
import type { Problem } from '@drover/contract';
import type { UnitTable } from '#state/schema.ts';
import type { Db } from '#state/store.ts';
import { reportOf } from '#state/unit-row.ts';
import type { ComposeCluster, ComposeFleet } from './publish-cluster.ts';
import type { UnitWish } from './types.ts';

/** What the record, the configuration and the suspensions say of each unit of a cluster. */
export async function wishesOf(
  deps: {
    readonly store: { readonly db: Db };
    readonly sourceKey: (source: { readonly namespace: string; readonly name: string }) => string;
  },
  rows: readonly UnitTable[],
  cluster: ComposeCluster,
  fleet: ComposeFleet,
): Promise<readonly UnitWish[]> {
  const { deliveries, suspended } = fleet;
  const wishes: UnitWish[] = [];
  for (const row of rows) {
    const name = unitName(row.namespace, row.delivery);
    const delivery = deliveries.get(name);
    if (delivery === undefined) continue;
    const source = deps.sourceKey(delivery.sourceRef);
    wishes.push({
      name,
      presence: row.presence as UnitWish['presence'],
      ...(row.note === null ? {} : { keptBecause: row.note }),
      wanted: row.wanted ?? undefined,
      newest: row.rendered ?? undefined,
      renderFailed: row.problem !== null,
      renderUnknown: isUnknown(row),
      source,
      prune: delivery.prune,
      applied: row.published !== null && reportOf(row)?.applied === row.published,
      mode: cluster.mode === 'Observe' ? 'Observe' : delivery.mode,
      suspended:
        cluster.suspended || delivery.suspend || suspended.has(`delivery/${name}`) || suspended.has(`unit/${name}/${cluster.row.name}`),
      dependsOn: delivery.dependsOn.map((dependency) => {
        const on: UnitName = unitName(dependency.namespace, dependency.name);
        const other = deliveries.get(on);
        return { name: on, sharedSource: other !== undefined && deps.sourceKey(other.sourceRef) === source };
      }),
      deletes: delivery.deletes,
      releaseDeletes: await releaseDeletes(deps.store.db, row),
    });
  }
  return wishes;
}

/** The newest render failed for no fault of the content. */
function isUnknown(row: UnitTable): boolean {
  return row.problem !== null && row.presence === 'Delivered' && FAILURES[(JSON.parse(row.problem) as Problem).code].kind !== 'terminal';
}

async function releaseDeletes(db: Db, row: UnitTable): Promise<number> {
  if (row.wanted_release === null || row.wanted === row.published) return 0;
  const release = await db
    .selectFrom('release')
    .select('deletes')
    .where('namespace', '=', row.namespace)
    .where('delivery', '=', row.delivery)
    .where('number', '=', row.wanted_release)
    .executeTakeFirst();
  return release?.deletes ?? 0;
}
