import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '@drover/testbed';
import { configMap, scenario } from './support/scenario.ts';

test('B46 broken YAML in one overlay holds that cluster alone, naming file and line', async () => {
  await using s = await scenario('broken', {}, (name) => ({ 'web.yaml': configMap('web', name, { colour: 'blue' }) }));
  const files = s.everywhere({ 'web.yaml': configMap('web', s.name, { colour: 'red' }) });
  const sha = await s.push('red, and a typo in prod-eu', {
    ...files,
    [s.path('prod-eu', 'web.yaml')]: 'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: web\n',
  });
  for (const cluster of ['canary', 'prod-us'] as const)
    await s.until(cluster, (row) => row.state === 'Ready' && row.revision.applied?.endsWith(sha) === true);
  const failed = await s.until('prod-eu', (row) => row.state === 'Failed');
  assert.match(failed.message, new RegExp(`YAML_INVALID.*apps/${s.name}/prod-eu/web\\.yaml:\\d+`));
  assert.deepEqual((await s.kube('prod-eu').get(s.configMap('prod-eu', 'web')))['data'], { colour: 'blue' });
  await s.ready(await s.push('mended', files));
});

test('B2 an empty render is refused and deletes nothing', async () => {
  await using s = await scenario('empty', { clusters: ['prod-eu'] }, (name) => ({ 'web.yaml': configMap('web', name, {}) }));
  await s.push('nothing left', { [s.path('prod-eu', 'web.yaml')]: '# nothing\n' });
  const row = await s.until('prod-eu', (unit) => unit.state === 'Failed');
  assert.match(row.message, /RENDER_EMPTY/);
  assert.ok(await s.kube('prod-eu').find(s.configMap('prod-eu', 'web')));
  await s.ready(await s.push('back', { [s.path('prod-eu', 'web.yaml')]: configMap('web', s.name, {}) }));
});

test('B1 an overlay that vanishes stays, and waits for approval', async () => {
  await using s = await scenario('vanish', {}, (name) => ({ 'web.yaml': configMap('web', name, {}) }));
  await s.push('no prod-eu', {}, [`apps/${s.name}/prod-eu`]);
  const row = await s.until('prod-eu', (unit) => unit.state === 'Waiting');
  assert.deepEqual(
    row.blockedOn.map((entry) => entry.kind),
    ['Approval'],
  );
  assert.ok(await s.kube('prod-eu').find(s.configMap('prod-eu', 'web')));
  await s.ready(await s.push('back', { [s.path('prod-eu', 'web.yaml')]: configMap('web', s.name, {}) }));
});

test('B3 a unit leaves under untargeted: Leave, and its objects are deleted', async () => {
  await using s = await scenario('leave', { spec: '  untargeted: Leave\n' }, (name) => ({ 'web.yaml': configMap('web', name, {}) }));
  await s.push('no prod-eu', {}, [`apps/${s.name}/prod-eu`]);
  await eventually(async () => assert.equal(await s.kube('prod-eu').find(s.configMap('prod-eu', 'web')), undefined), 15_000);
  assert.ok(await s.kube('prod-us').find(s.configMap('prod-us', 'web')));
  await eventually(async () => {
    const { items } = await s.fleet.hub.get<{ items: readonly { cluster: string }[] }>(`/v1/units?delivery=${s.name}`);
    assert.deepEqual(items.map((unit) => unit.cluster).sort(), ['canary', 'prod-us']);
  }, 15_000);
});

test('F31 a mass removal is held over budget, and a revert ends it', async () => {
  const names = ['a', 'b', 'c'];
  await using s = await scenario('budget', { clusters: ['prod-eu'] }, (name) =>
    Object.fromEntries(names.map((file) => [`${file}.yaml`, configMap(file, name, {})])),
  );
  await s.push('oops', {}, [s.path('prod-eu', 'a.yaml'), s.path('prod-eu', 'b.yaml')]);
  const row = await s.until('prod-eu', (unit) => unit.state === 'Waiting');
  assert.deepEqual(
    row.blockedOn.map((entry) => entry.kind),
    ['Budget'],
  );
  for (const file of names) assert.ok(await s.kube('prod-eu').find(s.configMap('prod-eu', file)));
  await s.ready(await s.push('revert', s.everywhere({ 'a.yaml': configMap('a', s.name, {}), 'b.yaml': configMap('b', s.name, {}) })));
});

test('B27 an object that moves between units keeps its UID', async () => {
  await using a = await scenario('from', { clusters: ['prod-eu'] }, (name) => ({
    'web.yaml': configMap('web', name, {}),
    'cache.yaml': configMap('cache', name, {}),
  }));
  await using b = await scenario('to', { clusters: ['prod-eu'] }, (name) => ({ 'db.yaml': configMap('db', name, {}) }));
  const path = a.configMap('prod-eu', 'cache');
  const { uid } = (await a.kube('prod-eu').get(path)).metadata;
  const sha = await a.push('move', { [b.path('prod-eu', 'cache.yaml')]: configMap('cache', a.name, {}) }, [
    a.path('prod-eu', 'cache.yaml'),
  ]);
  await a.ready(sha);
  await b.ready(sha);
  const live = await a.kube('prod-eu').get(path);
  assert.equal(live.metadata.uid, uid);
  assert.equal(live.metadata.annotations?.['drover.dev/unit'], `drover/${b.name}`);
});

test('B5 an object in two Deliveries stays with its owner, and both files are named', async () => {
  await using a = await scenario('owner', { clusters: ['prod-eu'] }, (name) => ({ 'web.yaml': configMap('web', name, { of: 'a' }) }));
  await using b = await scenario('claim', { clusters: ['prod-eu'] }, (name) => ({ 'db.yaml': configMap('db', name, {}) }));
  await a.push('claim it', { [b.path('prod-eu', 'web.yaml')]: configMap('web', a.name, { of: 'b' }) });
  const row = await b.until('prod-eu', (unit) => unit.state === 'Failed');
  assert.match(row.message, /OBJECT_OWNED_ELSEWHERE/);
  assert.match(row.message, new RegExp(`apps/${a.name}/prod-eu/web\\.yaml.*apps/${b.name}/prod-eu/web\\.yaml`));
  assert.deepEqual((await a.kube('prod-eu').get(a.configMap('prod-eu', 'web')))['data'], { of: 'a' });
  await a.push('give up', {}, [b.path('prod-eu', 'web.yaml')]);
  await b.until('prod-eu', (unit) => unit.state === 'Ready');
});
