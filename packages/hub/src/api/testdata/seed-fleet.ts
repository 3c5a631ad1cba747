// A small fleet in the record, in the states that people look at: what the hub and the agents would have written.

import type { BlockedOn, ObjectReport, Problem, UnitReport } from '@drover/contract';
import type { ClusterSpec, Delivery } from '#config/types.ts';
import { DEFAULT_DELETES } from '#config/types.ts';
import type { UnitTable } from '#state/schema.ts';
import type { Store } from '#state/store.ts';
import { stateOfRow } from '#state/unit-row.ts';

/** 20 November 2026, 22:41:12 UTC. */
export const NOW = Date.UTC(2026, 10, 20, 22, 41, 12);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
export const SHA = '9c1d04e5a0b1c2d3e4f5a6b7c8d9e0f1a2b3c4d5';
export const OLD_SHA = '77ab10c5a0b1c2d3e4f5a6b7c8d9e0f1a2b3c4d5';
export const REVISION = `main@sha1:${SHA}`;
export const OLD_REVISION = `main@sha1:${OLD_SHA}`;

export const UIDS = {
  'canary-eu': '11111111-1111-4111-8111-111111111111',
  'prod-eu': '22222222-2222-4222-8222-222222222222',
  'prod-us': '33333333-3333-4333-8333-333333333333',
  'edge-17': '44444444-4444-4444-8444-444444444444',
  'lab-3': '55555555-5555-4555-8555-555555555555',
} as const;
type ClusterName = keyof typeof UIDS;

export function delivery(name: string, over: Partial<Delivery> = {}): Delivery {
  return {
    namespace: 'drover',
    name,
    sourceRef: { kind: 'GitRepository', namespace: 'drover', name: 'fleet' },
    path: `${name}/\${cluster.name}`,
    targeting: { type: 'path' },
    mode: 'Enforce',
    prune: true,
    intervalMs: 10 * MINUTE,
    retryIntervalMs: MINUTE,
    timeoutMs: 5 * MINUTE,
    dependsOn: [],
    wait: true,
    healthChecks: [],
    patches: [],
    images: [],
    components: [],
    namePrefix: '',
    nameSuffix: '',
    commonMetadata: { labels: {}, annotations: {} },
    drift: 'Correct',
    allowEmpty: false,
    untargeted: 'Hold',
    deletionPolicy: 'Orphan',
    deletes: DEFAULT_DELETES,
    suspend: false,
    position: { file: 'drover/deliveries.yaml', line: 1 },
    ...over,
  };
}

export const BROKEN: Problem = {
  code: 'RENDER_RESOURCE_MISSING',
  subject: 'shop@prod-us',
  message: '../../bse does not exist at this commit; did you mean "../../base"?',
  hint: 'correct the path, or push the file',
  position: { file: 'shop/prod-us/kustomization.yaml', line: 4, column: 3 },
};
export const BROKEN_FILE = 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n- ../../bse\n';

/** Clusters as the configuration declares them. */
export const DECLARED: ReadonlyMap<string, ClusterSpec> = new Map([
  ['prod-eu', { namespace: 'drover', name: 'prod-eu', labels: { tier: 'gold' }, vars: { domain: 'eu.example.com' }, suspend: false }],
]);

/** A unit's row; digests are named after what they are. */
export function unitRowOf(namespace: string, name: string, cluster: string, over: Partial<UnitTable>): UnitTable {
  return {
    namespace,
    delivery: name,
    cluster,
    rendered: null,
    rendered_revision: null,
    problem: null,
    wanted: null,
    wanted_release: null,
    wanted_revision: null,
    published: null,
    published_release: null,
    published_revision: null,
    changed_epoch: 0,
    changed_generation: 0,
    held: '[]',
    presence: 'Delivered',
    note: null,
    report: null,
    reported_at: null,
    applied: null,
    applied_release: null,
    applied_revision: null,
    state: 'Progressing',
    since: NOW,
    message: '',
    drift: 0,
    ...over,
  };
}

export function report(unit: string, wanted: string, over: Partial<UnitReport> = {}): UnitReport {
  return {
    unit,
    state: 'Ready',
    since: NOW - HOUR,
    epoch: 1,
    generation: 7,
    wanted,
    applied: wanted,
    healthy: true,
    objects: { total: 3, ready: 3 },
    changes: { created: 0, configured: 1, unchanged: 2, deleted: 0 },
    problems: [],
    drift: [],
    blockedOn: [],
    suspended: false,
    mode: 'Enforce',
    message: '',
    ...over,
  };
}

/** Everything about one release of one content, for a row. */
function at(digest: string, release: number, revision: string): Partial<UnitTable> {
  return {
    rendered: digest,
    rendered_revision: revision,
    wanted: digest,
    wanted_release: release,
    wanted_revision: revision,
    published: digest,
    published_release: release,
    published_revision: revision,
  };
}

function applied(digest: string, release: number, revision: string): Partial<UnitTable> {
  return { applied: digest, applied_release: release, applied_revision: revision, reported_at: NOW - 3000 };
}

const CRASHING: ObjectReport = {
  key: 'apps/Deployment/shop/web',
  health: 'InProgress',
  message: '1 of 3 pods unavailable: CrashLoopBackOff, exit 1, 6 restarts',
};

/**
 * Writes the fleet: platform is Ready but on edge-17, which is silent for three days; shop-14 is Ready on canary-eu,
 * NotReady on prod-eu, broken on prod-us, held on lab-3, and not known of edge-17.
 */
export async function seedFleet(store: Store): Promise<void> {
  await seedClusters(store);
  await seedConfiguration(store);
  await seedReleases(store);
  const units: UnitTable[] = [];
  for (const [name, uid] of Object.entries(UIDS) as [ClusterName, string][]) {
    const silent = name === 'edge-17';
    units.push(
      unitRowOf('drover', 'platform', uid, {
        ...at('p1', 8, OLD_REVISION),
        ...applied('p1', 8, OLD_REVISION),
        report: JSON.stringify(report('drover/platform', 'p1')),
        since: silent ? NOW - 80 * HOUR : NOW - 20 * HOUR,
      }),
    );
  }
  const shop = (cluster: ClusterName, over: Partial<UnitTable>): UnitTable => unitRowOf('drover', 'shop', UIDS[cluster], over);
  units.push(
    shop('canary-eu', {
      ...at('s2', 14, REVISION),
      ...applied('s2', 14, REVISION),
      report: JSON.stringify(report('drover/shop', 's2', { objects: { total: 14, ready: 14 } })),
      since: NOW - 3 * MINUTE,
    }),
    shop('prod-eu', {
      ...at('s2', 14, REVISION),
      ...applied('s2', 14, REVISION),
      since: NOW - 4 * MINUTE,
      drift: 1,
      report: JSON.stringify(
        report('drover/shop', 's2', {
          state: 'NotReady',
          healthy: false,
          since: NOW - 4 * MINUTE,
          objects: { total: 14, ready: 13 },
          changes: { created: 0, configured: 1, unchanged: 13, deleted: 0 },
          problems: [CRASHING],
          message: 'Deployment shop/web: 1 of 3 pods unavailable: CrashLoopBackOff, exit 1, 6 restarts',
          drift: [
            {
              key: '/ConfigMap/shop/web',
              kind: 'Differs',
              paths: ['/data/tier'],
              manager: 'kubectl-edit',
              message: 'ConfigMap shop/web: /data/tier changed by kubectl-edit',
              at: NOW - 30 * MINUTE,
            },
          ],
          lastUndone: {
            key: 'apps/Deployment/shop/web',
            kind: 'Differs',
            paths: ['/spec/replicas'],
            manager: 'kubectl',
            message: 'Deployment shop/web: /spec/replicas changed by kubectl',
            at: NOW - 3 * HOUR,
          },
        }),
      ),
    }),
    shop('prod-us', {
      ...at('s1', 13, OLD_REVISION),
      ...applied('s1', 13, OLD_REVISION),
      problem: JSON.stringify(BROKEN),
      report: JSON.stringify(report('drover/shop', 's1')),
      since: NOW - MINUTE,
    }),
    shop('edge-17', {
      ...at('s1', 13, OLD_REVISION),
      ...applied('s1', 13, OLD_REVISION),
      ...{ wanted: 's2', wanted_release: 14, wanted_revision: REVISION, rendered: 's2', published: 's2', published_release: 14 },
      report: JSON.stringify(report('drover/shop', 's1')),
      since: NOW - 80 * HOUR,
    }),
    shop('lab-3', {
      ...at('s1', 13, OLD_REVISION),
      ...applied('s1', 13, OLD_REVISION),
      wanted: 's2',
      wanted_release: 14,
      wanted_revision: REVISION,
      rendered: 's2',
      held: JSON.stringify([{ kind: 'Budget', message: '14 deletions, 10 allowed', since: NOW - 43 * MINUTE } satisfies BlockedOn]),
      report: JSON.stringify(report('drover/shop', 's1')),
      since: NOW - 43 * MINUTE,
    }),
  );
  await store.write(async (tx) => {
    for (const unit of units) {
      const judged = stateOfRow(unit, { online: true, lastSeen: NOW }, NOW);
      await tx.insertInto('unit').values({ ...unit, state: judged.state, message: judged.message }).execute();
    }
  });
}

async function seedClusters(store: Store): Promise<void> {
  const labels: Record<ClusterName, Record<string, string>> = {
    'canary-eu': { env: 'prod', tier: 'canary' },
    'prod-eu': { env: 'prod' },
    'prod-us': { env: 'prod', region: 'us' },
    'edge-17': { env: 'edge' },
    'lab-3': { env: 'lab' },
  };
  await store.write(async (tx) => {
    for (const [name, uid] of Object.entries(UIDS) as [ClusterName, string][]) {
      const silent = name === 'edge-17';
      await tx
        .insertInto('cluster')
        .values({
          uid,
          name,
          namespace: 'drover',
          accepted: 1,
          labels: JSON.stringify(labels[name]),
          mode: 'Enforce',
          sealing_key: 'c2VhbA==',
          identity_key: 'aa',
          nats_user: null,
          facts: JSON.stringify({ agentVersion: '0.1.0', kubernetesVersion: 'v1.36.3', apiResources: [] }),
          agent_version: '0.1.0',
          joined_at: NOW - 100 * HOUR,
          last_seen: silent ? NOW - 78 * HOUR : NOW - 3000,
          online: silent ? 0 : 1,
          seen_fleet: null,
          seen_epoch: 1,
          seen_generation: 7,
          applied_content: 'bundle',
        })
        .execute();
      await tx
        .insertInto('head')
        .values({
          cluster: uid,
          sealing_key: 'c2VhbA==',
          epoch: 1,
          generation: silent ? 8 : 7,
          content: silent ? 'bundle2' : 'bundle',
          manifest: '{}',
          envelope: new Uint8Array(),
          sealed: null,
          created_at: NOW - HOUR,
          published: 1,
        })
        .execute();
    }
  });
}

async function seedConfiguration(store: Store): Promise<void> {
  await store.write(async (tx) => {
    await tx
      .insertInto('source')
      .values({
        kind: 'GitRepository',
        namespace: 'drover',
        name: 'fleet',
        spec: JSON.stringify({
          namespace: 'drover',
          name: 'fleet',
          url: 'https://git.example.com/fleet.git',
          ref: { type: 'branch', name: 'main' },
          intervalMs: MINUTE,
          timeoutMs: MINUTE,
          insecure: false,
          forcePush: 'Follow',
          suspend: false,
        }),
        sha: SHA,
        revision: REVISION,
        commit: JSON.stringify({ sha: SHA, subject: 'web 1.3: new checkout', author: 'alice', time: NOW - 5 * MINUTE }),
        last_fetch: NOW - 8000,
        last_webhook: NOW - 4 * MINUTE,
        problem: null,
        problem_since: null,
      })
      .execute();
    for (const [name, release] of [
      ['platform', 8],
      ['shop', 14],
    ] as const) {
      await tx
        .insertInto('delivery')
        .values({
          namespace: 'drover',
          name,
          spec: JSON.stringify(delivery(name)),
          config_hash: 'c1',
          problem: null,
          removed_at: null,
          release,
          revision: REVISION,
        })
        .execute();
    }
  });
}

async function seedReleases(store: Store): Promise<void> {
  const commit = (sha: string, subject: string, author: string, time: number): string => JSON.stringify({ sha, subject, author, time });
  const old = commit(OLD_SHA, 'web 1.2', 'carol', NOW - 20 * HOUR);
  const young = commit(SHA, 'web 1.3: new checkout', 'alice', NOW - 5 * MINUTE);
  const releases = [
    { delivery: 'platform', number: 8, revision: OLD_REVISION, commit: old, created_at: NOW - 20 * HOUR, digest: 'p1' },
    { delivery: 'shop', number: 13, revision: OLD_REVISION, commit: old, created_at: NOW - 20 * HOUR, digest: 's1' },
    { delivery: 'shop', number: 14, revision: REVISION, commit: young, created_at: NOW - 5 * MINUTE, digest: 's2' },
  ];
  await store.write(async (tx) => {
    for (const { digest, ...release } of releases) {
      await tx
        .insertInto('release')
        .values({ namespace: 'drover', config_hash: 'c1', deletes: 0, ...release })
        .execute();
      const newest = release.number === 14;
      await tx
        .insertInto('rollout')
        .values({
          namespace: 'drover',
          delivery: release.delivery,
          number: release.number,
          state: newest ? 'Progressing' : 'Succeeded',
          started_at: release.created_at,
          ended_at: newest ? null : release.created_at + MINUTE,
        })
        .execute();
      for (const [name, uid] of Object.entries(UIDS)) {
        const broken = newest && name === 'prod-us';
        await tx
          .insertInto('release_unit')
          .values({
            namespace: 'drover',
            delivery: release.delivery,
            number: release.number,
            cluster: uid,
            digest: broken ? 's1' : digest,
            problem: broken ? JSON.stringify(BROKEN) : null,
          })
          .execute();
        await tx
          .insertInto('rollout_cluster')
          .values({
            namespace: 'drover',
            delivery: release.delivery,
            number: release.number,
            stage: 'all',
            cluster: uid,
            state: newest && name !== 'canary-eu' ? 'Released' : 'Succeeded',
            since: release.created_at,
          })
          .execute();
      }
    }
    for (const [name, current] of [
      ['platform', 8],
      ['shop', 14],
    ] as const) {
      await tx
        .insertInto('rollout_stage')
        .values({ namespace: 'drover', delivery: name, stage: 'all', position: 0, current, candidate: null, state: 'Progressing', since: NOW })
        .execute();
    }
    for (const [digest, unit, image] of [
      ['s1', 'drover/shop', 'd12'],
      ['s2', 'drover/shop', 'd13'],
      ['p1', 'drover/platform', 'd1'],
    ] as const) {
      const objects = [
        ['/ConfigMap/shop/web', 'v1', 'c1', 'apps/shop/base/config.yaml'],
        ['/Service/shop/web', 'v1', 'x1', 'apps/shop/base/web.yaml'],
        ['apps/Deployment/shop/web', 'apps/v1', image, 'apps/shop/base/web.yaml'],
      ];
      await tx
        .insertInto('unit_content')
        .values({ digest, unit, manifest: '[]', objects: JSON.stringify(objects), blobs: '[]' })
        .execute();
    }
    const events = [
      { severity: 'Info', reason: 'SourceFetched', object: 'GitRepository/drover/fleet', message: `${REVISION} "web 1.3: new checkout" (alice)` },
      { severity: 'Info', reason: 'ReleaseCreated', unit: 'drover/shop', message: 'shop-14 changes 3 of 4 clusters' },
      { severity: 'Error', reason: 'UnitFailed', unit: 'drover/shop', cluster: 'prod-us', message: `[${BROKEN.code}] ${BROKEN.message}` },
      {
        severity: 'Warning',
        reason: 'DriftCorrected',
        unit: 'drover/shop',
        cluster: 'prod-eu',
        object: 'apps/Deployment/shop/web',
        message: 'Deployment shop/web: /spec/replicas changed by kubectl',
      },
    ] as const;
    for (const event of events) await store.event(tx, event);
  });
}
