import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Fleet } from '@drover/testbed';
import { eventually, startFleet } from '@drover/testbed';
import { configMap } from './support/scenario.ts';

const CLUSTER = 'solo';
const WEB = '/api/v1/namespaces/default/configmaps/web';

/** A fleet of one whose hub, NATS and agent can be killed without disturbing others. */
async function soloFleet(count = 1): Promise<Fleet> {
  const files = Object.fromEntries(
    Array.from({ length: count }, (_, index) => [
      `clusters/${CLUSTER}/${index}.yaml`,
      configMap(index === 0 ? 'web' : `c${index}`, 'default', { v: '1' }),
    ]),
  );
  const fleet = await startFleet({ clusters: [{ name: CLUSTER, audit: true }], files });
  await ready(fleet);
  return fleet;
}

async function ready(fleet: Fleet, sha?: string): Promise<void> {
  await eventually(async () => {
    const { items } = await fleet.hub.get<{ items: readonly { state: string; message: string; revision: { applied: string | null } }[] }>(
      '/v1/units',
    );
    assert.equal(items.length, 1);
    assert.equal(items[0]?.state, 'Ready', items[0]?.message);
    if (sha !== undefined) assert.ok(items[0]?.revision.applied?.endsWith(sha), `${items[0]?.revision.applied} is not ${sha}`);
  }, 60_000);
}

async function data(fleet: Fleet): Promise<unknown> {
  return (await fleet.cluster(CLUSTER).kube.get(WEB))['data'];
}

async function isRestored(fleet: Fleet): Promise<void> {
  await fleet.cluster(CLUSTER).kube.delete(WEB);
  await eventually(async () => assert.deepEqual(await data(fleet), { v: '1' }), 20_000);
}

test('I13 hub and NATS down: the agent goes on enforcing, also after its own restart and with its disk deleted', async () => {
  await using fleet = await soloFleet();
  await fleet.hub.stop();
  await isRestored(fleet);
  const agent = fleet.agent(CLUSTER);
  await agent.kill();
  await agent.start();
  await isRestored(fleet);
  await agent.kill();
  await agent.wipeDisk();
  await agent.start();
  await isRestored(fleet);
  await fleet.hub.start();
  await ready(fleet);
  await using clone = await fleet.repository.clone();
  const sha = await clone.publish('after', { [`clusters/${CLUSTER}/0.yaml`]: configMap('web', 'default', { v: '2' }) });
  await ready(fleet, sha);
  assert.deepEqual(await data(fleet), { v: '2' });
});

test('F8 NATS killed and its store wiped: the hub refills it, nothing is applied again and pushes arrive', async () => {
  await using fleet = await soloFleet();
  const before = (await fleet.cluster(CLUSTER).kube.get(WEB)).metadata.resourceVersion;
  await fleet.hub.stop();
  await rm(join(fleet.hub.dataDir, 'nats', 'store'), { recursive: true, force: true });
  await fleet.hub.start();
  await using clone = await fleet.repository.clone();
  const sha = await clone.publish('another', { [`clusters/${CLUSTER}/more.yaml`]: configMap('more', 'default', {}) });
  await ready(fleet, sha);
  assert.equal((await fleet.cluster(CLUSTER).kube.get(WEB)).metadata.resourceVersion, before);
});

test('F8 nats-server killed under a running hub comes back, and pushes arrive', async () => {
  await using fleet = await soloFleet();
  process.kill(await fleet.hub.natsPid(), 'SIGKILL');
  await using clone = await fleet.repository.clone();
  const sha = await clone.publish('v2', { [`clusters/${CLUSTER}/0.yaml`]: configMap('web', 'default', { v: '2' }) });
  await ready(fleet, sha);
});

test('F1 an agent killed in the middle of an apply converges after its restart, and applies each object once', async () => {
  await using fleet = await soloFleet();
  const agent = fleet.agent(CLUSTER);
  await agent.stop();
  await agent.start({ DROVER_CRASH_AT: 'apply:after:7' });
  await using clone = await fleet.repository.clone();
  const names = Array.from({ length: 20 }, (_, index) => `n${index}`);
  const sha = await clone.publish(
    'twenty',
    Object.fromEntries(names.map((name) => [`clusters/${CLUSTER}/${name}.yaml`, configMap(name, 'default', {})])),
  );
  await agent.program.awaitExit();
  await agent.start();
  await ready(fleet, sha);
  for (const name of names) assert.ok(await fleet.cluster(CLUSTER).kube.find(`/api/v1/namespaces/default/configmaps/${name}`));
});

test('F5 a hub killed between generation and publish publishes that generation after its restart', async () => {
  await using fleet = await soloFleet();
  await fleet.hub.stop();
  await fleet.hub.start({ DROVER_CRASH_AT: 'generation-commit:after' });
  await using clone = await fleet.repository.clone();
  const sha = await clone.publish('v2', { [`clusters/${CLUSTER}/0.yaml`]: configMap('web', 'default', { v: '2' }) });
  await fleet.hub.program.awaitExit();
  await fleet.hub.start();
  await ready(fleet, sha);
  assert.deepEqual(await data(fleet), { v: '2' });
});
