import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, suite, test } from 'node:test';

import { eventually } from '../eventually.ts';
import { KubeError } from './client.ts';
import { startCluster } from './cluster.ts';
import type { Cluster } from './cluster.ts';

const configMap = (name: string, data: Record<string, string>): object => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name },
  data,
});
const MAPS = '/api/v1/namespaces/default/configmaps';

suite('a cluster without controllers', () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await startCluster({ name: 'bare', audit: true });
  });
  after(() => cluster[Symbol.asyncDispose]());

  test('reads, applies, patches, lists and deletes', async () => {
    const { kube } = cluster;
    await kube.apply(`${MAPS}/a`, configMap('a', { k: '1' }));
    await kube.patch(`${MAPS}/a`, { data: { k: '2' } });
    assert.deepEqual((await kube.get(`${MAPS}/a`))['data'], { k: '2' });
    assert.equal((await kube.list(MAPS)).length, 1);
    assert.equal(await kube.delete(`${MAPS}/a`), true);
    assert.equal(await kube.delete(`${MAPS}/a`), false);
    assert.equal(await kube.find(`${MAPS}/a`), undefined);
  });

  test('answers a refusal with its reason', async () => {
    await cluster.kube.create(MAPS, configMap('twice', {}));
    const again = cluster.kube.create(MAPS, configMap('twice', {}));
    await assert.rejects(again, (error) => error instanceof KubeError && error.status === 409 && error.reason === 'AlreadyExists');
    await cluster.kube.delete(`${MAPS}/twice`);
  });

  test('streams the events of a watch until it is told to stop', async () => {
    const stop = new AbortController();
    const types: string[] = [];
    await cluster.kube.create(MAPS, configMap('seen', {}));
    for await (const event of cluster.kube.watch(`${MAPS}?fieldSelector=metadata.name%3Dseen`, stop.signal)) {
      types.push(event.type);
      if (event.type === 'ADDED') await cluster.kube.delete(`${MAPS}/seen`);
      if (event.type === 'DELETED') stop.abort();
    }
    assert.deepEqual(types, ['ADDED', 'DELETED']);
  });

  test('writes every request to its audit log, with the body of a delete', async () => {
    await cluster.kube.create(MAPS, configMap('audited', {}));
    await cluster.kube.delete(`${MAPS}/audited`, { propagationPolicy: 'Background' });
    const lines = (await readFile(cluster.auditLog ?? '', 'utf8')).trim().split('\n');
    const events = lines.map(
      (line) => JSON.parse(line) as { verb: string; requestURI: string; requestObject?: { propagationPolicy: string } },
    );
    const deleted = events.find(({ verb, requestURI }) => verb === 'delete' && requestURI.endsWith('/audited'));
    assert.equal(deleted?.requestObject?.propagationPolicy, 'Background');
  });

  test('keeps address and data when its API server is killed and started again', async () => {
    await cluster.kube.create(MAPS, configMap('kept', {}));
    const { url } = cluster;
    cluster.kill('SIGKILL');
    await cluster.stopApiServer();
    await assert.rejects(cluster.kube.get('/version'), { code: 'ECONNREFUSED' });
    await cluster.startApiServer();
    assert.equal(cluster.url, url);
    await cluster.kube.get(`${MAPS}/kept`);
  });

  test('keeps its data over a restart of everything', async () => {
    const { uid } = (await cluster.kube.get('/api/v1/namespaces/kube-system')).metadata;
    await cluster.restart();
    assert.equal((await cluster.kube.get('/api/v1/namespaces/kube-system')).metadata.uid, uid);
  });
});

test('in a cluster with controllers a Deployment becomes ready and its namespace can be removed', async () => {
  await using cluster = await startCluster({ name: 'full', controllers: true });
  const { kube } = cluster;
  await kube.create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'web' } });
  const path = '/apis/apps/v1/namespaces/web/deployments/web';
  await kube.apply(path, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image: 'nginx:1.21.6' }] } },
    },
  });
  await eventually(async () => {
    const { status } = (await kube.get(path)) as unknown as { status: { readyReplicas?: number } };
    assert.equal(status.readyReplicas, 2);
  }, 20_000);
  await kube.delete('/api/v1/namespaces/web');
  await eventually(async () => assert.equal(await kube.find('/api/v1/namespaces/web'), undefined), 30_000);
});
