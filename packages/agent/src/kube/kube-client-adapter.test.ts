import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { after, afterEach, before, test } from 'node:test';
import type { Code, Logger } from '@drover/contract';
import { DroverError } from '@drover/contract';
import type { Cluster, FaultProxy } from '@drover/testbed';
import { eventually, startCluster, startFaultProxy } from '@drover/testbed';
import { clock, random } from '@drover/runtime';
import { kubeconfigCredentials } from './credentials-adapter.ts';
import type { KubeClient } from './kube-client-adapter.ts';
import { createKubeClient } from './kube-client-adapter.ts';
import type { KindInfo, LiveObject, WatchEvent } from './types.ts';

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };
const signal = new AbortController().signal;

let cluster: Cluster;
let proxy: FaultProxy;
let kube: KubeClient;
/** The same server without a proxy between. */
let direct: KubeClient;
let configMaps: KindInfo;
let secrets: KindInfo;

before(async () => {
  cluster = await startCluster({ name: 'kube-client' });
  proxy = await startFaultProxy({ target: cluster });
  kube = await client(proxy.kubeconfig);
  direct = await client(cluster.kubeconfig);
  configMaps = await kindOf('v1', 'ConfigMap');
  secrets = await kindOf('v1', 'Secret');
});
after(async () => {
  await kube[Symbol.asyncDispose]();
  await direct[Symbol.asyncDispose]();
  await proxy[Symbol.asyncDispose]();
  await cluster[Symbol.asyncDispose]();
});
afterEach(() => {
  proxy.clear();
  proxy.clearRequests();
});

async function client(kubeconfig: string, more: Partial<Parameters<typeof createKubeClient>[0]> = {}): Promise<KubeClient> {
  return createKubeClient({ credentials: await kubeconfigCredentials({ path: kubeconfig, clock }), clock, random, log: quiet, ...more });
}

async function kindOf(apiVersion: string, kind: string): Promise<KindInfo> {
  const lookup = await kube.lookup(apiVersion, kind, signal, true);
  assert.equal(lookup.type, 'served', JSON.stringify(lookup));
  return lookup.type === 'served' ? lookup.info : assert.fail();
}

const ref = (name: string, kind = 'ConfigMap') => ({ group: '', kind, namespace: 'default', name });
const configMap = (name: string, data: object = { a: '1' }, more: object = {}): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace: 'default', labels: { 'drover.dev/managed': 'true' } },
    data,
    ...more,
  });
const options = { fieldManager: 'drover', force: true } as const;
const apply = (name: string, data?: object): Promise<{ readonly object: LiveObject; readonly created: boolean }> =>
  kube.apply(configMaps, ref(name), configMap(name, data), options, signal);
const precondition = (object: LiveObject) =>
  ({ uid: object.metadata.uid, resourceVersion: object.metadata.resourceVersion, propagation: 'Background' }) as const;
const unique = (): string => `a-${randomUUID().slice(0, 8)}`;
const code = (expected: Code) => (thrown: unknown) => {
  assert.ok(thrown instanceof DroverError, String(thrown));
  assert.equal(thrown.code, expected, thrown.message);
  return true;
};
const sent = (verb: string): number => proxy.requests.filter((request) => request.verb === verb).length;

test('an apply tells created from configured and returns what we own', async () => {
  const name = unique();
  const first = await apply(name);
  assert.equal(first.created, true);
  assert.deepEqual(
    first.object.metadata.managedFields?.map(({ manager, operation }) => [manager, operation]),
    [['drover', 'Apply']],
  );
  assert.equal((await apply(name)).created, false);
});

test('an apply that changes nothing writes nothing', async () => {
  const name = unique();
  const first = await apply(name);
  assert.equal((await apply(name)).object.metadata.resourceVersion, first.object.metadata.resourceVersion);
});

test('a dry run leaves no trace', async () => {
  const name = unique();
  const { object } = await kube.apply(configMaps, ref(name), configMap(name), { ...options, dryRun: true }, signal);
  assert.deepEqual(object['data'], { a: '1' });
  assert.equal(await kube.get(configMaps, ref(name), signal), undefined);
});

test('B11 a misspelt field is sent as written and the rejection of the server is shown', async () => {
  const name = unique();
  const json = configMap(name, {}, { dta: {} });
  await assert.rejects(kube.apply(configMaps, ref(name), json, options, signal), (thrown) => {
    assert.match((thrown as DroverError).message, /\.dta: field not declared in schema/);
    return code('KUBE_FIELD_UNKNOWN')(thrown);
  });
  await assert.rejects(kube.create(configMaps, 'default', json, signal), code('KUBE_FIELD_UNKNOWN'));
  assert.equal(sent('apply'), 1);
});

test('integers keep all their digits on the way and back', async () => {
  const crd = await installWidgets('exact.example.com');
  const json =
    '{"apiVersion":"exact.example.com/v1","kind":"Widget","metadata":{"name":"w","namespace":"default"},"spec":{"size":9007199254740993}}';
  const { object } = await kube.apply(crd, { ...ref('w', 'Widget'), group: 'exact.example.com' }, json, options, signal);
  assert.deepEqual(object['spec'], { size: 9007199254740993n });
});

test('an immutable field is named with its path', async () => {
  const deployments = await kindOf('apps/v1', 'Deployment');
  const name = unique();
  const deployment = (label: string): string =>
    JSON.stringify({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, namespace: 'default' },
      spec: {
        selector: { matchLabels: { app: label } },
        template: { metadata: { labels: { app: label } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
      },
    });
  const at = { group: 'apps', kind: 'Deployment', namespace: 'default', name };
  await kube.apply(deployments, at, deployment('a'), options, signal);
  await assert.rejects(kube.apply(deployments, at, deployment('b'), options, signal), (thrown) => {
    assert.match((thrown as DroverError).what, /^spec\.selector: /);
    return code('KUBE_IMMUTABLE')(thrown);
  });
});

test('a secret value never enters a message', async () => {
  const name = unique();
  const json = JSON.stringify({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace: 'default' },
    type: 'kubernetes.io/dockerconfigjson',
    data: { '.dockerconfigjson': Buffer.from('hunter2').toString('base64') },
  });
  await assert.rejects(kube.apply(secrets, ref(name, 'Secret'), json, options, signal), (thrown) => {
    assert.doesNotMatch((thrown as DroverError).message, /hunter2|aHVudGVyMg/);
    return code('KUBE_REJECTED')(thrown);
  });
});

test('I2 an object is missing only when the server says so of this object', async () => {
  assert.equal(await kube.get(configMaps, ref(unique()), signal), undefined);
  await assert.rejects(kube.get({ ...configMaps, resource: 'nothings' }, ref('a'), signal), code('KUBE_KIND_UNKNOWN'));
  proxy.inject({ verb: 'get', path: /configmaps/, action: { type: 'status', status: 404 } });
  await assert.rejects(kube.get(configMaps, ref(unique()), signal), code('KUBE_KIND_UNKNOWN'));
});

test('a namespace that does not exist is named', async () => {
  await assert.rejects(
    kube.apply(configMaps, { ...ref('a'), namespace: 'nowhere' }, configMap('a').replace('"default"', '"nowhere"'), options, signal),
    code('KUBE_NAMESPACE_MISSING'),
  );
});

test('a list follows all its pages and gives items their kind', async () => {
  const label = unique();
  for (let n = 0; n < 5; n += 1)
    await cluster.kube.apply(
      `/api/v1/namespaces/default/configmaps/${label}-${n}`,
      JSON.parse(configMap(`${label}-${n}`).replace('"drover.dev/managed":"true"', `"list":"${label}"`)),
    );
  await using paged = await client(proxy.kubeconfig, { pageSize: 2 });
  const { items, resourceVersion } = await paged.list(configMaps, { labelSelector: `list=${label}` }, signal);
  assert.deepEqual(
    items.map(({ metadata }) => metadata.name),
    [0, 1, 2, 3, 4].map((n) => `${label}-${n}`),
  );
  assert.deepEqual(
    items.map(({ apiVersion, kind }) => `${apiVersion} ${kind}`),
    Array.from({ length: 5 }, () => 'v1 ConfigMap'),
  );
  assert.match(resourceVersion, /^\d+$/);
  assert.equal(sent('list'), 3);
});

test('F23 a list whose snapshot expires between two pages starts over, and never mixes two', async () => {
  const label = unique();
  for (let n = 0; n < 3; n += 1)
    await cluster.kube.apply(
      `/api/v1/namespaces/default/configmaps/${label}-${n}`,
      JSON.parse(configMap(`${label}-${n}`).replace('"drover.dev/managed":"true"', `"list":"${label}"`)),
    );
  await using paged = await client(proxy.kubeconfig, { pageSize: 2 });
  proxy.inject({ verb: 'list', path: /continue=/, call: 1, action: { type: 'status', status: 410, reason: 'Expired' } });
  const { items } = await paged.list(configMaps, { labelSelector: `list=${label}` }, signal);
  assert.equal(items.length, 3);
  assert.deepEqual(
    proxy.requests.filter(({ verb }) => verb === 'list').map(({ status }) => status),
    [200, 410, 200, 200],
  );
});

test('I2 an answer that is no list is a failure, not an empty list', async () => {
  proxy.inject({ verb: 'list', path: /configmaps/, action: { type: 'rewrite', body: () => '{"kind":"ConfigMapList"}' } });
  await assert.rejects(kube.list(configMaps, {}, signal), code('KUBE_BUSY'));
});

for (const status of [429, 500, 503, 504]) {
  test(`F15 an apply that is answered ${status} is sent again`, async () => {
    const name = unique();
    proxy.inject({ verb: 'apply', path: new RegExp(name), call: (nth) => nth <= 2, action: { type: 'status', status } });
    assert.equal((await apply(name)).created, true);
    assert.equal(sent('apply'), 3);
  });
}

test('F15 Retry-After is obeyed', async () => {
  const name = unique();
  proxy.inject({ verb: 'apply', path: new RegExp(name), call: 1, action: { type: 'status', status: 429, retryAfterSeconds: 1 } });
  const begun = performance.now();
  await apply(name);
  assert.ok(performance.now() - begun >= 990);
});

for (const when of ['before', 'after'] as const) {
  test(`F15 an apply whose connection breaks ${when} the server acted is sent again`, async () => {
    const name = unique();
    proxy.inject({ verb: 'apply', path: new RegExp(name), call: 1, action: { type: 'reset', when } });
    // What landed is configured, not created, the second time.
    assert.equal((await apply(name)).created, when === 'before');
    assert.equal(sent('apply'), 2);
  });

  test(`F15 a DELETE whose connection breaks ${when} the server acted is never sent again`, async () => {
    const name = unique();
    const { object } = await apply(name);
    proxy.inject({ verb: 'delete', path: new RegExp(name), action: { type: 'reset', when } });
    await assert.rejects(kube.delete(configMaps, ref(name), precondition(object), signal), code('KUBE_OUTCOME_UNKNOWN'));
    assert.equal(sent('delete'), 1);
    const left = await kube.get(configMaps, ref(name), signal);
    assert.equal(left === undefined, when === 'after');
  });
}

test('F15 a DELETE that is answered 429 is sent again, one that is answered 503 is not', async () => {
  const name = unique();
  const { object } = await apply(name);
  const busy = proxy.inject({ verb: 'delete', path: new RegExp(name), action: { type: 'status', status: 503 } });
  await assert.rejects(kube.delete(configMaps, ref(name), precondition(object), signal), code('KUBE_OUTCOME_UNKNOWN'));
  assert.equal(busy.acted, 1);
  busy.release();
  proxy.inject({ verb: 'delete', path: new RegExp(name), call: 1, action: { type: 'status', status: 429 } });
  assert.equal(await kube.delete(configMaps, ref(name), precondition(object), signal), 'accepted');
});

test('a DELETE holds only for the object that was judged', async () => {
  const name = unique();
  const { object } = await apply(name);
  await apply(name, { a: '2' });
  await assert.rejects(kube.delete(configMaps, ref(name), precondition(object), signal), code('KUBE_CONFLICT'));
  const other = { ...precondition((await apply(name)).object), uid: randomUUID() };
  await assert.rejects(kube.delete(configMaps, ref(name), other, signal), code('KUBE_CONFLICT'));
  assert.equal(await kube.delete(configMaps, ref(name), precondition((await apply(name)).object), signal), 'accepted');
  assert.equal(await kube.delete(configMaps, ref(name), other, signal), 'gone');
});

test('a server that is not there is unreachable, and no request waits for ever', async () => {
  await using gone = await client(proxy.kubeconfig);
  const stopped = await startFaultProxy({ target: cluster });
  await using lost = await client(stopped.kubeconfig);
  await stopped[Symbol.asyncDispose]();
  await assert.rejects(lost.get(configMaps, ref('a'), signal), code('KUBE_UNREACHABLE'));
  await assert.rejects(gone.get(configMaps, ref('a'), AbortSignal.abort(new Error('no time'))), /no time/);
});

test('writes in flight are bounded', async () => {
  await using narrow = await client(proxy.kubeconfig, { maxWrites: 2 });
  const hold = proxy.inject({ verb: 'apply', action: { type: 'hold' } });
  const names = Array.from({ length: 5 }, unique);
  const writes = names.map((name) => narrow.apply(configMaps, ref(name), configMap(name), options, signal));
  await eventually(() => assert.equal(sent('apply'), 2), 5_000);
  assert.notEqual(await narrow.get(configMaps, ref(names[0] ?? ''), signal), null, 'reads go on');
  assert.equal(sent('apply'), 2);
  hold.release();
  assert.equal((await Promise.all(writes)).length, 5);
});

test('R19 F21 a dead API server is unavailable, never absent, and an unknown kind is absent', async () => {
  await cluster.kube.apply('/apis/apiregistration.k8s.io/v1/apiservices/v1.dead.example.com', {
    apiVersion: 'apiregistration.k8s.io/v1',
    kind: 'APIService',
    metadata: { name: 'v1.dead.example.com' },
    spec: {
      group: 'dead.example.com',
      version: 'v1',
      groupPriorityMinimum: 100,
      versionPriority: 10,
      service: { name: 'dead', namespace: 'default', port: 443 },
    },
  });
  const dead = await kube.lookup('dead.example.com/v1', 'Widget', signal, true);
  assert.equal(dead.type, 'unavailable');
  await eventually(async () => assert.equal(await kube.kinds(signal), undefined), 10_000);
  assert.equal((await kube.lookup('nobody.example.com/v1', 'Widget', signal)).type, 'absent');
  assert.equal((await kube.lookup('apps/v1', 'Widget', signal)).type, 'absent');
  await cluster.kube.delete('/apis/apiregistration.k8s.io/v1/apiservices/v1.dead.example.com');
  await eventually(async () => assert.ok((await kube.kinds(signal))?.some(({ kind }) => kind === 'Deployment')), 10_000);
});

for (const status of [503, 404]) {
  test(`F21 discovery that answers ${status} is no statement about any kind`, async () => {
    await using fresh = await client(proxy.kubeconfig);
    proxy.inject({ verb: ['get', 'list'], path: /^\/apis$/, action: { type: 'status', status } });
    assert.equal((await fresh.lookup('nobody.example.com/v1', 'Widget', signal)).type, 'unavailable');
    assert.equal(await fresh.kinds(signal), undefined);
  });
}

test('F21 a group that discovery leaves out, but that is registered, is unavailable', async () => {
  await installWidgets('hidden.example.com');
  await using fresh = await client(proxy.kubeconfig);
  proxy.inject({
    verb: ['get', 'list'],
    path: /^\/apis$/,
    action: {
      type: 'rewrite',
      body: (text) =>
        JSON.stringify({
          ...JSON.parse(text),
          items: (JSON.parse(text) as { items: { metadata: { name: string } }[] }).items.filter(
            ({ metadata }) => metadata.name !== 'hidden.example.com',
          ),
        }),
    },
  });
  assert.equal((await fresh.lookup('hidden.example.com/v1', 'Widget', signal)).type, 'unavailable');
});

test('F22 a kind that is installed later is found without being asked anew', async () => {
  assert.equal((await kube.lookup('later.example.com/v1', 'Widget', signal)).type, 'absent');
  await installWidgets('later.example.com');
  assert.equal((await kube.lookup('later.example.com/v1', 'Widget', signal)).type, 'served');
});

test('the version of the server is told', async () => assert.match(await kube.version(signal), /^v1\.\d+\.\d+/));

test('a watch tells what happens from a version on, with our label only', async () => {
  const name = unique();
  const { object } = await apply(name);
  const watching = new AbortController();
  const events: string[] = [];
  const ended = (async () => {
    const watch = kube.watch(
      configMaps,
      { labelSelector: 'drover.dev/managed=true', resourceVersion: object.metadata.resourceVersion },
      watching.signal,
    );
    for await (const event of watch)
      if (event.type !== 'Bookmark' && event.object.metadata.name.startsWith(name))
        events.push(`${event.type} ${event.object.apiVersion} ${event.object.kind} ${event.object.metadata.name}`);
  })();
  await apply(name, { a: '2' });
  await cluster.kube.apply(`/api/v1/namespaces/default/configmaps/${name}-foreign`, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: `${name}-foreign` },
  });
  await cluster.kube.patch(`/api/v1/namespaces/default/configmaps/${name}`, { metadata: { labels: { 'drover.dev/managed': null } } });
  await eventually(() => assert.deepEqual(events, [`Modified v1 ConfigMap ${name}`, `Deleted v1 ConfigMap ${name}`]), 5_000);
  watching.abort();
  await ended;
});

async function firstEvent(from: KubeClient, resourceVersion: string): Promise<WatchEvent | undefined> {
  for await (const event of from.watch(configMaps, { resourceVersion }, signal)) return event;
  return undefined;
}

test('F23 a watch from a version that has expired asks for a new list', async () => {
  proxy.inject({ verb: 'watch', call: 1, action: { type: 'status', status: 410, reason: 'Expired' } });
  await assert.rejects(firstEvent(kube, '1'), code('KUBE_WATCH_EXPIRED'));
});

test('F23 a silent watch ends, so that it can be opened again', async () => {
  await using impatient = await client(proxy.kubeconfig, { watchSilenceMs: 300 });
  const hidden = proxy.inject({ verb: 'watch', action: { type: 'drop-events' } });
  const version = await kube.revision(configMaps, signal);
  const watching = firstEvent(impatient, version);
  await eventually(() => assert.equal(sent('watch'), 1), 5_000);
  await apply(unique());
  assert.equal(await watching, undefined);
  assert.equal(hidden.acted, 1);
});

test('F23 a watch that breaks, or ends before its time, says so', async () => {
  const version = await kube.revision(configMaps, signal);
  const broken = firstEvent(kube, version);
  await eventually(() => assert.equal(sent('watch'), 1), 5_000);
  await eventually(() => assert.equal(proxy.requests.find(({ verb }) => verb === 'watch')?.status, 200), 5_000);
  proxy.resetConnections();
  await assert.rejects(broken, code('KUBE_WATCH_FAILED'));
});

test('a watch whose time is over returns', async () => {
  await using brief = await client(proxy.kubeconfig, { watchMs: 1_000 });
  const version = await kube.revision(configMaps, signal);
  const begun = performance.now();
  for await (const event of brief.watch(configMaps, { labelSelector: 'none=none', resourceVersion: version }, signal))
    assert.equal(event.type, 'Bookmark');
  assert.ok(performance.now() - begun > 900);
});

test('F24 the revision of a kind is that of the store, whatever a list has shown', async () => {
  const { object } = await apply(unique());
  assert.ok(Number(await kube.revision(configMaps, signal)) >= Number(object.metadata.resourceVersion));
});

test('a client that is closed ends what is under way', async () => {
  const closing = await client(proxy.kubeconfig);
  const hold = proxy.inject({ verb: 'get', path: /configmaps/, action: { type: 'hold' } });
  const reading = closing.get(configMaps, ref('a'), signal);
  await eventually(() => assert.equal(sent('get'), 1), 5_000);
  const rejected = assert.rejects(reading, code('KUBE_UNREACHABLE'));
  await closing[Symbol.asyncDispose]();
  await rejected;
  hold.release();
});

test('the name of the program stands in each request', async () => {
  await using named = await client(proxy.kubeconfig, { userAgent: 'drover-agent/test' });
  await named.get(configMaps, ref('a'), signal);
  assert.equal(proxy.requests.at(-1)?.userAgent, 'drover-agent/test');
});

test('a server with an unknown certificate is not trusted', async () => {
  const config = JSON.parse(await readFile(cluster.kubeconfig, 'utf8')) as { clusters: { cluster: Record<string, unknown> }[] };
  for (const { cluster: entry } of config.clusters) delete entry['certificate-authority-data'];
  const path = `${cluster.dir}/untrusted`;
  await writeFile(path, JSON.stringify(config));
  await using untrusting = await client(path);
  await assert.rejects(
    untrusting.get(configMaps, ref('a'), signal),
    (thrown) => /certificate/.test((thrown as Error).message) && code('KUBE_UNREACHABLE')(thrown),
  );
});

async function installWidgets(group: string): Promise<KindInfo> {
  await cluster.kube.apply(`/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.${group}`, {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `widgets.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural: 'widgets', kind: 'Widget' },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', properties: { size: { type: 'integer' } } } } },
          },
        },
      ],
    },
  });
  return await eventually(() => kindOf(`${group}/v1`, 'Widget'), 15_000, 200);
}
