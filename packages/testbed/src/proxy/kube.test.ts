import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, afterEach, before, test } from 'node:test';
import { promisify } from 'node:util';

import { KubeError, kubeClient } from '../cluster/client.ts';
import type { KubeClient, WatchEvent } from '../cluster/client.ts';
import { startCluster } from '../cluster/cluster.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { eventually } from '../eventually.ts';
import { serverPath } from '../servers.ts';
import { startFaultProxy } from './kube.ts';
import type { FaultProxy } from './kube.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';
const configMap = (name: string): object => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } });

let cluster: Cluster;
let proxy: FaultProxy;
let kube: KubeClient;

before(async () => {
  cluster = await startCluster({ name: 'behind' });
  proxy = await startFaultProxy({ target: cluster });
  kube = kubeClient(proxy);
});
after(async () => {
  kube[Symbol.dispose]();
  await proxy[Symbol.asyncDispose]();
  await cluster[Symbol.asyncDispose]();
});
afterEach(() => {
  proxy.clear();
  proxy.clearRequests();
});

test('what no rule matches passes, and is listed', async () => {
  await kube.apply(`${MAPS}/passes`, configMap('passes'));
  await kube.get(`${MAPS}/passes`);
  await kube.list(MAPS);
  await kube.delete(`${MAPS}/passes`);
  assert.deepEqual(
    proxy.requests.map(({ verb, status }) => `${verb} ${status}`),
    ['apply 201', 'get 200', 'list 200', 'delete 200'],
  );
});

test('kubectl works through it by the kubeconfig it wrote', async () => {
  const { stdout } = await promisify(execFile)(serverPath('kubectl'), [
    '--kubeconfig',
    proxy.kubeconfig,
    'get',
    'namespace',
    'default',
    '-o',
    'name',
  ]);
  assert.equal(stdout.trim(), 'namespace/default');
});

test('the k-th matching request is answered with a status and nothing else is', async () => {
  const fault = proxy.inject({
    verb: 'create',
    path: /configmaps/,
    call: 2,
    action: { type: 'status', status: 429, retryAfterSeconds: 1 },
  });
  await kube.create(MAPS, configMap('one'));
  const second = await kube.request('POST', MAPS, configMap('two'));
  assert.equal(second.status, 429);
  assert.equal(second.headers['retry-after'], '1');
  await kube.create(MAPS, configMap('two'));
  assert.equal(fault.matched, 3);
  assert.equal(fault.acted, 1);
  await kube.delete(`${MAPS}/one`);
  await kube.delete(`${MAPS}/two`);
});

test('a reset before the server changes nothing, a reset after it loses only the answer', async () => {
  const early = proxy.inject({ verb: 'create', action: { type: 'reset', when: 'before' } });
  await assert.rejects(kube.create(MAPS, configMap('lost')), { code: 'ECONNRESET' });
  early.release();
  assert.equal(await cluster.kube.find(`${MAPS}/lost`), undefined);
  using _late = proxy.inject({ verb: 'create', action: { type: 'reset', when: 'after' } });
  await assert.rejects(kube.create(MAPS, configMap('lost')), { code: 'ECONNRESET' });
  assert.equal(await cluster.kube.delete(`${MAPS}/lost`), true);
});

test('a held request goes on when it is released', async () => {
  const fault = proxy.inject({ verb: 'create', action: { type: 'hold' } });
  const created = kube.create(MAPS, configMap('held'));
  await eventually(() => assert.equal(fault.acted, 1), 2_000);
  assert.equal(await cluster.kube.find(`${MAPS}/held`), undefined);
  fault.release();
  assert.equal((await created).metadata.name, 'held');
  await cluster.kube.delete(`${MAPS}/held`);
});

test('a rule that rewrites changes the answer alone', async () => {
  using _fault = proxy.inject({
    path: /kube-system/,
    action: { type: 'rewrite', body: (text) => text.replace('"kube-system"', '"other"') },
  });
  assert.equal((await kube.get('/api/v1/namespaces/kube-system')).metadata.name, 'other');
  await assert.rejects(kube.get('/api/v1/namespaces/kube-system/pods/none'), KubeError);
});

test('events of an open watch are dropped, or held and sent later in order', async () => {
  const stop = new AbortController();
  const seen: string[] = [];
  const reading = (async () => {
    for await (const { type, object } of kube.watch('/api/v1/namespaces/default/secrets', stop.signal))
      seen.push(`${type} ${object.metadata.name}`);
  })();
  const secret = (name: string): object => ({ apiVersion: 'v1', kind: 'Secret', metadata: { name } });
  const secrets = '/api/v1/namespaces/default/secrets';
  await eventually(() => assert.ok(proxy.requests.some(({ verb, status }) => verb === 'watch' && status === 200)), 2_000);
  const dropped = proxy.inject({
    verb: 'watch',
    action: { type: 'drop-events', event: (event: WatchEvent) => event.object.metadata.name === 'dropped' },
  });
  await cluster.kube.create(secrets, secret('dropped'));
  await cluster.kube.create(secrets, secret('first'));
  await eventually(() => assert.deepEqual(seen, ['ADDED first']), 2_000);
  assert.equal(dropped.acted, 1);
  const held = proxy.inject({ verb: 'watch', action: { type: 'hold-events' } });
  await cluster.kube.create(secrets, secret('second'));
  await cluster.kube.create(secrets, secret('third'));
  await eventually(() => assert.equal(held.acted, 1), 2_000);
  assert.deepEqual(seen, ['ADDED first']);
  held.release();
  await eventually(() => assert.deepEqual(seen.slice(1), ['ADDED second', 'ADDED third']), 2_000);
  stop.abort();
  await reading;
  for (const name of ['dropped', 'first', 'second', 'third']) await cluster.kube.delete(`${secrets}/${name}`);
});
