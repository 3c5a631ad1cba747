import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BundleManifest, Effect } from '@drover/contract';
import { sql } from 'kysely';
import { CORE_CRASH_POINTS } from './crash-points.ts';
import { PUBLISH_CRASH_POINTS } from './publish/crash-points.ts';
import type { Core, Files, TestFleet } from './testdata/core-hub.ts';
import { configMaps, deliveryFile, testFleet } from './testdata/core-hub.ts';

/** Dies at one effect: nothing of that hub happens any more. */
function dyingEffect(at: { readonly index: number; readonly moment: 'before' | 'after' } | undefined) {
  const seen: string[] = [];
  const died = Promise.withResolvers<true>();
  let dead = false;
  const die = (): Promise<never> => {
    dead = true;
    died.resolve(true);
    return new Promise(() => {});
  };
  const effect: Effect = async (point, run) => {
    if (dead) return new Promise(() => {});
    const now = seen.push(point) - 1 === at?.index;
    if (now && at.moment === 'before') return die();
    const result = await run();
    return now ? die() : dead ? new Promise(() => {}) : result;
  };
  return { effect, seen, died: died.promise };
}

const files = (a: readonly string[], b: readonly string[], over: Files = {}): Files => ({
  'drover/a.yaml': deliveryFile('a'),
  'drover/b.yaml': deliveryFile('b', 'deletionPolicy: Delete'),
  'a/c1/all.yaml': configMaps(...a),
  'b/c1/all.yaml': configMaps(...b),
  ...over,
});
const { 'drover/b.yaml': _b, ...withoutB } = files(['web'], ['db', 'k']);

/** `k` moves from one Delivery to the other, `old` is removed, the other Delivery goes, and comes back. */
const steps: readonly ((core: Core, fleet: TestFleet) => Promise<void>)[] = [
  (core) => core.push(files(['web', 'old', 'k'], ['db'])),
  async (core, fleet) => core.hub.onBatch([await fleet.report('c1')]),
  (core) => core.push(files(['web', 'old'], ['db', 'k']), ['a/c1/all.yaml', 'b/c1/all.yaml']),
  (core) => core.push(files(['web'], ['db', 'k']), ['a/c1/all.yaml']),
  (core) => core.push(withoutB, ['drover/b.yaml']),
  async (core, fleet) => core.hub.onBatch([await fleet.report('c1')]),
  (core) => core.push(files(['web'], ['db', 'k']), ['drover/b.yaml']),
  async (core, fleet) => core.hub.onBatch([await fleet.report('c1')]),
  (core) => core.settled(),
];

async function live(at: Parameters<typeof dyingEffect>[0]) {
  await using fleet = await testFleet();
  await fleet.addCluster('c1');
  await sql.raw('create table head_log (generation integer, manifest text)').execute(fleet.store.db);
  for (const when of ['insert', 'update of generation'])
    await sql
      .raw(
        `create trigger log_${when.slice(0, 6)} after ${when} on head begin insert into head_log values (new.generation, new.manifest); end`,
      )
      .execute(fleet.store.db);
  const first = dyingEffect(at);
  let core = await fleet.start({ effect: first.effect });
  let restarted = false;
  for (const step of steps) {
    const died = restarted ? (await step(core, fleet), false) : await Promise.race([step(core, fleet).then(() => false), first.died]);
    if (!died) continue;
    // A hub that starts again does what the one before it has begun; then the world repeats itself.
    restarted = true;
    core.abandon();
    core = await fleet.start();
    await core.settled();
    await step(core, fleet);
  }
  const log = await sql<{ generation: number; manifest: string }>`select * from head_log`.execute(fleet.store.db);
  const heads = [];
  for (const { generation, manifest } of log.rows) {
    const { units, left } = JSON.parse(manifest) as BundleManifest;
    const objects = new Map<string, string[]>();
    for (const unit of units) {
      const content = await fleet.store.db
        .selectFrom('unit_content')
        .select('objects')
        .where('digest', '=', unit.digest)
        .executeTakeFirst();
      for (const [key] of JSON.parse(content?.objects ?? '[]') as [string][]) objects.set(key, [...(objects.get(key) ?? []), unit.name]);
    }
    heads.push({ generation, objects, units: units.map((unit) => unit.name), left: left.map((unit) => unit.name) });
  }
  const rollouts = await fleet.store.db.selectFrom('rollout').select(['delivery', 'state']).where('state', '=', 'Progressing').execute();
  return { heads, seen: first.seen, delivers: await fleet.delivers('c1'), states: await fleet.states(), rollouts, errors: core.errors };
}

function check({ heads, delivers, states, rollouts }: Awaited<ReturnType<typeof live>>): void {
  assert.deepEqual(delivers, { units: { a: ['web'], b: ['db', 'k'] }, left: {} });
  assert.deepEqual(states, { 'a@c1': 'Delivered Ready', 'b@c1': 'Delivered Ready' });
  assert.deepEqual(rollouts, []);
  for (const [index, head] of heads.entries()) {
    const before = heads[index - 1];
    assert.ok(head.generation > (before?.generation ?? 0), 'I4 generations only grow');
    for (const [key, units] of head.objects) assert.equal(units.length, 1, `${key} is in ${units.join()}`);
    for (const unit of [...(before?.units ?? []), ...(before?.left ?? [])])
      if (!head.units.includes(unit) && !head.left.includes(unit)) assert.ok(before?.left.includes(unit), `${unit} is in neither list`);
    for (const key of before?.objects.keys() ?? []) {
      if (head.objects.has(key)) continue;
      const name = key.slice(key.lastIndexOf('/') + 1);
      assert.ok(name === 'old' || head.left.includes('drover/b'), `${name} is gone without being removed`);
    }
  }
}

test('I1 I4 B27 F5 the hub may die before or after any effect of its core', async (t) => {
  const whole = await live(undefined);
  check(whole);
  assert.ok(whole.seen.length > 20);
  const points = new Set<string>([...CORE_CRASH_POINTS, ...PUBLISH_CRASH_POINTS]);
  for (const point of whole.seen) assert.ok(points.has(point), `${point} is not in the list`);
  for (let index = 0; index < whole.seen.length; index++)
    for (const moment of ['before', 'after'] as const)
      await t.test(`${moment} ${whole.seen[index]}, effect ${index}`, async () => check(await live({ index, moment })));
});

test('B27 F5 a hub that dies between two Deliveries of one commit publishes nothing of half of it', async () => {
  await using fleet = await testFleet();
  await fleet.addCluster('c1');
  const from = 'sourceRef: { kind: GitRepository, name: apps }';
  const configuration = {
    'drover/apps.yaml':
      'apiVersion: drover.dev/v1alpha1\nkind: GitRepository\nmetadata: { name: apps }\nspec: { url: https://git.example.com/apps.git }\n',
    'drover/a.yaml': deliveryFile('a', from),
    'drover/b.yaml': deliveryFile('b', from),
  };
  const apps = (a: readonly string[], b: readonly string[]): Files => ({
    'a/c1/all.yaml': configMaps(...a),
    'b/c1/all.yaml': configMaps(...b),
  });
  let releases = 0;
  const died = Promise.withResolvers<void>();
  const first = await fleet.start({
    effect: async (point, run) => {
      const result = await run();
      // The third release: `a` has given `k` away, and nobody has written yet that `b` has it.
      if (point !== 'release-commit' || ++releases < 3) return result;
      died.resolve();
      return new Promise(() => {});
    },
  });
  await first.push(configuration);
  await first.pushTo('apps', apps(['web', 'k'], ['db']));
  first.offer('apps', apps(['web'], ['db', 'k']), ['a/c1/all.yaml', 'b/c1/all.yaml']);
  await died.promise;
  first.abandon();
  const before = await fleet.bundle('c1');
  const second = await fleet.start();
  await second.settled();
  assert.deepEqual((await fleet.delivers('c1')).units, { a: ['web'], b: ['db', 'k'] });
  assert.equal((await fleet.bundle('c1'))?.generation, (before?.generation ?? 0) + 1);
});
