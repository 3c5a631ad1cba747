import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '@drover/testbed';
import { CLUSTERS } from './support/fleet.ts';
import { configMap, scenario } from './support/scenario.ts';

test('a first push installs its objects in every cluster, marked as ours', async () => {
  await using s = await scenario('install', {}, (name) => ({ 'web.yaml': configMap('web', name, { colour: 'blue' }) }));
  for (const cluster of CLUSTERS) {
    const live = await s.kube(cluster).get(s.configMap(cluster, 'web'));
    assert.deepEqual(live['data'], { colour: 'blue' });
    assert.equal(live.metadata.labels?.['drover.dev/managed'], 'true');
    assert.equal(live.metadata.annotations?.['drover.dev/unit'], `drover/${s.name}`);
    const managers = (live.metadata['managedFields'] as { manager: string; operation: string }[]).map(
      (entry) => `${entry.manager} ${entry.operation}`,
    );
    assert.deepEqual(managers, ['drover Apply']);
  }
});

test('a push that changes one overlay changes that cluster alone, and leaves other objects byte for byte', async () => {
  await using s = await scenario('change', {}, (name) => ({
    'web.yaml': configMap('web', name, { colour: 'blue' }),
    'db.yaml': configMap('db', name, { size: '1' }),
  }));
  const before = await s.kube('prod-us').get(s.configMap('prod-us', 'web'));
  const same = await s.kube('prod-eu').get(s.configMap('prod-eu', 'db'));
  const sha = await s.push('red', { [s.path('prod-eu', 'web.yaml')]: configMap('web', s.name, { colour: 'red' }) });
  await s.ready(sha);
  assert.deepEqual((await s.kube('prod-eu').get(s.configMap('prod-eu', 'web')))['data'], { colour: 'red' });
  assert.deepEqual(await s.kube('prod-us').get(s.configMap('prod-us', 'web')), before);
  assert.deepEqual(await s.kube('prod-eu').get(s.configMap('prod-eu', 'db')), same);
});

test('an object that leaves the directory is deleted, and nothing else is', async () => {
  await using s = await scenario('prune', {}, (name) => ({
    'web.yaml': configMap('web', name, {}),
    'db.yaml': configMap('db', name, {}),
  }));
  await s.kube('prod-eu').create(`/api/v1/namespaces/${s.name}/configmaps`, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'foreign', namespace: s.name },
  });
  const sha = await s.push(
    'no db',
    {},
    s.clusters.map((cluster) => s.path(cluster, 'db.yaml')),
  );
  await s.ready(sha);
  for (const cluster of CLUSTERS) {
    await eventually(async () => assert.equal(await s.kube(cluster).find(s.configMap(cluster, 'db')), undefined), 10_000);
    assert.ok(await s.kube(cluster).find(s.configMap(cluster, 'web')));
  }
  assert.ok(await s.kube('prod-eu').find(s.configMap('prod-eu', 'foreign')));
});

test('drift of a field, a label and a deletion is undone, and the manager named', async () => {
  await using s = await scenario('drift', { clusters: ['prod-eu'] }, (name) => ({
    'web.yaml': configMap('web', name, { colour: 'blue' }),
  }));
  const kube = s.kube('prod-eu');
  const path = s.configMap('prod-eu', 'web');
  const { metadata } = await kube.get(path);
  await kube.apply(
    path,
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'web', namespace: s.name }, data: { colour: 'red' } },
    { manager: 'tamperer' },
  );
  await eventually(async () => assert.deepEqual((await kube.get(path))['data'], { colour: 'blue' }), 5_000);
  await kube.patch(path, { metadata: { labels: { 'drover.dev/managed': null } } });
  await eventually(async () => assert.equal((await kube.get(path)).metadata.labels?.['drover.dev/managed'], 'true'), 5_000);
  await kube.delete(path);
  await eventually(async () => assert.deepEqual((await kube.get(path))['data'], { colour: 'blue' }), 5_000);
  assert.notEqual((await kube.get(path)).metadata.uid, metadata.uid);
  await eventually(async () => {
    const { items } = await s.fleet.hub.get<{ items: readonly { reason: string; message: string; object: string | null }[] }>(
      '/v1/events?limit=200',
    );
    const found = items.find((event) => event.reason === 'DriftCorrected' && event.message.includes('tamperer'));
    assert.ok(found, items.map((event) => `${event.reason} ${event.message}`).join('\n'));
  }, 5_000);
});

test('fields of others are left alone', async () => {
  await using s = await scenario('foreign', { clusters: ['prod-eu'] }, (name) => ({
    'web.yaml': configMap('web', name, { colour: 'blue' }),
  }));
  const kube = s.kube('prod-eu');
  const path = s.configMap('prod-eu', 'web');
  await kube.patch(path, { data: { extra: 'theirs' }, metadata: { labels: { team: 'a' } } });
  const sha = await s.push('green', { [s.path('prod-eu', 'web.yaml')]: configMap('web', s.name, { colour: 'green' }) });
  await s.ready(sha);
  const live = await kube.get(path);
  assert.deepEqual(live['data'], { colour: 'green', extra: 'theirs' });
  assert.equal(live.metadata.labels?.['team'], 'a');
});
