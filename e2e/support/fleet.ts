// The fleet that all files of a run share: they run in one process, one after another. Each test has a scenario of its
// own in it, and removes it at the end.

import { after } from 'node:test';
import type { Fleet, WorkingClone } from '@drover/testbed';
import { eventually, startFleet } from '@drover/testbed';

export const CLUSTERS = ['canary', 'prod-eu', 'prod-us'] as const;
export type ClusterName = (typeof CLUSTERS)[number];

let starting: Promise<{ readonly fleet: Fleet; readonly clone: WorkingClone }> | undefined;

// Registered while the files are loaded: within a test it would end with that test.
after(async () => {
  const started = await starting?.catch(() => undefined);
  await started?.clone[Symbol.asyncDispose]();
  await started?.fleet[Symbol.asyncDispose]();
});

/** The shared fleet, started on first use; `canary` has controllers, so Deployments become ready there. */
export function sharedFleet(): Promise<{ readonly fleet: Fleet; readonly clone: WorkingClone }> {
  starting ??= start();
  return starting;
}

async function start(): Promise<{ readonly fleet: Fleet; readonly clone: WorkingClone }> {
  const fleet = await startFleet({
    clusters: [
      { name: 'canary', labels: { tier: 'canary' }, controllers: true, audit: true },
      { name: 'prod-eu', labels: { tier: 'prod' }, audit: true },
      { name: 'prod-us', labels: { tier: 'prod' }, audit: true },
    ],
    files: { 'drover/README.md': 'Deliveries of the scenarios\n', 'drover/clusters.yaml': clusterDocuments() },
  });
  const clone = await fleet.repository.clone();
  await eventually(async () => {
    const { items } = await fleet.hub.get<{ items: readonly { online: boolean }[] }>('/v1/clusters');
    if (items.filter((cluster) => cluster.online).length !== CLUSTERS.length) throw new Error('not every cluster is online');
  }, 30_000);
  return { fleet, clone };
}

function clusterDocuments(): string {
  return CLUSTERS.map(
    (name) => `apiVersion: drover.dev/v1alpha1\nkind: Cluster\nmetadata: { name: ${name}, labels: { fleet: e2e } }\n`,
  ).join('---\n');
}
