import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Problem } from '@drover/contract';
import { DroverError } from '@drover/contract';
import { raiseEpoch } from '#publish/epoch.ts';
import type { Publisher } from '#publish/types.ts';
import { readMeta } from '#state/store.ts';
import type { Files, TestFleet } from './testdata/core-hub.ts';
import { configMaps, deliveryFile, testFleet, uidOf } from './testdata/core-hub.ts';

const everywhere = (clusters: readonly string[], ...names: readonly string[]): Files => ({
  'drover/a.yaml': deliveryFile('a'),
  ...Object.fromEntries(clusters.map((cluster) => [`a/${cluster}/all.yaml`, configMaps(...names)])),
});
const paths = (clusters: readonly string[]): readonly string[] => clusters.map((cluster) => `a/${cluster}/all.yaml`);

async function heldProblem(fleet: TestFleet, cluster: string): Promise<Problem | undefined> {
  const row = await fleet.store.db.selectFrom('unit').select('held').where('cluster', '=', uidOf(cluster)).executeTakeFirstOrThrow();
  return (JSON.parse(row.held) as { problem?: Problem }[])[0]?.problem;
}

test('I11 a cluster that cannot be published to says why, is tried less and less often, and holds up nobody', async () => {
  const clusters = ['c1', 'c2', 'c3'];
  await using fleet = await testFleet();
  for (const name of clusters) await fleet.addCluster(name);
  let tries = 0;
  let full = true;
  const core = await fleet.start({
    wrap: ({ publisher }) => ({
      publisher: {
        ...publisher,
        publish: (recipient, manifest, signal) => {
          if (recipient.uid !== uidOf('c2')) return publisher.publish(recipient, manifest, signal);
          tries++;
          return full
            ? Promise.reject(new DroverError('BUNDLE_TOO_LARGE', 'bundle', '600000 bytes sealed'))
            : publisher.publish(recipient, manifest, signal);
        },
      } satisfies Publisher,
    }),
  });
  await core.push(everywhere(clusters, 'web'));
  assert.deepEqual((await fleet.delivers('c1')).units, { a: ['web'] });
  assert.deepEqual((await fleet.delivers('c3')).units, { a: ['web'] });
  assert.deepEqual(await fleet.states(), {
    'a@c1': 'Delivered Progressing',
    'a@c2': 'Delivered Failed',
    'a@c3': 'Delivered Progressing',
  });
  assert.equal((await heldProblem(fleet, 'c2'))?.code, 'BUNDLE_TOO_LARGE');
  assert.equal(core.hub.ready(), true);
  for (let second = 0; second < 600; second++) {
    await fleet.clock.advance(1000);
    if (second % 20 === 0) await core.settled();
  }
  assert.ok(tries >= 5 && tries < 40, `${tries} tries in ten minutes`);
  assert.equal(core.errors.length, 1);
  full = false;
  await fleet.clock.advance(60_000);
  await core.settled();
  assert.deepEqual((await fleet.delivers('c2')).units, { a: ['web'] });
  assert.equal((await fleet.states())['a@c2'], 'Delivered Progressing');
});

test('F34 a Delivery that cannot be written down is tried again, and the others are delivered', async () => {
  await using fleet = await testFleet();
  await fleet.addCluster('c1');
  let broken = true;
  const core = await fleet.start({
    wrap: ({ publisher }) => ({
      publisher: {
        ...publisher,
        storeUnit: (unit, options, objects, signal) =>
          broken && unit === 'drover/a'
            ? Promise.reject(new DroverError('STORE_FAILED', 'blobs', 'ENOSPC'))
            : publisher.storeUnit(unit, options, objects, signal),
      } satisfies Publisher,
    }),
  });
  const files = { ...everywhere(['c1'], 'web'), 'drover/b.yaml': deliveryFile('b'), 'b/c1/all.yaml': configMaps('db') };
  await core.push(files);
  assert.deepEqual((await fleet.delivers('c1')).units, { b: ['db'] });
  assert.equal((await fleet.states())['a@c1'], 'Delivered Failed');
  broken = false;
  await fleet.clock.advance(60_000);
  await core.settled();
  assert.deepEqual((await fleet.delivers('c1')).units, { a: ['web'], b: ['db'] });
});

test('a Delivery whose evaluation fails as a whole loses no object meanwhile, nor do its neighbours of that source', async () => {
  await using fleet = await testFleet();
  await fleet.addCluster('c1');
  let broken = false;
  const core = await fleet.start({
    effect: (point, run) => (broken && point === 'release-commit' && ++writes === 2 ? Promise.reject(new Error('disk I/O error')) : run()),
  });
  let writes = 0;
  const files = (a: readonly string[], b: readonly string[]): Files => ({
    ...everywhere(['c1'], ...a),
    'drover/b.yaml': deliveryFile('b'),
    'b/c1/all.yaml': configMaps(...b),
  });
  await core.push(files(['web', 'k'], ['db']));
  broken = true;
  await core.push(files(['web'], ['db', 'k']), ['a/c1/all.yaml', 'b/c1/all.yaml']);
  assert.deepEqual((await fleet.delivers('c1')).units, { a: ['k', 'web'], b: ['db'] });
  assert.equal((await fleet.states())['a@c1'], 'Delivered Waiting');
  broken = false;
  await fleet.clock.advance(2000);
  await core.settled();
  assert.deepEqual((await fleet.delivers('c1')).units, { a: ['web'], b: ['db', 'k'] });
});

test('F30 I11 a render that crashes is tried again once an interval, however many commits come', async () => {
  await using fleet = await testFleet();
  await fleet.addCluster('c1');
  let renders = 0;
  const core = await fleet.start({
    renderer: () => ({
      render: () => {
        renders++;
        return Promise.reject(new DroverError('RENDER_ENGINE_FAILED', 'x', 'killed'));
      },
    }),
  });
  for (let push = 0; push < 10; push++) await core.push(everywhere(['c1'], 'web'));
  assert.equal(renders, 10);
  for (let minute = 0; minute < 5; minute++) {
    await fleet.clock.advance(60_000);
    await core.settled();
  }
  assert.equal(renders, 15);
  assert.equal((await fleet.states())['a@c1'], 'Delivered Failed');
});

test('F6 an agent that is ahead marks the hub as behind, which publishes nothing until the epoch is raised', async (t) => {
  const seen = { fleet: '11111111-2222-4333-8444-555555555555', epoch: 1, generation: 1, content: 'sha256:other' };
  const cases = [
    { name: 'a later generation', seen: { ...seen, generation: 9 }, behind: 'HUB_BEHIND' },
    { name: 'a later epoch', seen: { ...seen, epoch: 2 }, behind: 'HUB_BEHIND' },
    { name: 'other content under the same generation', seen, behind: 'PUBLISH_LOST_RACE' },
    { name: 'an earlier generation', seen: { ...seen, generation: 0 }, behind: undefined },
    { name: 'another fleet', seen: { ...seen, generation: 9, fleet: 'f2' }, behind: undefined },
  ];
  for (const one of cases) {
    await t.test(one.name, async () => {
      await using fleet = await testFleet();
      for (const name of ['c1', 'c2']) await fleet.addCluster(name);
      const core = await fleet.start();
      await core.push(everywhere(['c1', 'c2'], 'web'));
      await core.hub.onBatch([{ uid: uidOf('c1'), seen: one.seen, units: [], left: [], events: [], badBlobs: [] }]);
      const behind = await readMeta(fleet.store.db, 'behind');
      assert.equal(behind === undefined ? undefined : (JSON.parse(behind) as Problem).code, one.behind);
      await core.push(everywhere(['c1', 'c2'], 'web', 'more'), paths(['c1', 'c2']));
      const { units } = await fleet.delivers('c2');
      if (one.behind === undefined) return assert.deepEqual(units, { a: ['more', 'web'] });
      assert.deepEqual(units, { a: ['web'] });
      assert.equal((await fleet.states())['a@c2'], 'Delivered Failed');
      assert.equal((await heldProblem(fleet, 'c2'))?.code, one.behind);
      assert.equal(core.hub.ready(), true);
      assert.equal((await fleet.events(one.behind)).length, 1);
      await core.stop();
      await fleet.store.write((tx) => raiseEpoch(tx, one.seen.epoch + 1));
      const again = await fleet.start();
      await again.settled();
      assert.deepEqual((await fleet.delivers('c2')).units, { a: ['more', 'web'] });
      assert.equal((await fleet.bundle('c1'))?.epoch, one.seen.epoch + 1);
      // What it has of the epoch that has ended counts no more.
      await again.hub.onBatch([{ uid: uidOf('c1'), seen: one.seen, units: [], left: [], events: [], badBlobs: [] }]);
      assert.equal(await readMeta(fleet.store.db, 'behind'), undefined);
    });
  }
});

test('F6 R21 a cluster that joins a store which never knew it, and was of this fleet, marks the hub as behind', async () => {
  await using fleet = await testFleet();
  const core = await fleet.start();
  await fleet.addCluster('c1');
  const seen = { seen_fleet: '11111111-2222-4333-8444-555555555555', seen_epoch: 1, seen_generation: 4 };
  await fleet.store.db.updateTable('cluster').set(seen).execute();
  core.hub.onJoined({ uid: uidOf('c1') });
  await core.push(everywhere(['c1'], 'web'));
  assert.equal(await fleet.bundle('c1'), undefined);
  assert.equal((await fleet.events('HUB_BEHIND')).length, 1);
});

test('content that was lost is rendered and stored again before anything is published', async () => {
  await using fleet = await testFleet();
  await fleet.addCluster('c1');
  const core = await fleet.start();
  const files = (...b: readonly string[]): Files => ({
    ...everywhere(['c1'], 'web'),
    'drover/b.yaml': deliveryFile('b'),
    'b/c1/all.yaml': configMaps(...b),
  });
  await core.push(files('db'));
  const before = await fleet.bundle('c1');
  await fleet.store.db.deleteFrom('unit_content').where('unit', '=', 'drover/a').execute();
  await core.push(files('db', 'more'), ['b/c1/all.yaml']);
  assert.deepEqual(await fleet.bundle('c1'), before);
  await fleet.clock.advance(1000);
  await core.settled();
  assert.deepEqual((await fleet.delivers('c1')).units, { a: ['web'], b: ['db', 'more'] });
});

test('F31 where nobody can tell any more what a unit had, it is published without a delete', async () => {
  await using fleet = await testFleet();
  await fleet.addCluster('c1');
  const core = await fleet.start();
  await core.push(everywhere(['c1'], 'k1', 'k2', 'k3', 'k4'));
  const digest = (await fleet.bundle('c1'))?.manifest.units[0]?.digest ?? '';
  await fleet.store.db.deleteFrom('unit_content').where('digest', '=', digest).execute();
  // A hub that has just started has nothing of it in memory.
  await core.stop();
  core.offer('fleet', everywhere(['c1'], 'k1'));
  const again = await fleet.start();
  await again.settled();
  const prunes = async (): Promise<boolean | undefined> => (await fleet.bundle('c1'))?.manifest.units[0]?.prune;
  assert.deepEqual((await fleet.delivers('c1')).units, { a: ['k1'] });
  assert.equal(await prunes(), false);
  await again.hub.actions.recompose('all');
  assert.equal(await prunes(), false);
  await again.hub.onBatch([await fleet.report('c1')]);
  await again.hub.actions.recompose('all');
  assert.equal(await prunes(), true);
});

test('F29 every unit of a pass is rendered from one commit, and commits that come meanwhile from the newest', async () => {
  const clusters = ['c1', 'c2', 'c3', 'c4'];
  await using fleet = await testFleet();
  for (const name of clusters) await fleet.addCluster(name);
  const rendered: string[] = [];
  const gate = Promise.withResolvers<void>();
  const core = await fleet.start({
    renderer: (real) => ({
      async render(tree, delivery, cluster, signal) {
        rendered.push(`${tree.revision} ${cluster.name}`);
        await gate.promise;
        return real.render(tree, delivery, cluster, signal);
      },
    }),
  });
  core.offer('fleet', everywhere(clusters, 'v0'));
  for (let turn = 0; turn < 50 && rendered.length < clusters.length; turn++) await fleet.clock.advance(0);
  for (let push = 1; push <= 50; push++) core.offer('fleet', everywhere(clusters, `v${push}`), paths(clusters));
  gate.resolve();
  await core.settled();
  assert.deepEqual(
    rendered.map((one) => one.replace('main@sha1:', '')),
    [...clusters.map((name) => `1 ${name}`), ...clusters.map((name) => `51 ${name}`)],
  );
  assert.deepEqual((await fleet.delivers('c4')).units, { a: ['v50'] });
});

test('R3 each input of targeting fails in turn, and no unit leaves', async (t) => {
  const failures: Readonly<Record<string, string>> = {
    'the clusters': 'select "uid", "name", "namespace"',
    suspensions: 'from "suspension"',
    units: 'from "unit" where "namespace"',
    heads: 'from "head"',
  };
  for (const [what, statement] of Object.entries(failures)) {
    await t.test(what, async () => {
      await using fleet = await testFleet();
      for (const name of ['c1', 'c2']) await fleet.addCluster(name);
      const core = await fleet.start();
      await core.push(everywhere(['c1', 'c2'], 'web'));
      const before = [await fleet.delivers('c1'), await fleet.delivers('c2')];
      let failed = 0;
      const broken = fleet.failing((sql) => sql.includes(statement) && ++failed <= 3);
      core.offer('fleet', everywhere(['c1', 'c2'], 'web', 'more'), paths(['c1', 'c2']));
      for (let turn = 0; turn < 20_000 && failed < 3; turn++) await fleet.clock.advance(10);
      broken[Symbol.dispose]();
      assert.ok(failed >= 3, `${what} was asked ${failed} times`);
      assert.deepEqual((await fleet.delivers('c1')).left, before[0]?.left);
      for (let second = 0; second < 10; second++) await fleet.clock.advance(10_000);
      await core.settled();
      assert.deepEqual((await fleet.delivers('c1')).units, { a: ['more', 'web'] });
      assert.deepEqual((await fleet.delivers('c2')).units, { a: ['more', 'web'] });
    });
  }
});
