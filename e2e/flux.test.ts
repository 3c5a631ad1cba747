import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, startFleet } from '@drover/testbed';
import { configMap } from './support/scenario.ts';

test('a Flux GitRepository and Kustomization of v1beta2 deliver to the one joined cluster', async () => {
  await using fleet = await startFleet({
    clusters: [{ name: 'my-cluster' }],
    files: { 'clusters/my-cluster/web.yaml': configMap('web', 'default', { v: '1' }) },
  });
  await using clone = await fleet.repository.clone();
  await clone.publish('flux', {
    'drover/flux.yaml': `apiVersion: source.toolkit.fluxcd.io/v1beta2
kind: GitRepository
metadata:
  name: flux-system
  namespace: flux-system
spec:
  interval: 5m
  ref:
    branch: main
  secretRef:
    name: flux-system
  url: ${fleet.repository.authUrl.replace(/\/\/[^@]*@/, '//')}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1beta2
kind: Kustomization
metadata:
  name: flux-system
  namespace: flux-system
spec:
  interval: 10m
  path: ./clusters/my-cluster
  prune: true
  sourceRef:
    kind: GitRepository
    name: flux-system
`,
  });
  await fleet.addSecret('flux-system', 'flux-system');
  await eventually(async () => {
    const { items } = await fleet.hub.get<{ items: readonly { unit: string; state: string; message: string }[] }>('/v1/units');
    const row = items.find((unit) => unit.unit === 'flux-system/flux-system@my-cluster');
    assert.equal(row?.state, 'Ready', row?.message);
  }, 30_000);
  assert.deepEqual((await fleet.cluster('my-cluster').kube.get('/api/v1/namespaces/default/configmaps/web'))['data'], { v: '1' });
});
