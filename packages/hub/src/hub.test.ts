import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DroverError } from '@drover/contract';
import type { Files } from './testdata/core-hub.ts';
import { configMaps, deliveryFile, testFleet, uidOf } from './testdata/core-hub.ts';

/** Deliveries `a` and `b` of one source; what they list on a cluster. */
const two = (a: readonly string[], b: readonly string[], fields: Readonly<Record<string, readonly string[]>> = {}): Files => ({
  'drover/a.yaml': deliveryFile('a', ...(fields['a'] ?? [])),
  'drover/b.yaml': deliveryFile('b', ...(fields['b'] ?? [])),
  ...(a.length === 0 ? {} : { 'a/c1/all.yaml': configMaps(...a) }),
  ...(b.length === 0 ? {} : { 'b/c1/all.yaml': configMaps(...b) }),
});

test('a push becomes releases, rollouts and one bundle; reports make it Ready', async () => {
  await using fleet = await testFleet();
  await fleet.addCluster('c1');
  const core = await fleet.start();
  await core.push(two(['web'], ['db']));
  assert.deepEqual(await fleet.delivers('c1'), { units: { a: ['web'], b: ['db'] }, left: {} });
  assert.deepEqual(await fleet.states(), { 'a@c1': 'Delivered Progressing', 'b@c1': 'Delivered Progressing' });
  await core.hub.onBatch([await fleet.report('c1')]);
  assert.deepEqual(await fleet.states(), { 'a@c1': 'Delivered Ready', 'b@c1': 'Delivered Ready' });
  assert.deepEqual(await fleet.events('RolloutSucceeded'), [
    'a-1 is Ready on every cluster it changed',
    'b-1 is Ready on every cluster it changed',
  ]);
  assert.equal(core.hub.ready(), true);
});

test('a hub without configuration is not ready, and says nothing of the fleet', async () => {
  await using fleet = await testFleet();
  const core = await fleet.start();
  await core.settled();
  assert.equal(core.hub.ready(), false);
});

test('B27 objects that move between Deliveries of one commit change owner in one generation', async () => {
  await using fleet = await testFleet();
  await fleet.addCluster('c1');
  const core = await fleet.start();
  await core.push(two(['web', 'k'], ['db']));
  const before = await fleet.bundle('c1');
  await core.push(two(['web'], ['db', 'k']), ['a/c1/all.yaml', 'b/c1/all.yaml']);
  assert.deepEqual((await fleet.delivers('c1')).units, { a: ['web'], b: ['db', 'k'] });
  assert.equal((await fleet.bundle('c1'))?.generation, (before?.generation ?? 0) + 1);
});

test('B27 a Delivery that is renamed hands its objects over; nothing is stated as deleted', async () => {
  await using fleet = await testFleet();
  await fleet.addCluster('c1');
  const core = await fleet.start();
  const named = (name: string): Files => ({
    [`drover/${name}.yaml`]: deliveryFile(name, 'path: x/${cluster.name}', 'deletionPolicy: Delete'),
    'x/c1/all.yaml': configMaps('web', 'db'),
  });
  await core.push(named('old'));
  await core.push({ ...named('new') }, ['drover/old.yaml', 'drover/new.yaml']);
  assert.deepEqual(await fleet.delivers('c1'), { units: { new: ['db', 'web'] }, left: { old: 'Delete' } });
});

test('B27 a Delivery that is renamed keeps its unit until the new one could be rendered', async () => {
  await using fleet = await testFleet();
  await fleet.addCluster('c1');
  let crash = false;
  const core = await fleet.start({
    renderer: (real) => ({
      render: (tree, delivery, cluster, signal) =>
        crash && delivery.name === 'new'
          ? Promise.reject(new DroverError('RENDER_ENGINE_FAILED', 'x', 'killed'))
          : real.render(tree, delivery, cluster, signal),
    }),
  });
  const named = (name: string): Files => ({
    [`drover/${name}.yaml`]: deliveryFile(name, 'path: x/${cluster.name}', 'deletionPolicy: Delete'),
    'x/c1/all.yaml': configMaps('web', 'db'),
  });
  await core.push(named('old'));
  crash = true;
  await core.push(named('new'), ['drover/old.yaml', 'drover/new.yaml']);
  assert.deepEqual(await fleet.delivers('c1'), { units: { old: ['db', 'web'] }, left: {} });
  assert.deepEqual(await fleet.states(), { 'new@c1': 'Delivered Failed', 'old@c1': 'Delete Waiting' });
  crash = false;
  await fleet.clock.advance(60_000);
  await core.settled();
  assert.deepEqual(await fleet.delivers('c1'), { units: { new: ['db', 'web'] }, left: { old: 'Delete' } });
});

test('a Delivery that was removed leaves as it says, and comes back before it was done', async () => {
  await using fleet = await testFleet();
  await fleet.addCluster('c1');
  const core = await fleet.start();
  const all = two(['web'], ['db'], { b: ['deletionPolicy: Delete'] });
  const { 'drover/b.yaml': _b, ...without } = all;
  await core.push(all);
  await core.hub.onBatch([await fleet.report('c1')]);
  await core.push(without, ['drover/b.yaml']);
  assert.deepEqual(await fleet.delivers('c1'), { units: { a: ['web'] }, left: { b: 'Delete' } });
  const stale = await fleet.report('c1');
  await core.push(all, ['drover/b.yaml']);
  assert.deepEqual(await fleet.delivers('c1'), { units: { a: ['web'], b: ['db'] }, left: {} });
  // I8: what was reported before it left says nothing of it now.
  assert.equal((await fleet.states())['b@c1'], 'Delivered Progressing');
  await core.hub.onBatch([stale]);
  assert.equal((await fleet.states())['b@c1'], 'Delivered Progressing');
  await core.hub.onBatch([await fleet.report('c1')]);
  assert.equal((await fleet.states())['b@c1'], 'Delivered Ready');
});

test('I2 a report of an older bundle does not end a unit that left, came back and left again', async () => {
  await using fleet = await testFleet();
  await fleet.addCluster('c1');
  const core = await fleet.start();
  const all = two(['web'], ['db'], { b: ['deletionPolicy: Delete'] });
  const { 'drover/b.yaml': _b, ...without } = all;
  await core.push(all);
  await core.push(without, ['drover/b.yaml']);
  const stale = await fleet.report('c1');
  await core.push(all, ['drover/b.yaml']);
  await core.push(without, ['drover/b.yaml']);
  await core.hub.onBatch([stale]);
  assert.deepEqual(await fleet.delivers('c1'), { units: { a: ['web'] }, left: { b: 'Delete' } });
  assert.equal((await fleet.states())['b@c1'], 'Delete Progressing');
  await core.hub.onBatch([await fleet.report('c1')]);
  await core.settled();
  assert.deepEqual(await fleet.delivers('c1'), { units: { a: ['web'] }, left: {} });
  assert.deepEqual(Object.keys(await fleet.states()), ['a@c1']);
  assert.deepEqual(await fleet.events('UnitLeft'), ['the unit left the cluster; its objects were deleted']);
  assert.equal(await fleet.store.db.selectFrom('delivery').select('name').where('name', '=', 'b').executeTakeFirst(), undefined);
});

test('two Deliveries that depend on each other leave together', async () => {
  await using fleet = await testFleet();
  await fleet.addCluster('c1');
  const core = await fleet.start();
  const all = two(['web'], ['db'], { a: ['dependsOn: [{ name: b }]'] });
  await core.push({ ...all, 'drover/c.yaml': deliveryFile('c'), 'c/c1/all.yaml': configMaps('other') });
  assert.deepEqual(Object.keys((await fleet.delivers('c1')).units), ['a', 'b', 'c']);
  await core.push({ 'drover/c.yaml': deliveryFile('c'), 'c/c1/all.yaml': configMaps('other') }, ['drover/a.yaml', 'drover/b.yaml']);
  assert.deepEqual(await fleet.delivers('c1'), { units: { c: ['other'] }, left: { a: 'Orphan', b: 'Orphan' } });
});

test('a unit whose path vanishes leaves under untargeted: Leave, and comes back', async () => {
  await using fleet = await testFleet();
  await fleet.addCluster('c1');
  const core = await fleet.start();
  const fields = { b: ['untargeted: Leave'] };
  await core.push(two(['web'], ['db'], fields));
  await core.push(two(['web'], [], fields), ['b/c1/all.yaml']);
  assert.deepEqual(await fleet.delivers('c1'), { units: { a: ['web'] }, left: { b: 'Delete' } });
  await core.push(two(['web'], ['db'], fields), ['b/c1/all.yaml']);
  assert.deepEqual(await fleet.delivers('c1'), { units: { a: ['web'], b: ['db'] }, left: {} });
});

test('B1 a Delivery that comes back without its path goes on leaving', async () => {
  await using fleet = await testFleet();
  await fleet.addCluster('c1');
  const core = await fleet.start();
  const all = two(['web'], ['db'], { b: ['deletionPolicy: Delete'] });
  const { 'drover/b.yaml': b = '', ...without } = all;
  await core.push(all);
  await core.push(without, ['drover/b.yaml']);
  await core.push({ ...two(['web'], []), 'drover/b.yaml': b }, ['drover/b.yaml', 'b/c1/all.yaml']);
  assert.deepEqual(await fleet.delivers('c1'), { units: { a: ['web'] }, left: { b: 'Delete' } });
  await core.hub.onBatch([await fleet.report('c1')]);
  await core.settled();
  assert.deepEqual(Object.keys(await fleet.states()), ['a@c1']);
});

test('a suspended unit does not leave before it is resumed', async () => {
  await using fleet = await testFleet();
  await fleet.addCluster('c1');
  const core = await fleet.start();
  const all = two(['web'], ['db'], { b: ['deletionPolicy: Delete'] });
  const { 'drover/b.yaml': _b, ...without } = all;
  await core.push(all);
  const target = 'unit/drover/b/c1';
  await fleet.store.db.insertInto('suspension').values({ target, by: 'alice', message: '', since: 1, until: null }).execute();
  await core.push(without, ['drover/b.yaml']);
  assert.deepEqual(await fleet.delivers('c1'), { units: { a: ['web'], b: ['db'] }, left: {} });
  assert.equal((await fleet.states())['b@c1'], 'Delete Waiting');
  await fleet.store.db.deleteFrom('suspension').execute();
  await core.hub.actions.recompose([uidOf('c1')]);
  assert.deepEqual(await fleet.delivers('c1'), { units: { a: ['web'] }, left: { b: 'Delete' } });
});

test('a Delivery that was suspended by its own file leaves when the file is gone', async () => {
  await using fleet = await testFleet();
  await fleet.addCluster('c1');
  const core = await fleet.start();
  const all = two(['web'], ['db'], { b: ['suspend: true'] });
  const { 'drover/b.yaml': _b, ...without } = all;
  await core.push(all);
  await core.push(without, ['drover/b.yaml']);
  assert.deepEqual(await fleet.delivers('c1'), { units: { a: ['web'] }, left: { b: 'Orphan' } });
});

test('a cluster in mode Observe loses nothing when a Delivery is removed', async () => {
  await using fleet = await testFleet();
  await fleet.addCluster('c1');
  await fleet.store.db.updateTable('cluster').set({ mode: 'Observe' }).execute();
  const core = await fleet.start();
  const all = two(['web'], ['db'], { b: ['deletionPolicy: Delete'] });
  const { 'drover/b.yaml': _b, ...without } = all;
  await core.push(all);
  await core.push(without, ['drover/b.yaml']);
  assert.deepEqual((await fleet.delivers('c1')).left, { b: 'Orphan' });
});

test('F7 a cluster that is forgotten and joins again is evaluated anew', async () => {
  await using fleet = await testFleet();
  await fleet.addCluster('c1');
  const core = await fleet.start();
  await core.push(two(['web'], ['db']));
  await fleet.store.db.deleteFrom('cluster').execute();
  await fleet.store.db.deleteFrom('unit').execute();
  const before = await fleet.bundle('c1');
  await core.hub.actions.recompose('all');
  assert.deepEqual(await fleet.bundle('c1'), before);
  await fleet.addCluster('c1');
  core.hub.onJoined({ uid: uidOf('c1') });
  await core.settled();
  assert.deepEqual(await fleet.states(), { 'a@c1': 'Delivered Progressing', 'b@c1': 'Delivered Progressing' });
  assert.deepEqual((await fleet.delivers('c1')).units, { a: ['web'], b: ['db'] });
});

test('I2 a unit without a row stays in the bundle, and no other unit takes its objects', async () => {
  await using fleet = await testFleet();
  await fleet.addCluster('c1');
  const core = await fleet.start();
  await core.push(two(['web'], ['db']));
  await fleet.store.db.deleteFrom('unit').where('delivery', '=', 'b').execute();
  await fleet.store.db.deleteFrom('delivery').where('name', '=', 'b').execute();
  await core.push({ 'drover/a.yaml': deliveryFile('a'), 'a/c1/all.yaml': configMaps('web', 'db') }, ['drover/b.yaml', 'a/c1/all.yaml']);
  assert.deepEqual((await fleet.delivers('c1')).units, { a: ['web'], b: ['db'] });
  assert.equal((await fleet.states())['a@c1'], 'Delivered Failed');
});

test('F27 the URL of --source changes while the old repository is gone for good', async () => {
  await using fleet = await testFleet();
  await fleet.addCluster('c1');
  const first = await fleet.start();
  await first.push(two(['web'], ['db']));
  await first.stop();
  const url = 'https://new.example.com/fleet.git';
  const second = await fleet.start({ url });
  await second.settled();
  assert.equal(fleet.followed.get('GitRepository/drover/fleet')?.url, url);
  assert.deepEqual((await fleet.delivers('c1')).units, { a: ['web'], b: ['db'] });
  await second.push(two(['web2'], ['db']));
  assert.deepEqual((await fleet.delivers('c1')).units, { a: ['web2'], b: ['db'] });
});

test('F27 a source that is no longer configured is not read any more, and its units stay', async () => {
  await using fleet = await testFleet();
  await fleet.addCluster('c1');
  const core = await fleet.start();
  const source =
    'apiVersion: drover.dev/v1alpha1\nkind: GitRepository\nmetadata: { name: apps }\nspec: { url: https://git.example.com/apps.git }\n';
  const b = deliveryFile('b', 'sourceRef: { kind: GitRepository, name: apps }');
  const files = { 'drover/a.yaml': deliveryFile('a'), 'a/c1/all.yaml': configMaps('web'), 'drover/apps.yaml': source, 'drover/b.yaml': b };
  await core.push(files);
  await core.pushTo('apps', { 'b/c1/all.yaml': configMaps('db') });
  assert.deepEqual((await fleet.delivers('c1')).units, { a: ['web'], b: ['db'] });
  const { 'drover/apps.yaml': _gone, ...without } = files;
  await core.push(without, ['drover/apps.yaml']);
  assert.equal(fleet.followed.has('GitRepository/drover/apps'), false);
  await core.hub.actions.verify({ uid: uidOf('c1') });
  assert.deepEqual((await fleet.delivers('c1')).units, { a: ['web'], b: ['db'] });
  assert.equal((await fleet.states())['b@c1'], 'Delivered Progressing');
});

test('F27 one source that cannot be read does not keep another from being delivered', async () => {
  await using fleet = await testFleet();
  await fleet.addCluster('c1');
  const core = await fleet.start();
  const source =
    'apiVersion: drover.dev/v1alpha1\nkind: GitRepository\nmetadata: { name: apps }\nspec: { url: https://git.example.com/apps.git }\n';
  const fields = ['sourceRef: { kind: GitRepository, name: apps }', 'dependsOn: [{ name: b }]'];
  const files = {
    'drover/a.yaml': deliveryFile('a', ...fields.slice(1)),
    'drover/b.yaml': deliveryFile('b', ...fields.slice(0, 1)),
    'drover/c.yaml': deliveryFile('c'),
    'drover/apps.yaml': source,
    'a/c1/all.yaml': configMaps('web'),
    'c/c1/all.yaml': configMaps('other'),
  };
  await core.push(files);
  assert.deepEqual((await fleet.delivers('c1')).units, { c: ['other'] });
  // It waits for what was not rendered yet: that is no mistake of the configuration.
  assert.equal((await fleet.states())['a@c1'], 'Delivered Waiting');
  await core.pushTo('apps', { 'b/c1/all.yaml': configMaps('db') });
  assert.deepEqual((await fleet.delivers('c1')).units, { a: ['web'], b: ['db'], c: ['other'] });
});

test('a stream that opens while the hub starts stays open in the record', async () => {
  await using fleet = await testFleet();
  await fleet.addCluster('c1');
  // The harness opens it between `begin` and `run`.
  const core = await fleet.start();
  await core.settled();
  assert.equal((await fleet.store.db.selectFrom('cluster').select('online').executeTakeFirstOrThrow()).online, 1);
});

test('T5 a cluster that was rejected loses its NATS user, though its row is gone already', async () => {
  await using fleet = await testFleet();
  const revoked: string[] = [];
  const core = await fleet.start({ wrap: { revokeNats: async (user) => void revoked.push(user) } });
  await core.hub.actions.disconnect(uidOf('c1'), 'UABC');
  await fleet.addCluster('c2');
  await fleet.store.db.updateTable('cluster').set({ nats_user: 'UDEF' }).execute();
  await core.hub.actions.disconnect(uidOf('c2'));
  assert.deepEqual(revoked, ['UABC', 'UDEF']);
});

test('I12 the manifest of a unit is shown without the values of its Secrets', async () => {
  await using fleet = await testFleet();
  await fleet.addCluster('c1');
  const core = await fleet.start({
    wrap: { readUnit: async () => ['{"apiVersion":"v1","data":{"p":"Y2FuYXJ5"},"kind":"Secret","metadata":{"name":"s"}}'] },
  });
  await core.push(two(['web'], ['db']));
  const shown = await core.hub.actions.manifest({ namespace: 'drover', delivery: 'a', uid: uidOf('c1') });
  assert.doesNotMatch(shown?.join() ?? '', /Y2FuYXJ5/);
  assert.match(shown?.join() ?? '', /masked/);
});

test('only what concerns the configuration has it read again', async () => {
  await using fleet = await testFleet();
  await fleet.addCluster('c1');
  let reads = 0;
  const core = await fleet.start({
    wrap: ({ configurationReader }) => ({
      configurationReader: (trees) => {
        const read = configurationReader(trees);
        return (previous, signal) => {
          reads++;
          return read(previous, signal);
        };
      },
    }),
  });
  await core.push(two(['web'], ['db']));
  const before = reads;
  await core.push(two(['web2'], ['db']), ['a/c1/all.yaml']);
  assert.equal(reads, before);
  await core.push(two(['web2'], ['db'], { b: ['prune: false'] }), ['drover/b.yaml']);
  assert.equal(reads, before + 1);
  assert.deepEqual(
    (await fleet.bundle('c1'))?.manifest.units.map((unit) => unit.prune),
    [true, false],
  );
});
