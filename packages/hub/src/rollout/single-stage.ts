import type { UnitReport } from '@drover/contract';
import { parseUnitName } from '@drover/contract';
import type { Transaction } from 'kysely';
import type { Delivery } from '#config/types.ts';
import type { Database } from '#state/schema.ts';
import type { Store } from '#state/store.ts';

/** The one stage of a Delivery without stages. */
export const STAGE_ALL = 'all';

/**
 * Starts a release in the stage `all`: every cluster that it changes is released at once, and the release before it, if
 * it was still in progress, is superseded. Called in the transaction that writes the release.
 */
export function createSingleStage(deps: { readonly store: Store; readonly now: () => number }) {
  async function start(tx: Transaction<Database>, delivery: Delivery, number: number, clusters: readonly string[]): Promise<void> {
    const now = deps.now();
    const { namespace, name } = delivery;
    await tx
      .updateTable('rollout')
      .set({ state: 'Superseded', ended_at: now })
      .where('namespace', '=', namespace)
      .where('delivery', '=', name)
      .where('number', '<', number)
      .where('state', '=', 'Progressing')
      .execute();
    await tx
      .insertInto('rollout')
      .values({ namespace, delivery: name, number, state: 'Progressing', started_at: now, ended_at: null })
      .onConflict((conflict) => conflict.columns(['namespace', 'delivery', 'number']).doUpdateSet({ state: 'Progressing', ended_at: null }))
      .execute();
    const stage = {
      namespace,
      delivery: name,
      stage: STAGE_ALL,
      position: 0,
      current: number,
      candidate: null,
      state: 'Progressing',
      since: now,
    };
    await tx
      .insertInto('rollout_stage')
      .values(stage)
      .onConflict((conflict) =>
        conflict.columns(['namespace', 'delivery', 'stage']).doUpdateSet({ current: number, state: 'Progressing', since: now }),
      )
      .execute();
    for (let at = 0; at < clusters.length; at += 500) {
      await tx
        .insertInto('rollout_cluster')
        .values(
          clusters
            .slice(at, at + 500)
            .map((cluster) => ({ namespace, delivery: name, number, stage: STAGE_ALL, cluster, state: 'Released', since: now })),
        )
        .onConflict((conflict) =>
          conflict.columns(['namespace', 'delivery', 'number', 'cluster']).doUpdateSet({ state: 'Released', since: now }),
        )
        .execute();
    }
    await tx
      .deleteFrom('rollout_cluster')
      .where('namespace', '=', namespace)
      .where('delivery', '=', name)
      .where('number', '<=', number - 10)
      .execute();
  }

  /**
   * Judges the rollouts that reports concern. A cluster has succeeded when its agent reported the digest of the release
   * applied and healthy; other Deliveries' generations do not count.
   */
  async function judge(uid: string, reports: readonly UnitReport[]): Promise<void> {
    for (const report of reports) {
      if (report.suspended || report.mode === 'Observe') continue;
      if (report.applied !== report.wanted) continue;
      const { namespace, delivery } = parseUnitName(report.unit);
      const open = await deps.store.db
        .selectFrom('rollout_cluster')
        .innerJoin('release_unit', (join) =>
          join
            .onRef('release_unit.namespace', '=', 'rollout_cluster.namespace')
            .onRef('release_unit.delivery', '=', 'rollout_cluster.delivery')
            .onRef('release_unit.number', '=', 'rollout_cluster.number')
            .onRef('release_unit.cluster', '=', 'rollout_cluster.cluster'),
        )
        .select(['rollout_cluster.number', 'rollout_cluster.state'])
        .where('rollout_cluster.namespace', '=', namespace)
        .where('rollout_cluster.delivery', '=', delivery)
        .where('rollout_cluster.cluster', '=', uid)
        .where('release_unit.digest', '=', report.wanted)
        .orderBy('rollout_cluster.number', 'desc')
        .limit(1)
        .executeTakeFirst();
      if (open === undefined) continue;
      const state = report.state === 'Failed' ? 'Failed' : report.healthy ? 'Succeeded' : 'Released';
      if (open.state !== state) await settle(namespace, delivery, open.number, uid, state);
    }
  }

  function settle(namespace: string, delivery: string, number: number, uid: string, state: string): Promise<void> {
    const now = deps.now();
    return deps.store.write(async (tx) => {
      await tx
        .updateTable('rollout_cluster')
        .set({ state, since: now })
        .where('namespace', '=', namespace)
        .where('delivery', '=', delivery)
        .where('number', '=', number)
        .where('cluster', '=', uid)
        .execute();
      const rest = await tx
        .selectFrom('rollout_cluster')
        .select('cluster')
        .where('namespace', '=', namespace)
        .where('delivery', '=', delivery)
        .where('number', '=', number)
        .where('state', '!=', 'Succeeded')
        .limit(1)
        .executeTakeFirst();
      if (rest !== undefined) return;
      const ended = await tx
        .updateTable('rollout')
        .set({ state: 'Succeeded', ended_at: now })
        .where('namespace', '=', namespace)
        .where('delivery', '=', delivery)
        .where('number', '=', number)
        .where('state', '=', 'Progressing')
        .returning('number')
        .executeTakeFirst();
      if (ended === undefined) return;
      await tx
        .updateTable('rollout_stage')
        .set({ state: 'Succeeded', since: now })
        .where('namespace', '=', namespace)
        .where('delivery', '=', delivery)
        .where('current', '=', number)
        .execute();
      await deps.store.event(tx, {
        severity: 'Info',
        reason: 'RolloutSucceeded',
        unit: `${namespace}/${delivery}`,
        message: `${delivery}-${number} is Ready on every cluster it changed`,
      });
    });
  }

  return { start, judge };
}
