import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configMap, scenario } from './support/scenario.ts';

const deployment = (name: string, namespace: string, image: string): string => `apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: ${namespace} }
spec:
  replicas: 1
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec:
      containers: [{ name: web, image: '${image}' }]
`;

test('a Deployment makes its unit Ready only when its pods are', async () => {
  await using s = await scenario('deployment', { clusters: ['canary'] }, (name) => ({
    'web.yaml': deployment('web', name, 'nginx:1.21.6'),
  }));
  const row = await s.unit('canary');
  assert.deepEqual(row.objects, { total: 1, ready: 1 });
  const live = await s.kube('canary').get(`/apis/apps/v1/namespaces/${s.name}/deployments/web`);
  assert.equal((live['status'] as { readyReplicas?: number }).readyReplicas, 1);
});

test('a unit waits for those it depends on, and goes on when they are Ready', async () => {
  await using platform = await scenario('platform', { clusters: ['prod-eu'] }, (name) => ({ 'db.yaml': configMap('db', name, {}) }));
  await using s = await scenario('dependent', { clusters: ['prod-eu'], spec: `  dependsOn: [{ name: ${platform.name} }]\n` }, (name) => ({
    'web.yaml': configMap('web', name, { v: '1' }),
  }));
  // A Deployment on a cluster without controllers never becomes ready.
  const sha = await s.push('both', {
    [platform.path('prod-eu', 'app.yaml')]: deployment('slow', platform.name, 'nginx:1'),
    [s.path('prod-eu', 'web.yaml')]: configMap('web', s.name, { v: '2' }),
  });
  const waiting = await s.until('prod-eu', (row) => row.state === 'Waiting');
  assert.deepEqual(
    waiting.blockedOn.map((entry) => entry.kind),
    ['Dependency'],
  );
  assert.deepEqual((await s.kube('prod-eu').get(s.configMap('prod-eu', 'web')))['data'], { v: '1' });
  const path = `/apis/apps/v1/namespaces/${platform.name}/deployments/slow`;
  const { generation } = (await s.kube('prod-eu').get(path)).metadata as unknown as { generation: number };
  const conditions = [
    { type: 'Available', status: 'True', reason: 'Test', message: '' },
    { type: 'Progressing', status: 'True', reason: 'NewReplicaSetAvailable', message: '' },
  ];
  const status = {
    observedGeneration: generation,
    replicas: 1,
    updatedReplicas: 1,
    readyReplicas: 1,
    availableReplicas: 1,
    conditions,
  };
  assert.equal(
    (await s.kube('prod-eu').request('PATCH', `${path}/status`, { status }, { contentType: 'application/merge-patch+json' })).status,
    200,
  );
  await s.ready(sha);
  assert.deepEqual((await s.kube('prod-eu').get(s.configMap('prod-eu', 'web')))['data'], { v: '2' });
});

test('suspended means hands off, and resume looks after everything again', async () => {
  await using s = await scenario('suspend', { clusters: ['prod-eu'] }, (name) => ({ 'web.yaml': configMap('web', name, { v: '1' }) }));
  const path = s.configMap('prod-eu', 'web');
  assert.equal((await s.fleet.drover('suspend', `${s.name}@prod-eu`, '-m', 'test')).code, 0);
  await s.until('prod-eu', (row) => row.suspended);
  await s.push('v2', { [s.path('prod-eu', 'web.yaml')]: configMap('web', s.name, { v: '2' }) });
  await s.until('prod-eu', (row) => row.state === 'Waiting' && row.blockedOn.some((entry) => entry.kind === 'Suspended'));
  await s.kube('prod-eu').patch(path, { data: { v: 'tampered' } });
  await s.until('prod-eu', (row) => row.drift > 0);
  assert.deepEqual((await s.kube('prod-eu').get(path))['data'], { v: 'tampered' });
  assert.equal((await s.fleet.drover('resume', `${s.name}@prod-eu`)).code, 0);
  await s.until('prod-eu', (row) => row.state === 'Ready' && !row.suspended);
  assert.deepEqual((await s.kube('prod-eu').get(path))['data'], { v: '2' });
});

test('mode: Observe writes nothing, and tells what differs', async () => {
  await using s = await scenario('observe', { clusters: ['prod-eu'], spec: '  mode: Observe\n' });
  await s.push('web', { [s.path('prod-eu', 'web.yaml')]: configMap('web', s.name, {}) });
  await s.until('prod-eu', (row) => row.drift > 0);
  assert.equal(await s.kube('prod-eu').find(s.configMap('prod-eu', 'web')), undefined);
});

test('drift: Warn reports and leaves it', async () => {
  await using s = await scenario('warn', { clusters: ['prod-eu'], spec: '  drift: Warn\n' }, (name) => ({
    'web.yaml': configMap('web', name, { v: '1' }),
  }));
  const path = s.configMap('prod-eu', 'web');
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'web', namespace: s.name }, data: { v: '9' } };
  await s.kube('prod-eu').apply(path, object, { manager: 'tamperer' });
  await s.until('prod-eu', (row) => row.drift > 0);
  assert.deepEqual((await s.kube('prod-eu').get(path))['data'], { v: '9' });
});

test('the fields of a Delivery shape what is rendered', async () => {
  await using s = await scenario(
    'shape',
    {
      clusters: ['prod-eu'],
      spec: `  namePrefix: a-
  commonMetadata: { labels: { team: red } }
  postBuild: { substitute: { tier: gold } }
  patches:
  - target: { kind: ConfigMap }
    patch: '[{ "op": "add", "path": "/data/patched", "value": "yes" }]'
`,
    },
    (name) => ({ 'web.yaml': configMap('web', name, { tier: '${tier}', cluster: '${cluster.name}' }) }),
  );
  const live = await s.kube('prod-eu').get(s.configMap('prod-eu', 'a-web'));
  assert.deepEqual(live['data'], { tier: 'gold', cluster: 'prod-eu', patched: 'yes' });
  assert.equal(live.metadata.labels?.['team'], 'red');
});

test('an object annotated prune: disabled stays when it leaves Git', async () => {
  const keep = (name: string): string =>
    configMap('keep', name, {}).replace('metadata:\n', 'metadata:\n  annotations: { drover.dev/prune: disabled }\n');
  await using s = await scenario('keep', { clusters: ['prod-eu'] }, (name) => ({
    'web.yaml': configMap('web', name, {}),
    'keep.yaml': keep(name),
  }));
  const sha = await s.push('without', {}, [s.path('prod-eu', 'keep.yaml')]);
  await s.ready(sha);
  assert.ok(await s.kube('prod-eu').find(s.configMap('prod-eu', 'keep')));
});

test('F22 a CRD and its resource arrive in one push; a removed CRD stays', async () => {
  const group = (name: string): string => `${name.replaceAll('-', '')}.example.com`;
  const crd = (name: string): string => `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: widgets.${group(name)} }
spec:
  group: ${group(name)}
  scope: Namespaced
  names: { plural: widgets, singular: widget, kind: Widget }
  versions:
  - name: v1
    served: true
    storage: true
    schema: { openAPIV3Schema: { type: object, x-kubernetes-preserve-unknown-fields: true } }
`;
  const widget = (name: string): string =>
    `apiVersion: ${group(name)}/v1\nkind: Widget\nmetadata: { name: one, namespace: ${name} }\nspec: { size: 3 }\n`;
  await using s = await scenario('crd', { clusters: ['prod-eu'], deletionPolicy: 'Orphan' }, (name) => ({
    'a-widget.yaml': widget(name),
    'crd.yaml': crd(name),
    'web.yaml': configMap('web', name, {}),
  }));
  assert.ok(await s.kube('prod-eu').find(`/apis/${group(s.name)}/v1/namespaces/${s.name}/widgets/one`));
  await s.push('no crd', {}, [s.path('prod-eu', 'crd.yaml')]);
  const row = await s.until('prod-eu', (unit) => unit.blockedOn.some((entry) => entry.kind === 'Approval'));
  assert.match(row.blockedOn[0]?.message ?? '', /CustomResourceDefinition/);
  assert.ok(await s.kube('prod-eu').find(`/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.${group(s.name)}`));
});

test('values that admission normalises cause no fight', async () => {
  const quota = (name: string): string =>
    `apiVersion: v1\nkind: ResourceQuota\nmetadata: { name: q, namespace: ${name} }\nspec: { hard: { cpu: '1000m', memory: '1024Mi' } }\n`;
  await using s = await scenario('normal', { clusters: ['prod-eu'] }, (name) => ({
    'q.yaml': quota(name),
    'web.yaml': configMap('web', name, {}),
  }));
  const path = `/api/v1/namespaces/${s.name}/resourcequotas/q`;
  const before = await s.kube('prod-eu').get(path);
  const sha = await s.push('another object', { [s.path('prod-eu', 'web.yaml')]: configMap('web', s.name, { v: '2' }) });
  await s.ready(sha);
  assert.equal((await s.kube('prod-eu').get(path)).metadata.resourceVersion, before.metadata.resourceVersion);
  assert.equal((await s.unit('prod-eu')).drift, 0);
});
