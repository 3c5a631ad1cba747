import assert from 'node:assert/strict';
import { after, before, beforeEach, suite, test } from 'node:test';
import type { KubeObject } from '@drover/contract';
import type { Cluster, KubeClient } from '@drover/testbed';
import { eventually, startCluster } from '@drover/testbed';
import type { TestAgent, TestBed } from './testdata/agent-on-cluster.ts';
import { configMap, createBed, namespaceObject, untilReady } from './testdata/agent-on-cluster.ts';

let cluster: Cluster;
let kube: KubeClient;
let bed: TestBed;
let agent: TestAgent;
let count = 0;
/** Namespace of the running test. */
let ns = '';

before(async () => {
  cluster = await startCluster({ name: 'faults' });
  kube = cluster.kube;
  bed = createBed(cluster);
  agent = await bed.start();
});
after(async () => {
  await agent.stop();
  await cluster[Symbol.asyncDispose]();
});
beforeEach(async () => {
  ns = `t${++count}`;
  await kube.create('/api/v1/namespaces', namespaceObject(ns));
  agent.events.length = 0;
});

const map = (name: string): string => `/api/v1/namespaces/${ns}/configmaps/${name}`;
const widgets = (): string => `/apis/example.com/v1/namespaces/${ns}/widgets`;

function crd(): KubeObject {
  const schema = {
    openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', properties: { size: { type: 'integer' } } } } },
  };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'widgets.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { kind: 'Widget', plural: 'widgets', singular: 'widget' },
      versions: [{ name: 'v1', served: true, storage: true, schema }],
    },
  };
}

const widget = (name: string, size: number): KubeObject => ({
  apiVersion: 'example.com/v1',
  kind: 'Widget',
  metadata: { namespace: ns, name },
  spec: { size },
});

function deployment(app: string): KubeObject {
  const template = { metadata: { labels: { app } }, spec: { containers: [{ name: 'c', image: 'nginx' }] } };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { namespace: ns, name: 'web' },
    spec: { selector: { matchLabels: { app } }, template },
  };
}

const ROLLED_OUT = {
  observedGeneration: 1,
  replicas: 1,
  updatedReplicas: 1,
  readyReplicas: 1,
  availableReplicas: 1,
  conditions: [
    { type: 'Available', status: 'True' },
    { type: 'Progressing', status: 'True', reason: 'NewReplicaSetAvailable' },
  ],
};

async function restart(options: Parameters<TestBed['start']>[0] = {}): Promise<void> {
  await agent.stop();
  agent = await bed.start(options);
}

const gone = (path: string): Promise<void> => eventually(async () => assert.equal(await kube.find(path), undefined), 10_000);

function problemOf(unit: string, name: string): { code?: string | undefined; message: string } {
  const report = agent.report(unit);
  const problem = report?.problems.find(({ key }) => key.endsWith(`/${name}`));
  if (problem === undefined) throw new Error(`no problem with ${name}: ${JSON.stringify(report)}`);
  return problem;
}

const failed = (unit: string, name: string, code: string, message: RegExp): Promise<void> =>
  eventually(() => {
    const problem = problemOf(unit, name);
    assert.equal(problem.code, code);
    assert.match(problem.message, message);
  }, 15_000);

test('F1 a restarted agent applies nothing that is as it should be', async () => {
  await untilReady(agent, bed.publish([{ name: 'drover/f1', objects: [configMap(ns, 'a', { k: '1' }), configMap(ns, 'b', { k: '1' })] }]));
  await restart();
  await eventually(() => assert.equal(agent.report('drover/f1')?.state, 'Ready'), 10_000);
  assert.deepEqual(
    agent.sent.filter(({ verb }) => verb === 'apply' || verb === 'create'),
    [],
  );
});

test('F3 after a restart with an empty disk, and with hub and NATS gone, what was applied is still enforced', async () => {
  await untilReady(agent, bed.publish([{ name: 'drover/f3', objects: [configMap(ns, 'a', { k: '1' })] }]));
  bed.disk.clear();
  await restart({ offline: true });
  await kube.delete(map('a'));
  await eventually(async () => assert.deepEqual((await kube.get(map('a')))['data'], { k: '1' }), 10_000);
  await restart();
});

for (const harm of ['deleted', 'overwritten with other bytes'] as const) {
  test(`F4 an inventory that was ${harm} is rebuilt from what is ours, and nothing is deleted by it`, async () => {
    const objects = [configMap(ns, 'a', { k: '1' }), configMap(ns, 'b', { k: '1' })];
    await untilReady(agent, bed.publish([{ name: 'drover/f4', objects }]));
    const { uid } = (await kube.get(map('b'))).metadata;
    await agent.stop();
    for (const name of ['drover-state', 'drover-inventory-0']) {
      const path = `/api/v1/namespaces/drover-system/secrets/${name}`;
      if (harm === 'deleted') await kube.delete(path);
      else await kube.patch(path, { data: { payload: 'bm90IGRlZmxhdGVk' } });
    }
    agent = await bed.start();
    await eventually(() => assert.equal(agent.report('drover/f4')?.state, 'Ready'), 15_000);
    assert.ok(agent.events.some(({ reason }) => reason === 'InventoryRebuilt'));
    assert.equal((await kube.get(map('b'))).metadata.uid, uid);
    await untilReady(agent, bed.publish([{ name: 'drover/f4', objects: [configMap(ns, 'a', { k: '1' })] }]));
    await gone(map('b'));
    assert.notEqual(await kube.find(map('a')), undefined);
  });
}

test('F4 a shard that is deleted while the agent runs is written again, from memory', async () => {
  await untilReady(agent, bed.publish([{ name: 'drover/f4', objects: [configMap(ns, 'a', { k: '1' })] }]));
  const shard = '/api/v1/namespaces/drover-system/secrets/drover-inventory-0';
  await kube.delete(shard);
  agent.agent.reconcile();
  await eventually(async () => assert.notEqual(await kube.find(shard), undefined), 10_000);
  await eventually(() => assert.ok(agent.events.some(({ reason }) => reason === 'INVENTORY_DAMAGED')), 5_000);
});

test('F17 an object that is replaced between read and delete survives', async () => {
  await untilReady(agent, bed.publish([{ name: 'drover/f17', objects: [configMap(ns, 'a', { k: '1' }), configMap(ns, 'b', { k: '1' })] }]));
  let replaced = false;
  await restart({
    async intercept({ verb, name }) {
      if (verb !== 'delete' || name !== 'b' || replaced) return;
      replaced = true;
      await kube.delete(map('b'));
      await kube.create(`/api/v1/namespaces/${ns}/configmaps`, configMap(ns, 'b', { mine: 'yes' }));
    },
  });
  await untilReady(agent, bed.publish([{ name: 'drover/f17', objects: [configMap(ns, 'a', { k: '1' })] }]));
  await eventually(() => assert.ok(agent.events.some(({ reason }) => reason === 'NotDeleted')), 15_000);
  assert.deepEqual((await kube.get(map('b')))['data'], { mine: 'yes' });
});

test('F18 I8 an immutable field fails its object, with the path, and the rest is applied', async () => {
  bed.publish([{ name: 'drover/f18', objects: [deployment('one')], options: { wait: false } }]);
  await eventually(async () => assert.notEqual(await kube.find(`/apis/apps/v1/namespaces/${ns}/deployments/web`), undefined), 10_000);
  bed.publish([{ name: 'drover/f18', objects: [deployment('two'), configMap(ns, 'a', { k: '1' })], options: { wait: false } }]);
  await failed('drover/f18', 'web', 'KUBE_IMMUTABLE', /spec\.selector/);
  assert.notEqual(await kube.find(map('a')), undefined);
  assert.equal(agent.report('drover/f18')?.state, 'Failed');
  assert.equal(agent.report('drover/f18')?.blockedOn[0]?.kind, 'Error');
});

test('F20 an object that is stuck in deletion is reported with its finalizers, and others go', async () => {
  const held = { ...configMap(ns, 'held', { k: '1' }), metadata: { namespace: ns, name: 'held', finalizers: ['example.com/hold'] } };
  await untilReady(
    agent,
    bed.publish([{ name: 'drover/f20', objects: [held, configMap(ns, 'a', { k: '1' }), configMap(ns, 'b', { k: '1' })] }]),
  );
  bed.publish([{ name: 'drover/f20', objects: [configMap(ns, 'a', { k: '1' })] }]);
  await gone(map('b'));
  await failed('drover/f20', 'held', 'KUBE_TERMINATING', /example\.com\/hold/);
  assert.deepEqual((await kube.get(map('held'))).metadata.finalizers, ['example.com/hold']);
  await kube.patch(map('held'), { metadata: { finalizers: null } });
  await gone(map('held'));
  await eventually(() => assert.deepEqual(agent.report('drover/f20')?.problems, []), 15_000);
});

test('F21 while the group of a kind cannot be read, its objects are neither pruned nor called missing', async () => {
  await untilReady(
    agent,
    bed.publish([{ name: 'drover/f21', objects: [crd(), configMap(ns, 'a', { k: '1' }), widget('w', 1), widget('v', 1)] }]),
  );
  const path = '/apis/apiregistration.k8s.io/v1/apiservices/v1.example.com';
  const service = { namespace: 'default', name: 'nobody' };
  const metadata = { labels: { 'kube-aggregator.kubernetes.io/automanaged': null } };
  await kube.patch(path, { metadata, spec: { service, insecureSkipTLSVerify: true } });
  await eventually(async () => assert.notEqual((await kube.request('GET', widgets())).status, 200), 10_000);
  bed.publish([{ name: 'drover/f21', objects: [crd(), configMap(ns, 'a', { k: '2' }), widget('v', 1)] }]);
  await eventually(async () => assert.deepEqual((await kube.get(map('a')))['data'], { k: '2' }), 15_000);
  await eventually(() => assert.ok(problemOf('drover/f21', 'w').code !== undefined), 30_000);
  assert.equal(agent.report('drover/f21')?.drift.length, 0);
  assert.ok(agent.events.every(({ reason }) => reason !== 'Pruned' && reason !== 'DriftCorrected'));
  await kube.delete(path);
  await eventually(async () => assert.equal(await kube.find(`${widgets()}/w`), undefined), 90_000);
});

test('F22 a definition and its objects come in one bundle; without the definition it stays, and waits for approval', async () => {
  await untilReady(agent, bed.publish([{ name: 'drover/f22', objects: [crd(), widget('w', 1)] }]));
  assert.deepEqual((await kube.get(`${widgets()}/w`))['spec'], { size: 1 });
  await untilReady(agent, bed.publish([{ name: 'drover/f22', objects: [widget('w', 1)] }]));
  await eventually(() => assert.equal(agent.report('drover/f22')?.blockedOn[0]?.kind, 'Approval'), 5_000);
  assert.notEqual(await kube.find('/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com'), undefined);
  await untilReady(agent, bed.publish([{ name: 'drover/f22', objects: [crd()] }]));
  await gone(`${widgets()}/w`);
});

test('B5 R6 an object that two units list stays with the one that has it; taken out of one of the two it stays', async () => {
  const shared = namespaceObject(`${ns}-shared`);
  await untilReady(agent, bed.publish([{ name: 'drover/one', objects: [shared, configMap(ns, 'a', { k: '1' })] }]));
  bed.publish([
    { name: 'drover/one', objects: [shared, configMap(ns, 'a', { k: '1' })] },
    { name: 'drover/two', objects: [shared, configMap(ns, 'b', { k: '1' })] },
  ]);
  await failed('drover/two', `${ns}-shared`, 'OBJECT_OWNED_ELSEWHERE', /drover\/one/);
  const path = `/api/v1/namespaces/${ns}-shared`;
  assert.equal((await kube.get(path)).metadata.annotations?.['drover.dev/unit'], 'drover/one');
  const { uid } = (await kube.get(path)).metadata;
  await untilReady(
    agent,
    bed.publish([
      { name: 'drover/one', objects: [configMap(ns, 'a', { k: '1' })] },
      { name: 'drover/two', objects: [shared, configMap(ns, 'b', { k: '1' })] },
    ]),
  );
  const now = await kube.get(path);
  assert.equal(now.metadata.annotations?.['drover.dev/unit'], 'drover/two');
  assert.equal(now.metadata.uid, uid);
  assert.equal(now.metadata.deletionTimestamp, undefined);
});

test('B10 an unknown kind fails its object alone, which is tried again when the kind appears', async () => {
  await kube.delete('/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com');
  await eventually(async () => assert.equal((await kube.request('GET', widgets())).status, 404), 10_000);
  bed.publish([
    {
      name: 'drover/b10',
      objects: [configMap(ns, 'a', { k: '1' }), widget('w', 1), { ...namespaceObject('x'), metadata: { name: 'x', namespace: ns } }],
    },
  ]);
  await failed('drover/b10', 'w', 'KUBE_KIND_UNKNOWN', /widget/i);
  await failed('drover/b10', 'x', 'KUBE_REJECTED', /cluster-scoped/);
  assert.notEqual(await kube.find(map('a')), undefined);
  await kube.create('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', crd());
  await eventually(async () => assert.notEqual(await kube.find(`${widgets()}/w`), undefined), 30_000);
});

test('B20 an object that etcd cannot store fails by name and size, and others apply', async () => {
  bed.publish([{ name: 'drover/b20', objects: [configMap(ns, 'large', { k: 'x'.repeat(1_600_000) }), configMap(ns, 'a', { k: '1' })] }]);
  await failed('drover/b20', 'large', 'OBJECT_TOO_LARGE', /1600\d\d\d bytes/);
  assert.notEqual(await kube.find(map('a')), undefined);
});

test('B26 what kubectl applied is adopted, with its managers and the same UID', async () => {
  const before = await kube.request(
    'POST',
    `/api/v1/namespaces/${ns}/configmaps?fieldManager=kubectl-client-side-apply`,
    configMap(ns, 'a', { k: '0', old: 'yes' }),
  );
  const { uid } = (JSON.parse(before.text) as KubeObject).metadata as unknown as { uid: string };
  await untilReady(agent, bed.publish([{ name: 'drover/b26', objects: [configMap(ns, 'a', { k: '1' })] }]));
  const live = await kube.get(map('a'));
  assert.equal(live.metadata.uid, uid);
  assert.deepEqual(live['data'], { k: '1' });
  assert.deepEqual(
    live.metadata.managedFields?.map(({ manager }) => manager),
    ['drover'],
  );
});

test('B26 what Helm manages is left alone and named', async () => {
  await kube.create(`/api/v1/namespaces/${ns}/configmaps`, configMap(ns, 'a', { k: '0' }, { 'meta.helm.sh/release-name': 'web' }));
  bed.publish([{ name: 'drover/b26', objects: [configMap(ns, 'a', { k: '1' }), configMap(ns, 'b', { k: '1' })] }]);
  await failed('drover/b26', 'a', 'OWNED_BY', /Helm/);
  assert.deepEqual((await kube.get(map('a')))['data'], { k: '0' });
  assert.notEqual(await kube.find(map('b')), undefined);
});

test('B27 an object that moves to another unit keeps its UID, also when its old unit leaves with Delete', async () => {
  await untilReady(agent, bed.publish([{ name: 'drover/old', objects: [configMap(ns, 'a', { k: '1' }), configMap(ns, 'b', { k: '1' })] }]));
  const { uid } = (await kube.get(map('a'))).metadata;
  await untilReady(
    agent,
    bed.publish([{ name: 'drover/new', objects: [configMap(ns, 'a', { k: '1' })] }], [{ name: 'drover/old', objects: 'Delete' }]),
  );
  await gone(map('b'));
  const live = await kube.get(map('a'));
  assert.equal(live.metadata.uid, uid);
  assert.equal(live.metadata.annotations?.['drover.dev/unit'], 'drover/new');
  await eventually(() => assert.deepEqual(agent.snapshot()?.left, [{ unit: 'drover/old', done: true, remaining: [] }]), 5_000);
});

test('B47 objects of a namespace that is being deleted fail with that reason', async () => {
  const objects = [configMap(ns, 'a', { k: '1' })];
  await untilReady(agent, bed.publish([{ name: 'drover/b47', objects }]));
  // Nobody runs the namespace controller here: it stays Terminating.
  await kube.delete(`/api/v1/namespaces/${ns}`);
  await kube.delete(map('a'));
  await failed('drover/b47', 'a', 'KUBE_TERMINATING', /terminated/);
});

test('R12 I5 an object whose DELETE was denied stays in the inventory, and goes when it is allowed', async () => {
  await untilReady(
    agent,
    bed.publish([{ name: 'drover/r12', objects: [configMap(ns, 'a', { k: '1' }), configMap(ns, 'keep', { k: '1' })] }]),
  );
  const admission = '/apis/admissionregistration.k8s.io/v1';
  await kube.create(`${admission}/validatingadmissionpolicies`, {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingAdmissionPolicy',
    metadata: { name: 'no-deletes' },
    spec: {
      matchConstraints: { resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['DELETE'], resources: ['configmaps'] }] },
      validations: [{ expression: "oldObject.metadata.name != 'keep'", message: 'deletes are frozen' }],
    },
  });
  await kube.create(`${admission}/validatingadmissionpolicybindings`, {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingAdmissionPolicyBinding',
    metadata: { name: 'no-deletes' },
    spec: { policyName: 'no-deletes', validationActions: ['Deny'] },
  });
  await eventually(async () => {
    const dry = await kube.request('DELETE', `${map('keep')}?dryRun=All`);
    assert.match(dry.text, /deletes are frozen/);
  }, 20_000);
  bed.publish([{ name: 'drover/r12', objects: [configMap(ns, 'a', { k: '1' })] }]);
  await failed('drover/r12', 'keep', 'KUBE_ADMISSION_DENIED', /deletes are frozen/);
  assert.equal(agent.report('drover/r12')?.state, 'Failed');
  await kube.delete(`${admission}/validatingadmissionpolicybindings/no-deletes`);
  await kube.delete(`${admission}/validatingadmissionpolicies/no-deletes`);
  await eventually(async () => assert.equal(await kube.find(map('keep')), undefined), 60_000);
});

test('R13 a foreign object with copies of all our marks survives', async () => {
  await untilReady(agent, bed.publish([{ name: 'drover/r13', objects: [configMap(ns, 'a', { k: '1' })] }]));
  const { labels = {}, annotations = {} } = (await kube.get(map('a'))).metadata;
  await kube.create(`/api/v1/namespaces/${ns}/configmaps`, {
    ...configMap(ns, 'child', { k: '1' }),
    metadata: { namespace: ns, name: 'child', labels, annotations },
  });
  await untilReady(agent, bed.publish([{ name: 'drover/r13', objects: [] }]));
  await gone(map('a'));
  assert.notEqual(await kube.find(map('child')), undefined);
});

test('R15 with its definition deleted by hand an object leaves the inventory', async () => {
  await untilReady(agent, bed.publish([{ name: 'drover/r15', objects: [crd(), widget('w', 1), configMap(ns, 'a', { k: '1' })] }]));
  await kube.delete('/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com');
  await untilReady(agent, bed.publish([{ name: 'drover/other', objects: [crd()] }], [{ name: 'drover/r15', objects: 'Delete' }]), 30_000);
  await eventually(() => assert.deepEqual(agent.snapshot()?.left, [{ unit: 'drover/r15', done: true, remaining: [] }]), 30_000);
});

test('drift from before a restart is undone and named, with path and manager', async () => {
  await untilReady(agent, bed.publish([{ name: 'drover/late', objects: [configMap(ns, 'a', { k: '1' })] }]));
  await agent.stop();
  const edited = await kube.request(
    'PATCH',
    `${map('a')}?fieldManager=kubectl-edit`,
    { data: { k: 'edited' } },
    { contentType: 'application/merge-patch+json' },
  );
  assert.equal(edited.status, 200);
  agent = await bed.start();
  await eventually(async () => assert.deepEqual((await kube.get(map('a')))['data'], { k: '1' }), 15_000);
  await eventually(() => {
    const event = agent.events.find(({ reason }) => reason === 'DriftCorrected');
    assert.match(event?.message ?? '', /\/data\/k changed by kubectl-edit/);
  }, 5_000);
});

suite('modes and policies', () => {
  test('a suspended unit is watched and reported, and left alone', async () => {
    const objects = [configMap(ns, 'a', { k: '1' })];
    await untilReady(agent, bed.publish([{ name: 'drover/s', objects }]));
    bed.publish([{ name: 'drover/s', objects: [configMap(ns, 'a', { k: '2' })], suspended: true }]);
    await eventually(() => assert.equal(agent.report('drover/s')?.state, 'Waiting'), 10_000);
    await kube.patch(map('a'), { data: { k: 'by hand' } });
    await eventually(() => assert.equal(agent.report('drover/s')?.drift[0]?.paths[0], '/data/k'), 10_000);
    assert.deepEqual((await kube.get(map('a')))['data'], { k: 'by hand' });
    await untilReady(agent, bed.publish([{ name: 'drover/s', objects: [configMap(ns, 'a', { k: '2' })] }]));
    assert.deepEqual((await kube.get(map('a')))['data'], { k: '2' });
  });

  test('drift Warn reports what differs and writes nothing', async () => {
    await untilReady(agent, bed.publish([{ name: 'drover/w', objects: [configMap(ns, 'a', { k: '1' })], options: { drift: 'Warn' } }]));
    await kube.patch(map('a'), { data: { k: 'by hand' } });
    await eventually(() => assert.equal(agent.report('drover/w')?.drift[0]?.kind, 'Differs'), 10_000);
    assert.deepEqual((await kube.get(map('a')))['data'], { k: 'by hand' });
  });

  test('mode Observe says what is the same, what differs and what is missing, and writes nothing', async () => {
    await kube.create(`/api/v1/namespaces/${ns}/configmaps`, configMap(ns, 'same', { k: '1' }));
    await kube.create(`/api/v1/namespaces/${ns}/configmaps`, configMap(ns, 'other', { k: '0' }));
    const objects = [configMap(ns, 'same', { k: '1' }), configMap(ns, 'other', { k: '1' }), configMap(ns, 'missing', { k: '1' })];
    agent.forget();
    bed.publish([{ name: 'drover/o', objects, mode: 'Observe' }]);
    await eventually(() => {
      const drift = agent.report('drover/o')?.drift.map(({ key, kind, paths }) => [key.split('/').at(-1), kind, paths]);
      assert.deepEqual(drift?.sort(), [
        ['missing', 'Missing', []],
        ['other', 'Differs', ['/data/k']],
      ]);
    }, 10_000);
    assert.equal(agent.report('drover/o')?.state, 'Waiting');
    assert.deepEqual(
      agent.sent.filter(({ verb, kind }) => verb !== 'get' && verb !== 'list' && verb !== 'dry-run' && kind === 'ConfigMap'),
      [],
    );
    assert.equal(await kube.find(map('missing')), undefined);
  });

  test('a unit waits for the unit it depends on to be Ready', async () => {
    bed.publish([
      { name: 'drover/first', objects: [deployment('first')] },
      { name: 'drover/second', objects: [configMap(ns, 'a', { k: '1' })], dependsOn: ['drover/first'] },
    ]);
    await eventually(() => assert.equal(agent.report('drover/second')?.blockedOn[0]?.kind, 'Dependency'), 10_000);
    assert.equal(await kube.find(map('a')), undefined);
    await kube.patch(`/apis/apps/v1/namespaces/${ns}/deployments/web/status`, { status: ROLLED_OUT });
    await eventually(async () => assert.notEqual(await kube.find(map('a')), undefined), 10_000);
  });

  test('the agent refuses its own namespace and its own rights', async () => {
    const role: KubeObject = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name: 'drover-agent' } };
    bed.publish([{ name: 'drover/g', objects: [configMap('drover-system', 'mine', { k: '1' }), role, configMap(ns, 'a', { k: '1' })] }]);
    await failed('drover/g', 'mine', 'GUARD_REFUSED', /agent itself/);
    await failed('drover/g', 'drover-agent', 'GUARD_REFUSED', /agent itself/);
    assert.notEqual(await kube.find(map('a')), undefined);
  });

  test('a superseded generated name goes when its unit is Ready', async () => {
    await untilReady(agent, bed.publish([{ name: 'drover/gen', objects: [configMap(ns, 'cfg-aaaaaaaaaa', { k: '1' })] }]));
    bed.publish([{ name: 'drover/gen', objects: [configMap(ns, 'cfg-bbbbbbbbbb', { k: '2' }), deployment('gen')] }]);
    await eventually(async () => assert.notEqual(await kube.find(map('cfg-bbbbbbbbbb')), undefined), 10_000);
    assert.notEqual(await kube.find(map('cfg-aaaaaaaaaa')), undefined);
    await kube.patch(`/apis/apps/v1/namespaces/${ns}/deployments/web/status`, { status: ROLLED_OUT });
    await gone(map('cfg-aaaaaaaaaa'));
  });
});
