import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DroverError, canonicalJson, digestOf } from '@drover/contract';
import { deletesBetween } from '#compose/deletes.ts';
import type { Delivery } from '#config/types.ts';
import { DEFAULT_DELETES } from '#config/types.ts';
import type { RenderResult } from '#render/types.ts';
import { createSingleStage } from '#rollout/single-stage.ts';
import type { Tree } from '#sources/types.ts';
import { openSqlite } from '#state/sqlite-adapter.ts';
import type { Store } from '#state/store.ts';
import { openStore } from '#state/store.ts';
import type { EvaluateCluster } from './evaluate.ts';
import { evaluate } from './evaluate.ts';
import { createReadIndex } from './read-index.ts';

const signal = new AbortController().signal;
const delivery = (over: Partial<Delivery> = {}): Delivery => ({
  namespace: 'drover',
  name: 'shop',
  sourceRef: { kind: 'GitRepository', namespace: 'drover', name: 'fleet' },
  path: 'clusters/${cluster.name}',
  targeting: { type: 'path' },
  mode: 'Enforce',
  prune: true,
  intervalMs: 1,
  retryIntervalMs: 1,
  timeoutMs: 1,
  dependsOn: [],
  wait: true,
  healthChecks: [],
  patches: [],
  images: [],
  components: [],
  namePrefix: '',
  nameSuffix: '',
  commonMetadata: { labels: {}, annotations: {} },
  drift: 'Correct',
  allowEmpty: false,
  untargeted: 'Hold',
  deletionPolicy: 'Orphan',
  deletes: DEFAULT_DELETES,
  suspend: false,
  ...over,
});
const tree = (sha: string): Tree => ({ commit: { sha, subject: 's', author: 'alice', time: 0 }, revision: `main@sha1:${sha}` }) as Tree;
const cluster = (name: string, labels: Record<string, string> = {}): EvaluateCluster => ({
  uid: `u-${name}`,
  name,
  labels,
  vars: {},
  apiResources: undefined,
  online: true,
  lastSeen: 0,
});

/** What each cluster renders to: names of ConfigMaps, or a failure, or no such path. */
type Script = Record<string, readonly string[] | 'absent' | 'bad' | 'crash'>;

async function hub() {
  const store = await openStore({ dialect: openSqlite(':memory:').dialect, now: () => 7 });
  let script: Script = {};
  let refused = false;
  const stage = createSingleStage({ store, now: () => 7 });
  await store.db
    .insertInto('delivery')
    .values({
      namespace: 'drover',
      name: 'shop',
      spec: '{}',
      config_hash: 'h',
      problem: null,
      removed_at: null,
      release: 0,
      revision: null,
    })
    .execute();
  const deps = {
    store,
    now: () => 7,
    reads: createReadIndex(),
    log: { warn: () => {} },
    startRollout: stage.start,
    skipRollout: stage.skip,
    deletesBetween,
    async render(_tree: Tree, _delivery: Delivery, target: { readonly name: string }): Promise<RenderResult> {
      const wanted = script[target.name] ?? 'absent';
      const reads = [{ path: `clusters/${target.name}`, oid: null }];
      if (wanted === 'crash') throw new DroverError('RENDER_ENGINE_FAILED', 'x', 'killed');
      if (wanted === 'absent') return { type: 'absent', path: `clusters/${target.name}`, reads };
      if (wanted === 'bad')
        return {
          type: 'failed',
          problem: new DroverError('YAML_INVALID', 'x', 'bad', { position: { file: 'a.yaml', line: 2 } }).toProblem(),
          reads,
        };
      const objects = wanted.map((name) => ({ key: `/ConfigMap/d/${name}`, apiVersion: 'v1', digest: digestOf(name), json: '{}' }));
      return { type: 'rendered', objects, reads, warnings: [] };
    },
    async storeUnit(unit: string, _options: unknown, objects: readonly { key: string; digest: string }[]) {
      if (refused && objects.some((object) => object.key.endsWith('huge')))
        throw new DroverError('BUNDLE_TOO_LARGE', unit, '60000 objects; a unit may have 50000');
      const digest = digestOf(canonicalJson(objects.map((object) => object.key)));
      await store.db
        .insertInto('unit_content')
        .values({
          digest,
          unit,
          manifest: '[]',
          blobs: '[]',
          objects: JSON.stringify(objects.map((object) => [object.key, 'v1', object.digest])),
        } as never)
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      return { digest, manifest: [] };
    },
  };
  return {
    store,

    refuse: () => void (refused = true),
    async run(next: Script, sha: string, clusters: readonly EvaluateCluster[], over: Partial<Delivery> = {}, factsOnly = false) {
      script = next;
      return evaluate(
        deps as never,
        { delivery: delivery(over), configHash: 'h', tree: tree(sha), clusters, only: undefined, factsOnly },
        signal,
      );
    },
    /** Pretends that a cluster's head lists, or states as left, the unit. */
    head: (uid: string, units: readonly string[], left: readonly string[] = []) =>
      store.db
        .insertInto('head')
        .values({
          cluster: uid,
          sealing_key: 'k',
          epoch: 1,
          generation: 1,
          content: 'c',
          manifest: JSON.stringify({
            units: units.map((name) => ({ name, digest: 'd' })),
            left: left.map((name) => ({ name, objects: 'Delete' })),
          }),
          envelope: new Uint8Array(),
          sealed: null,
          created_at: 1,
          published: 1,
        })
        .onConflict((conflict) => conflict.doNothing())
        .execute(),
    /** Pretends that what is wanted was published. */
    published: () =>
      store.db
        .updateTable('unit')
        .set((eb) => ({ published: eb.ref('wanted') }))
        .execute(),
  };
}

async function units(store: Store) {
  const rows = await store.db.selectFrom('unit').selectAll().orderBy('cluster').execute();
  return rows.map((row) => ({
    cluster: row.cluster,
    presence: row.presence,
    release: row.wanted_release,
    state: row.state,
    failed: row.problem !== null,
  }));
}
const releases = async (store: Store) =>
  (await store.db.selectFrom('release').selectAll().orderBy('number').execute()).map((row) => [row.number, row.revision, row.deletes]);

const a = cluster('a');
const b = cluster('b');

test('a first render makes release 1 for the clusters whose path exists', async () => {
  const { store, run } = await hub();
  const { touched } = await run({ a: ['web'], b: 'absent' }, 'c1', [a, b]);
  assert.deepEqual([...touched], ['u-a']);
  assert.deepEqual(await releases(store), [[1, 'main@sha1:c1', 0]]);
  assert.deepEqual(await units(store), [{ cluster: 'u-a', presence: 'Delivered', release: 1, state: 'Progressing', failed: false }]);
});

test('a commit that changes no digest makes no release, and touches nobody', async () => {
  const { store, run } = await hub();
  await run({ a: ['web'] }, 'c1', [a]);
  const { touched } = await run({ a: ['web'] }, 'c2', [a]);
  assert.equal(touched.size, 0);
  assert.equal((await releases(store)).length, 1);
  assert.equal((await store.db.selectFrom('delivery').select('revision').executeTakeFirstOrThrow()).revision, 'main@sha1:c2');
});

test('B46 a cluster that does not render keeps its unit and is Failed; the release goes on for the others', async () => {
  const { store, run, published } = await hub();
  await run({ a: ['web'], b: ['web'] }, 'c1', [a, b]);
  await published();
  const before = await store.db.selectFrom('unit').select('wanted').where('cluster', '=', 'u-b').executeTakeFirstOrThrow();
  await run({ a: ['web', 'db'], b: 'bad' }, 'c2', [a, b]);
  assert.deepEqual(await units(store), [
    { cluster: 'u-a', presence: 'Delivered', release: 2, state: 'Progressing', failed: false },
    { cluster: 'u-b', presence: 'Delivered', release: 1, state: 'Failed', failed: true },
  ]);
  const listed = await store.db
    .selectFrom('release_unit')
    .selectAll()
    .where('number', '=', 2)
    .where('cluster', '=', 'u-b')
    .executeTakeFirstOrThrow();
  assert.equal(listed.digest, before.wanted);
  assert.match(listed.problem ?? '', /a\.yaml/);
});

test('F30 a renderer that crashes fails that unit, keeps its content and is tried again', async () => {
  const { store, run } = await hub();
  await run({ a: ['web'] }, 'c1', [a]);
  const { retry } = await run({ a: 'crash' }, 'c2', [a]);
  assert.deepEqual([...retry], ['u-a']);
  assert.equal((await units(store))[0]?.state, 'Failed');
  assert.equal((await releases(store)).length, 1);
  await run({ a: ['web'] }, 'c2', [a]);
  assert.equal((await units(store))[0]?.failed, false);
});

test('B1 a path that was there and vanished keeps the unit until it is approved to leave', async () => {
  const { store, run, published } = await hub();
  await run({ a: ['web'] }, 'c1', [a]);
  await published();
  await run({ a: 'absent' }, 'c2', [a]);
  assert.deepEqual(
    (await units(store)).map((unit) => [unit.presence, unit.state]),
    [['Kept', 'Waiting']],
  );
  await run({ a: ['web'] }, 'c3', [a]);
  assert.deepEqual(
    (await units(store)).map((unit) => unit.presence),
    ['Delivered'],
  );
});

test('B1 a path that vanishes leaves at once under untargeted: Leave, and is deleted only where it prunes', async () => {
  for (const [prune, presence] of [
    [true, 'Delete'],
    [false, 'Orphan'],
  ] as const) {
    const { store, run, published } = await hub();
    await run({ a: ['web'] }, 'c1', [a]);
    await published();
    await run({ a: 'absent' }, 'c2', [a], { untargeted: 'Leave', prune });
    assert.deepEqual(
      (await units(store)).map((unit) => unit.presence),
      [presence],
    );
  }
});

test('B3 a selector that stops matching keeps the unit', async () => {
  const { store, run, published } = await hub();
  const selector = { matchLabels: { env: 'prod' }, matchExpressions: [] };
  const over = { targeting: { type: 'selector', selector } } as const;
  await run({ a: ['web'] }, 'c1', [cluster('a', { env: 'prod' })], over);
  await published();
  await run({ a: ['web'] }, 'c1', [cluster('a', { env: 'lab' })], over);
  assert.deepEqual(
    (await units(store)).map((unit) => [unit.presence, unit.state]),
    [['Kept', 'Waiting']],
  );
});

test('B1 a selected cluster without the path is an error, not nothing', async () => {
  const { store, run } = await hub();
  await run({}, 'c1', [a], { targeting: { type: 'selector', selector: { matchLabels: {}, matchExpressions: [] } } });
  assert.deepEqual(
    (await units(store)).map((unit) => unit.state),
    ['Failed'],
  );
});

test('a cluster that joins late is added to the release that is current', async () => {
  const { store, run } = await hub();
  await run({ a: ['web'] }, 'c1', [a]);
  await run({ a: ['web'], b: ['web'] }, 'c1', [a, b]);
  assert.equal((await releases(store)).length, 1);
  assert.deepEqual(
    (await units(store)).map((unit) => unit.release),
    [1, 1],
  );
});

test('changed facts renew the unit of the current release and make no release', async () => {
  const { store, run } = await hub();
  await run({ a: ['web'] }, 'c1', [a]);
  await run({ a: ['web', 'scoped'] }, 'c1', [a], {}, true);
  assert.equal((await releases(store)).length, 1);
  const [row] = await store.db.selectFrom('release_unit').selectAll().execute();
  assert.equal(row?.digest, (await store.db.selectFrom('unit').select('wanted').executeTakeFirstOrThrow()).wanted);
});

test('F31 deletions are counted over all clusters of a release', async () => {
  const { store, run, published } = await hub();
  await run({ a: ['k1', 'k2', 'k3'], b: ['k1', 'k2'] }, 'c1', [a, b]);
  await published();
  await run({ a: ['k1'], b: ['k1'] }, 'c2', [a, b]);
  assert.deepEqual((await releases(store)).at(-1), [2, 'main@sha1:c2', 3]);
});

test('a newer release supersedes the one in progress', async () => {
  const { store, run } = await hub();
  await run({ a: ['k1'] }, 'c1', [a]);
  await run({ a: ['k2'] }, 'c2', [a]);
  const rollouts = await store.db.selectFrom('rollout').selectAll().orderBy('number').execute();
  assert.deepEqual(
    rollouts.map((row) => row.state),
    ['Superseded', 'Progressing'],
  );
});

test('F30 a render that crashes proves nothing: what leaves goes on leaving, what is kept stays kept', async () => {
  for (const [untargeted, presence] of [
    ['Hold', 'Kept'],
    ['Leave', 'Delete'],
  ] as const) {
    const { store, run, published } = await hub();
    await run({ a: ['web'] }, 'c1', [a], { untargeted });
    await published();
    await run({ a: 'absent' }, 'c2', [a], { untargeted });
    await run({ a: 'crash' }, 'c3', [a], { untargeted });
    assert.deepEqual(
      (await units(store)).map((unit) => [unit.presence, unit.failed]),
      [[presence, true]],
    );
  }
});

test('a cluster that crashed at first completes the release of its commit', async () => {
  const { store, run, published } = await hub();
  await run({ a: ['web'], b: ['web'] }, 'c1', [a, b]);
  await published();
  await run({ a: ['web', 'db'], b: 'crash' }, 'c2', [a, b]);
  await run({ a: ['web', 'db'], b: ['web', 'db'] }, 'c2', [a, b]);
  assert.deepEqual(
    (await releases(store)).map(([number]) => number),
    [1, 2],
  );
  const listed = await store.db.selectFrom('release_unit').select(['cluster', 'problem']).where('number', '=', 2).execute();
  assert.deepEqual(
    listed.map((row) => [row.cluster, row.problem]),
    [
      ['u-a', null],
      ['u-b', null],
    ],
  );
  assert.deepEqual(
    (await units(store)).map((unit) => unit.release),
    [2, 2],
  );
  const clusters = await store.db.selectFrom('rollout_cluster').select('cluster').where('number', '=', 2).execute();
  assert.equal(clusters.length, 2);
});

test('labels or variables that change what a cluster renders to make a release of their own', async () => {
  const { store, run } = await hub();
  await run({ a: ['web'], b: ['web'] }, 'c1', [a, b]);
  await run({ a: ['web'], b: ['web', 'gold'] }, 'c1', [a, b]);
  assert.deepEqual(
    (await releases(store)).map(([number]) => number),
    [1, 2],
  );
});

test('F31 names that a generator superseded do not count among the deletions of a release', async () => {
  const { store, run, published } = await hub();
  await run({ a: ['env-2222222222', 'web'] }, 'c1', [a]);
  await published();
  await run({ a: ['env-4444444444', 'web'] }, 'c2', [a]);
  assert.deepEqual((await releases(store)).at(-1), [2, 'main@sha1:c2', 0]);
});

test('F31 deletions that changed facts cause count for the release that is renewed', async () => {
  const { store, run, published } = await hub();
  await run({ a: ['k1', 'k2', 'k3'] }, 'c1', [a]);
  await published();
  await run({ a: ['k1'] }, 'c1', [a], {}, true);
  assert.deepEqual(await releases(store), [[1, 'main@sha1:c1', 2]]);
});

test('F5 a unit whose head was published, and not written down, is kept when its path vanishes', async () => {
  const { store, run, head } = await hub();
  await run({ a: ['web'] }, 'c1', [a]);
  await head('u-a', ['drover/shop']);
  await run({ a: 'absent' }, 'c2', [a]);
  assert.deepEqual(
    (await units(store)).map((unit) => unit.presence),
    ['Kept'],
  );
});

test('a unit that never reached its cluster is gone with its path', async () => {
  const { store, run } = await hub();
  await run({ a: ['web'] }, 'c1', [a]);
  await run({ a: 'absent' }, 'c2', [a]);
  assert.deepEqual(await units(store), []);
});

test('a unit that has left already goes on leaving while its path is gone', async () => {
  const { store, run, head } = await hub();
  await run({ a: ['web'] }, 'c1', [a]);
  await head('u-a', [], ['drover/shop']);
  await run({ a: 'absent' }, 'c2', [a]);
  assert.deepEqual(
    (await units(store)).map((unit) => unit.presence),
    ['Delete'],
  );
});

test('F32 a rollout does not wait for a cluster that is no longer one of its Delivery', async () => {
  const { store, run, published } = await hub();
  await run({ a: ['web'], b: ['web'] }, 'c1', [a, b]);
  await published();
  await store.db.updateTable('rollout_cluster').set({ state: 'Succeeded' }).where('cluster', '=', 'u-a').execute();
  await run({ a: ['web'], b: 'absent' }, 'c2', [a, b]);
  const rollouts = await store.db.selectFrom('rollout').select(['number', 'state']).execute();
  assert.deepEqual(
    rollouts.map((row) => [row.number, row.state]),
    [[1, 'Succeeded']],
  );
});

test('I11 digests of ten releases are kept, and a hundred releases are remembered, besides those that units wait for', async () => {
  const { store, run, published } = await hub();
  await run({ a: ['k0'], b: ['held'] }, 'c0', [a, b]);
  await published();
  for (let index = 1; index <= 120; index++) await run({ a: [`k${index}`], b: ['held'] }, `c${index}`, [a, b]);
  const numbers = (await releases(store)).map(([number]) => Number(number));
  assert.equal(numbers[0], 1, 'the release that b is at');
  assert.equal(numbers.length, 101);
  const listed = await store.db.selectFrom('release_unit').select('number').distinct().execute();
  assert.equal(listed.length, 10);
  assert.equal((await store.db.selectFrom('rollout').select('number').execute()).length, 100);
  assert.equal((await store.db.selectFrom('rollout_cluster').select('number').distinct().execute()).length, 10);
});

test('B20 content that cannot be stored fails its unit alone', async () => {
  const { store, run, refuse } = await hub();
  refuse();
  await run({ a: ['web'], b: ['huge'] }, 'c1', [a, b]);
  assert.deepEqual(
    (await units(store)).map((unit) => unit.state),
    ['Progressing', 'Failed'],
  );
});

test('F31 a Flux Kustomization that names two clusters is a problem of the Delivery, and moves nothing', async () => {
  const { store, run } = await hub();
  const { touched } = await run({ a: ['web'], b: ['web'] }, 'c1', [a, b], { targeting: { type: 'flux' }, path: 'clusters/a/b' });
  assert.equal(touched.size, 0);
  assert.deepEqual(await units(store), []);
  const { problem } = await store.db.selectFrom('delivery').select('problem').executeTakeFirstOrThrow();
  assert.match(problem ?? '', /names 2 clusters/);
});
