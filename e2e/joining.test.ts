import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Fleet } from '@drover/testbed';
import { eventually, startFleet } from '@drover/testbed';
import { configMap } from './support/scenario.ts';

const WEB = '/api/v1/namespaces/default/configmaps/web';

async function statesOf(fleet: Fleet): Promise<Readonly<Record<string, string>>> {
  const { items } = await fleet.hub.get<{ items: readonly { unit: string; state: string }[] }>('/v1/units');
  return Object.fromEntries(items.map((row) => [row.unit, row.state]));
}

test('a cluster joins late, an overlay is added later: each gets its content, and names that do not meet are shown', async () => {
  await using fleet = await startFleet({
    clusters: [{ name: 'early' }, { name: 'late', agent: false }],
    files: {
      'clusters/early/web.yaml': configMap('web', 'default', { of: 'early' }),
      'clusters/nobody/web.yaml': configMap('web', 'default', { of: 'nobody' }),
    },
  });
  await eventually(async () => assert.deepEqual(await statesOf(fleet), { 'fleet@early': 'Ready' }), 30_000);

  await fleet.join({ name: 'late' });
  await eventually(async () => {
    const { stdout } = await fleet.drover('status');
    assert.match(stdout, /UNMATCHED .*clusters\/nobody/);
    assert.match(stdout, /late/);
  }, 20_000);
  assert.deepEqual(await statesOf(fleet), { 'fleet@early': 'Ready' });

  await using clone = await fleet.repository.clone();
  await clone.publish('an overlay for late', { 'clusters/late/web.yaml': configMap('web', 'default', { of: 'late' }) });
  await eventually(async () => assert.deepEqual(await statesOf(fleet), { 'fleet@early': 'Ready', 'fleet@late': 'Ready' }), 20_000);
  assert.deepEqual((await fleet.cluster('late').kube.get(WEB))['data'], { of: 'late' });
  assert.deepEqual((await fleet.cluster('early').kube.get(WEB))['data'], { of: 'early' });
});

test('a cluster that joins by a token of many uses waits for acceptance, and observes until it is enforced', async () => {
  await using fleet = await startFleet({
    clusters: [{ name: 'guest', agent: false }],
    files: { 'clusters/guest/web.yaml': configMap('web', 'default', { v: '1' }) },
  });
  const { kube } = fleet.cluster('guest');
  await fleet.joinBy({ name: 'guest' }, await fleet.hub.createToken({ maxUses: 3 }));
  const { name } = await eventually(async () => {
    const { items } = await fleet.hub.get<{ items: readonly { name: string; accepted: boolean }[] }>('/v1/clusters');
    const [cluster] = items;
    assert.ok(cluster !== undefined, 'nobody has joined');
    assert.equal(cluster.accepted, false);
    return cluster;
  }, 20_000);
  assert.deepEqual(await statesOf(fleet), {});
  const accepted = await fleet.drover('cluster', 'accept', name);
  assert.equal(accepted.code, 0, accepted.stderr);
  await using clone = await fleet.repository.clone();
  await clone.publish('its directory', { [`clusters/${name}/web.yaml`]: configMap('web', 'default', { v: '1' }) });
  await eventually(async () => {
    const { items } = await fleet.hub.get<{ items: readonly { observed: boolean; drift: number }[] }>('/v1/units');
    assert.equal(items[0]?.observed, true);
    assert.ok((items[0]?.drift ?? 0) > 0);
  }, 20_000);
  assert.equal(await kube.find(WEB), undefined);
  const enforced = await fleet.drover('enforce', name);
  assert.equal(enforced.code, 0, enforced.stderr);
  await eventually(async () => assert.deepEqual((await kube.get(WEB))['data'], { v: '1' }), 20_000);
});
