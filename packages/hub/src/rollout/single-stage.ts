import type { Transaction } from 'kysely';
import type { Delivery, Named } from '#config/types.ts';
import type { Database, UnitTable } from '#state/schema.ts';
import type { Store } from '#state/store.ts';
import { reportOf } from '#state/unit-row.ts';

/** The one stage of a Delivery without stages. */
export const STAGE_ALL = 'all';
/** Rollouts whose clusters are remembered. */
const KEPT_CLUSTERS_OF = 10;
const ROWS = 500;

/** Everything in here runs in the transaction that writes what it concerns. */
export interface Rollouts {
  /**
   * Starts a release in the stage `all`: every cluster that it changes is released at once, and the release before it,
   * if it was still in progress, is superseded.
   */
  start(tx: Transaction<Database>, delivery: Delivery, number: number, clusters: readonly string[]): Promise<void>;
  /**
   * Judges the rollout of what is published in a unit, by its row. A cluster has succeeded when its agent reported the
   * digest of the release applied and healthy; other Deliveries' generations do not count.
   */
  judge(tx: Transaction<Database>, row: UnitTable): Promise<void>;
  /** A cluster that the Delivery leaves, or is to leave, is waited for no more. */
  skip(tx: Transaction<Database>, delivery: Named, cluster: string): Promise<void>;
}

export function createSingleStage(deps: { readonly store: Store; readonly now: () => number }): Rollouts {
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
    for (let at = 0; at < clusters.length; at += ROWS) {
      await tx
        .insertInto('rollout_cluster')
        .values(
          clusters
            .slice(at, at + ROWS)
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
      .where('number', '<=', number - KEPT_CLUSTERS_OF)
      .execute();
  }

  async function judge(tx: Transaction<Database>, row: UnitTable): Promise<void> {
    const { namespace, delivery, cluster, published_release: number } = row;
    const report = reportOf(row);
    if (number === null || row.published === null || report?.wanted !== row.published) return;
    if (report.suspended || report.mode === 'Observe') return;
    const succeeded = report.applied === report.wanted && report.healthy;
    const state = report.state === 'Failed' ? 'Failed' : succeeded ? 'Succeeded' : 'Released';
    const before = await tx
      .selectFrom('rollout_cluster')
      .select('state')
      .where('namespace', '=', namespace)
      .where('delivery', '=', delivery)
      .where('number', '=', number)
      .where('cluster', '=', cluster)
      .executeTakeFirst();
    // What has succeeded has: health that breaks later is no longer the rollout's.
    if (before === undefined || before.state === 'Succeeded' || before.state === state) return;
    await settle(tx, { namespace, name: delivery }, number, cluster, state);
  }

  async function skip(tx: Transaction<Database>, delivery: Named, cluster: string): Promise<void> {
    const waiting = await tx
      .selectFrom('rollout')
      .innerJoin('rollout_cluster', (join) =>
        join
          .onRef('rollout_cluster.namespace', '=', 'rollout.namespace')
          .onRef('rollout_cluster.delivery', '=', 'rollout.delivery')
          .onRef('rollout_cluster.number', '=', 'rollout.number'),
      )
      .select('rollout.number')
      .where('rollout.namespace', '=', delivery.namespace)
      .where('rollout.delivery', '=', delivery.name)
      .where('rollout.state', '=', 'Progressing')
      .where('rollout_cluster.cluster', '=', cluster)
      .where('rollout_cluster.state', 'in', ['Pending', 'Released', 'Failed'])
      .execute();
    for (const { number } of waiting) await settle(tx, delivery, number, cluster, 'Skipped');
  }

  async function settle(
    tx: Transaction<Database>,
    { namespace, name }: Named,
    number: number,
    cluster: string,
    state: string,
  ): Promise<void> {
    const now = deps.now();
    const clusters = (): ReturnType<typeof clustersOf> => clustersOf(tx, { namespace, name }, number);
    await tx
      .updateTable('rollout_cluster')
      .set({ state, since: now })
      .where('namespace', '=', namespace)
      .where('delivery', '=', name)
      .where('number', '=', number)
      .where('cluster', '=', cluster)
      .execute();
    if ((await clusters().where('state', 'not in', ['Succeeded', 'Skipped']).executeTakeFirst()) !== undefined) return;
    // Nothing is proven by clusters that were skipped.
    const proven = (await clusters().where('state', '=', 'Succeeded').executeTakeFirst()) !== undefined;
    const ended = await tx
      .updateTable('rollout')
      .set({ state: proven ? 'Succeeded' : 'Superseded', ended_at: now })
      .where('namespace', '=', namespace)
      .where('delivery', '=', name)
      .where('number', '=', number)
      .where('state', '=', 'Progressing')
      .returning('number')
      .executeTakeFirst();
    if (ended === undefined) return;
    await tx
      .updateTable('rollout_stage')
      .set({ state: proven ? 'Succeeded' : 'Superseded', since: now })
      .where('namespace', '=', namespace)
      .where('delivery', '=', name)
      .where('current', '=', number)
      .execute();
    if (!proven) return;
    await deps.store.event(tx, {
      severity: 'Info',
      reason: 'RolloutSucceeded',
      unit: `${namespace}/${name}`,
      message: `${name}-${number} is Ready on every cluster it changed`,
    });
  }

  return { start, judge, skip };
}

function clustersOf(tx: Transaction<Database>, { namespace, name }: Named, number: number) {
  return tx
    .selectFrom('rollout_cluster')
    .select('cluster')
    .where('namespace', '=', namespace)
    .where('delivery', '=', name)
    .where('number', '=', number)
    .limit(1);
}
