import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { Cluster } from '@drover/testbed';
import { eventually, startCluster } from '@drover/testbed';
import type { TestAgent, TestBed } from './reconcile/testdata/agent-on-cluster.ts';
import { configMap, createBed, namespaceObject, untilReady } from './reconcile/testdata/agent-on-cluster.ts';

const MAPS = (namespace: string): string => `/api/v1/namespaces/${namespace}/configmaps`;

suite('an agent on a real API server', () => {
  let cluster: Cluster;
  let bed: TestBed;
  let agent: TestAgent;
  before(async () => {
    cluster = await startCluster({ name: 'agent', audit: true });
    bed = createBed(cluster);
    agent = await bed.start();
  });
  after(async () => {
    await agent.stop();
    await cluster[Symbol.asyncDispose]();
  });

  test('applies a first bundle and reports it Ready', async () => {
    const generation = bed.publish([
      { name: 'drover/shop', objects: [namespaceObject('shop'), configMap('shop', 'a', { k: '1' }), configMap('shop', 'b', { k: '1' })] },
    ]);
    await untilReady(agent, generation);
    assert.deepEqual((await bed.kube.get(`${MAPS('shop')}/a`))['data'], { k: '1' });
    assert.deepEqual(agent.report('drover/shop')?.changes, { created: 3, configured: 0, unchanged: 0, deleted: 0 });
  });

  test('a change of one object costs three requests: state, apply, inventory', async () => {
    agent.forget();
    const generation = bed.publish([
      { name: 'drover/shop', objects: [namespaceObject('shop'), configMap('shop', 'a', { k: '2' }), configMap('shop', 'b', { k: '1' })] },
    ]);
    await untilReady(agent, generation);
    assert.deepEqual(
      [...agent.sent],
      [
        { verb: 'replace', kind: 'Secret', name: 'drover-state' },
        { verb: 'apply', kind: 'ConfigMap', name: 'a' },
        { verb: 'replace', kind: 'Secret', name: 'drover-inventory-0' },
      ],
    );
    assert.deepEqual((await bed.kube.get(`${MAPS('shop')}/a`))['data'], { k: '2' });
  });

  test('prunes what left its unit', async () => {
    const generation = bed.publish([{ name: 'drover/shop', objects: [namespaceObject('shop'), configMap('shop', 'a', { k: '2' })] }]);
    await untilReady(agent, generation);
    await eventually(async () => assert.equal(await bed.kube.find(`${MAPS('shop')}/b`), undefined), 5_000);
  });

  test('undoes a change by hand and names it', async () => {
    await bed.kube.patch(`${MAPS('shop')}/a`, { data: { k: 'edited' } });
    await eventually(async () => assert.deepEqual((await bed.kube.get(`${MAPS('shop')}/a`))['data'], { k: '2' }), 5_000, 20);
    await eventually(
      () => assert.ok(agent.events.some((event) => event.reason === 'DriftCorrected' && event.message.includes('/data/k'))),
      5_000,
    );
  });

  test('creates anew what was deleted by hand', async () => {
    await bed.kube.delete(`${MAPS('shop')}/a`);
    await eventually(async () => assert.deepEqual((await bed.kube.get(`${MAPS('shop')}/a`))['data'], { k: '2' }), 5_000, 20);
  });
});
