import assert from 'node:assert/strict';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Logger } from '@drover/contract';
import { keyOf, refOf } from '@drover/contract';
import { startCluster, tempDir } from '@drover/testbed';
import { kubeconfigCredentials } from '#kube/credentials-adapter.ts';
import { createKubeClient } from '#kube/kube-client-adapter.ts';
import type { LiveObject } from '#kube/types.ts';
import { clock, random } from '@drover/runtime';
import { ownedFields } from './fields.ts';
import { createObserver } from './observer.ts';

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };
const signal = new AbortController().signal;

const configMap = (name: string, data: object): object => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'default', labels: { 'drover.dev/managed': 'true' } },
  data,
});

test('F24 after a restore of etcd nothing learned before holds, and everything is judged anew', async () => {
  await using dir = await tempDir('restore');
  await using cluster = await startCluster({ name: 'restore', dir: dir.path });
  const etcd = join(dir.path, 'etcd');
  const snapshot = join(dir.path, 'snapshot');
  await using kube = createKubeClient({
    credentials: await kubeconfigCredentials({ path: cluster.kubeconfig, clock }),
    clock,
    random,
    log: quiet,
  });
  const lookup = await kube.lookup('v1', 'ConfigMap', signal);
  assert.ok(lookup.type === 'served');
  const { info } = lookup;
  const apply = async (name: string, data: object): Promise<LiveObject> => {
    const object = configMap(name, data);
    return (await kube.apply(info, refOf(object as LiveObject), JSON.stringify(object), { fieldManager: 'drover', force: true }, signal))
      .object;
  };
  const entry = (live: LiveObject) => ({
    key: keyOf(refOf(live)),
    apiVersion: 'v1',
    unit: 'drover/shop',
    uid: live.metadata.uid,
    fields: ownedFields(live).hash,
    digest: 'sha256:00',
  });

  await apply('old', { a: '1' });
  await cluster.stop();
  await cp(etcd, snapshot, { recursive: true });
  await cluster.start();
  for (let n = 0; n < 20; n += 1) await apply('busy', { n: String(n) });
  const changed = await apply('old', { a: '1', b: '2' });
  const late = await apply('late', { a: '1' });

  const stop = new AbortController();
  const observer = createObserver({ kube, ports: { clock, random, log: quiet } });
  const ended = observer.run(stop.signal);
  await using _running = {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await ended;
    },
  };
  observer.expect([entry(changed), entry(late)]);
  await observer.whenSynced(AbortSignal.timeout(5_000));
  assert.equal(observer.observed(entry(changed).key)?.drifted, false);
  assert.equal(observer.observed(entry(late).key)?.drifted, false);

  await cluster.stop();
  await rm(etcd, { recursive: true });
  await cp(snapshot, etcd, { recursive: true });
  await cluster.start();

  const deadline = AbortSignal.timeout(30_000);
  while (observer.observed(entry(late).key)?.presence !== 'Missing' || observer.observed(entry(changed).key)?.drifted !== true) {
    await observer.changed(deadline);
  }
  assert.equal(observer.observed(entry(changed).key)?.presence, 'Present');

  observer.applied(entry(changed).key, await apply('old', { a: '1', b: '2' }), entry(changed));
  observer.applied(entry(late).key, await apply('late', { a: '1' }), entry(late));
  assert.equal(observer.observed(entry(late).key)?.drifted, false);
  await cluster.kube.delete('/api/v1/namespaces/default/configmaps/late');
  while (observer.observed(entry(late).key)?.presence !== 'Missing') await observer.changed(deadline);
});
