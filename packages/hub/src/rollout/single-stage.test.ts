import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UnitReport } from '@drover/contract';
import type { Delivery } from '#config/types.ts';
import type { UnitTable } from '#state/schema.ts';
import { openSqlite } from '#state/sqlite-adapter.ts';
import { openStore } from '#state/store.ts';
import { createSingleStage } from './single-stage.ts';

const delivery = { namespace: 'drover', name: 'shop' } as Delivery;

async function rollouts(clusters: readonly string[]) {
  const store = await openStore({ dialect: openSqlite(':memory:').dialect, now: () => 7 });
  const stage = createSingleStage({ store, now: () => 7 });
  await store.write((tx) => stage.start(tx, delivery, 1, clusters));
  return {
    store,
    stage,
    report: (cluster: string, over: Partial<UnitReport> = {}, row: Partial<UnitTable> = {}) =>
      store.write((tx) =>
        stage.judge(tx, {
          namespace: 'drover',
          delivery: 'shop',
          cluster,
          published: 'd1',
          published_release: 1,
          changed_epoch: 1,
          changed_generation: 5,
          report: JSON.stringify({
            wanted: 'd1',
            applied: 'd1',
            healthy: true,
            state: 'Ready',
            epoch: 1,
            generation: 5,
            mode: 'Enforce',
            suspended: false,
            ...over,
          }),
          ...row,
        } as UnitTable),
      ),
    async state() {
      const [rollout] = await store.db.selectFrom('rollout').select('state').orderBy('number', 'desc').execute();
      const rows = await store.db.selectFrom('rollout_cluster').select('state').orderBy('cluster').execute();
      return [rollout?.state, ...rows.map((row) => row.state)];
    },
  };
}

const proven: { readonly name: string; readonly report?: Partial<UnitReport>; readonly row?: Partial<UnitTable>; readonly want: string }[] =
  [
    { name: 'applied and healthy has succeeded', want: 'Succeeded' },
    { name: 'applied and not healthy proves nothing yet', report: { healthy: false, state: 'NotReady' }, want: 'Released' },
    { name: 'an older digest proves nothing', report: { wanted: 'd0', applied: 'd0' }, want: 'Released' },
    { name: 'the digest as it was in an older bundle proves nothing', report: { generation: 4 }, want: 'Released' },
    { name: 'mode Observe proves nothing', report: { mode: 'Observe' }, want: 'Released' },
    { name: 'a suspended unit proves nothing', report: { suspended: true }, want: 'Released' },
    { name: 'an apply that failed is told', report: { state: 'Failed', applied: 'd0', healthy: false }, want: 'Failed' },
    { name: 'a unit of another release proves nothing', row: { published_release: 2 }, want: 'Released' },
  ];
for (const { name, report, row, want } of proven) {
  test(`I10 ${name}`, async () => {
    const fleet = await rollouts(['a', 'b']);
    await fleet.report('a', report, row);
    assert.deepEqual(await fleet.state(), ['Progressing', want, 'Released']);
  });
}

test('a rollout has succeeded when every cluster has, and health that breaks later is no longer its own', async () => {
  const fleet = await rollouts(['a', 'b']);
  await fleet.report('a');
  await fleet.report('b', { state: 'Failed', healthy: false });
  await fleet.report('b');
  assert.deepEqual(await fleet.state(), ['Succeeded', 'Succeeded', 'Succeeded']);
  await fleet.report('a', { healthy: false, state: 'NotReady' });
  assert.deepEqual(await fleet.state(), ['Succeeded', 'Succeeded', 'Succeeded']);
  assert.equal((await fleet.store.db.selectFrom('event').selectAll().execute()).length, 1);
});

test('a rollout ends without the clusters that left, and proves nothing when all did', async () => {
  const some = await rollouts(['a', 'b']);
  await some.report('a');
  await some.store.write((tx) => some.stage.skip(tx, delivery, 'b'));
  assert.deepEqual(await some.state(), ['Succeeded', 'Succeeded', 'Skipped']);
  const none = await rollouts(['a']);
  await none.store.write((tx) => none.stage.skip(tx, delivery, 'a'));
  assert.deepEqual(await none.state(), ['Superseded', 'Skipped']);
});

test('a release that is completed later is in progress again', async () => {
  const fleet = await rollouts(['a']);
  await fleet.report('a');
  await fleet.store.write((tx) => fleet.stage.start(tx, delivery, 1, ['b']));
  assert.deepEqual(await fleet.state(), ['Progressing', 'Succeeded', 'Released']);
  await fleet.report('b');
  assert.deepEqual(await fleet.state(), ['Succeeded', 'Succeeded', 'Succeeded']);
});
