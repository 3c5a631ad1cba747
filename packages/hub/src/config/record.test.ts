import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newUnitRow } from '#release/new-unit-row.ts';
import { openSqlite } from '#state/sqlite-adapter.ts';
import { openStore } from '#state/store.ts';
import { configHash } from './config-hash.ts';
import { parseConfiguration } from './parse.ts';
import { recordConfiguration, restoreConfiguration } from './record.ts';
import { SOURCE } from './testdata/read.ts';
import type { Configuration } from './types.ts';

const delivery = (name: string, ...fields: readonly string[]): string =>
  `apiVersion: drover.dev/v1alpha1\nkind: Delivery\nmetadata: { name: ${name} }\nspec:\n  sourceRef: { kind: GitRepository, name: fleet }\n${fields.map((field) => `  ${field}\n`).join('')}`;
const parse = (files: Readonly<Record<string, string>>): Configuration =>
  parseConfiguration(Object.entries({ 'fleet.yaml': SOURCE, ...files }).map(([path, bytes]) => ({ path, bytes })));

async function hub() {
  const store = await openStore({ dialect: openSqlite(':memory:').dialect, now: () => 7 });
  const names = (set: ReadonlySet<string>): readonly string[] => [...set].map((name) => name.replace('drover/', ''));
  return {
    store,
    async record(files: Readonly<Record<string, string>>) {
      const { rendered, changed, removed, deliveries } = await recordConfiguration({ store, now: () => 7, hash: configHash }, parse(files));
      return { rendered: names(rendered), changed: names(changed), removed: names(removed), deliveries };
    },
    addUnit: (name: string) =>
      store.db
        .insertInto('unit')
        .values(newUnitRow({ namespace: 'drover', name }, 'c1', 1))
        .execute(),
    units: async () =>
      (await store.db.selectFrom('unit').selectAll().orderBy('delivery').execute()).map((row) => `${row.delivery} ${row.presence}`),
    events: async () => (await store.db.selectFrom('event').selectAll().execute()).map((event) => event.reason),
  };
}

test('a new Delivery is rendered, an unchanged one is not', async () => {
  const { record } = await hub();
  assert.deepEqual((await record({ 'a.yaml': delivery('a') })).rendered, ['a']);
  const again = await record({ 'a.yaml': delivery('a') });
  assert.deepEqual([again.rendered, again.changed, again.removed], [[], [], []]);
});

test('B27 a document that moves to another file, or within its own, changes nothing', async () => {
  const { record } = await hub();
  await record({ 'a.yaml': delivery('a') });
  const moved = await record({ 'z.yaml': `# moved\n${delivery('a')}` });
  assert.deepEqual([moved.rendered, moved.changed, moved.removed], [[], [], []]);
});

test('what concerns the bundle alone composes anew, and renders nothing', async () => {
  const { record } = await hub();
  await record({ 'a.yaml': delivery('a') });
  const changed = await record({ 'a.yaml': delivery('a', 'suspend: true') });
  assert.deepEqual([changed.rendered, changed.changed], [[], ['a']]);
});

test('a Delivery that is gone leaves as it said, until its last unit has', async () => {
  const { record, addUnit, units, events, store } = await hub();
  await record({ 'a.yaml': delivery('a', 'deletionPolicy: Delete', 'suspend: true'), 'b.yaml': delivery('b') });
  await addUnit('a');
  await addUnit('b');
  const gone = await record({});
  assert.deepEqual(
    [gone.changed, gone.removed],
    [
      ['a', 'b'],
      ['a', 'b'],
    ],
  );
  assert.deepEqual(await units(), ['a Delete', 'b Orphan']);
  assert.equal(gone.deliveries.get('drover/a')?.suspend, false, 'nobody could resume it');
  assert.deepEqual(await events(), ['DeliveryRemoved', 'DeliveryRemoved']);
  await record({});
  assert.equal((await events()).length, 2);
  await store.db.deleteFrom('unit').where('delivery', '=', 'a').execute();
  const later = await record({});
  assert.deepEqual(later.removed, ['b']);
  assert.equal(later.deliveries.has('drover/a'), false);
});

test('a Delivery that comes back before it left is delivered again', async () => {
  const { record, addUnit, units } = await hub();
  const files = { 'a.yaml': delivery('a', 'deletionPolicy: Delete') };
  await record(files);
  await addUnit('a');
  await record({});
  const back = await record(files);
  assert.deepEqual([back.rendered, back.changed, back.removed], [['a'], ['a'], []]);
  assert.deepEqual(await units(), ['a Delivered']);
});

test('I11 nothing of a forgotten Delivery is kept but its newest number', async () => {
  const { record, store } = await hub();
  await record({ 'a.yaml': delivery('a') });
  for (const number of [1, 2, 3]) {
    const key = { namespace: 'drover', delivery: 'a', number };
    await store.db
      .insertInto('release')
      .values({ ...key, revision: 'r', commit: '{}', config_hash: 'h', created_at: 1, deletes: 0 })
      .execute();
    await store.db
      .insertInto('release_unit')
      .values({ ...key, cluster: 'c1', digest: 'd', problem: null })
      .execute();
    await store.db
      .insertInto('rollout')
      .values({ ...key, state: 'Succeeded', started_at: 1, ended_at: 1 })
      .execute();
  }
  await record({});
  assert.deepEqual(
    (await store.db.selectFrom('release').select('number').execute()).map((row) => row.number),
    [3],
  );
  assert.equal((await store.db.selectFrom('release_unit').selectAll().execute()).length, 0);
  assert.equal((await store.db.selectFrom('rollout').selectAll().execute()).length, 0);
});

test('I2 while a file cannot be read nothing is taken for removed; what was refused keeps its form', async () => {
  for (const broken of ['a: [', delivery('a').replace('name: fleet', 'nmae: fleet')]) {
    const { record, addUnit, units } = await hub();
    await record({ 'a.yaml': delivery('a', 'prune: false') });
    await addUnit('a');
    const kept = await record({ 'a.yaml': broken });
    assert.deepEqual(kept.removed, []);
    assert.equal(kept.deliveries.get('drover/a')?.prune, false);
    assert.deepEqual(await units(), ['a Delivered']);
  }
});

test('R5 the file of a Delivery that carries its own definition is removed: nothing is deleted', async () => {
  const { record, addUnit, units } = await hub();
  await record({ 'a.yaml': delivery('a') });
  await addUnit('a');
  await record({});
  assert.deepEqual(await units(), ['a Orphan']);
});

test('a configuration comes back after a restart, with what is wrong with it, told once', async () => {
  const { record, store, events } = await hub();
  assert.equal(await restoreConfiguration(store), undefined);
  await record({ 'a.yaml': delivery('a'), 'b.yaml': delivery('b', 'prun: true') });
  const restored = await restoreConfiguration(store);
  assert.deepEqual(
    restored?.deliveries.map(({ name }) => name),
    ['a'],
  );
  assert.deepEqual(
    restored?.problems.map(({ code }) => code),
    ['FIELD_UNKNOWN'],
  );
  if (restored !== undefined) await recordConfiguration({ store, now: () => 7, hash: configHash }, restored);
  assert.deepEqual(await events(), ['FIELD_UNKNOWN']);
  assert.notEqual((await restoreConfiguration(store))?.problems.length, 0);
});
