import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServedRepository, WorkingClone } from '@drover/testbed';
import { eventually } from '@drover/testbed';
import { sharedFleet } from './support/fleet.ts';
import type { Scenario, UnitRow } from './support/scenario.ts';
import { configMap, scenario } from './support/scenario.ts';

interface SourceRow {
  readonly revision: string | null;
  readonly problem: { readonly code: string; readonly message: string } | null;
}

/** A repository of its own, a GitRepository for it, and a Delivery that follows it on prod-eu. */
async function ownSource(title: string): Promise<
  {
    readonly s: Scenario;
    readonly repository: ServedRepository;
    readonly clone: WorkingClone;
    readonly source: () => Promise<SourceRow>;
    readonly fetch: () => Promise<void>;
  } & AsyncDisposable
> {
  const { fleet } = await sharedFleet();
  const repository = await fleet.git.createRepository(`${title}-${Math.random().toString(36).slice(2, 8)}`);
  const clone = await repository.clone();
  const name = repository.name.replace(/\.git$/, '');
  const s = await scenario(title, { clusters: ['prod-eu'] });
  await clone.publish('first', { 'prod-eu/web.yaml': configMap('web', s.name, { v: '1' }) });
  await s.push('source', {
    [`drover/${s.name}.yaml`]: `apiVersion: drover.dev/v1alpha1
kind: GitRepository
metadata: { name: ${name} }
spec: { url: ${repository.url}, insecure: true, interval: 10m, secretRef: { name: fleet }, ref: { branch: main } }
---
apiVersion: drover.dev/v1alpha1
kind: Delivery
metadata: { name: ${s.name} }
spec:
  sourceRef: { kind: GitRepository, name: ${name} }
  path: \${cluster.name}
  deletionPolicy: Delete
  clusters: { matchLabels: { drover.dev/name: prod-eu } }
`,
  });
  await s.until('prod-eu', (row) => row.state === 'Ready');
  return {
    s,
    repository,
    clone,
    source: () => fleet.hub.get<SourceRow>(`/v1/sources/GitRepository/drover/${name}`),
    fetch: async () => void (await fleet.hub.post(`/v1/sources/GitRepository/drover/${name}/reconcile?wait=20s`)),
    [Symbol.asyncDispose]: async () => {
      await s[Symbol.asyncDispose]();
      await clone[Symbol.asyncDispose]();
    },
  };
}

const dataOf = async (s: Scenario): Promise<unknown> => (await s.kube('prod-eu').get(s.configMap('prod-eu', 'web')))['data'];

test('F28 a force-push with common history is followed, with a warning', async () => {
  await using own = await ownSource('force');
  await own.clone.publish('second', { 'prod-eu/web.yaml': configMap('web', own.s.name, { v: '2' }) });
  await own.fetch();
  await own.s.until('prod-eu', (row: UnitRow) => row.state === 'Ready');
  await own.clone.git('reset', '--quiet', '--hard', 'HEAD~1');
  await own.clone.write({ 'prod-eu/web.yaml': configMap('web', own.s.name, { v: '3' }) });
  const sha = await own.clone.commit('rewritten');
  await own.clone.push({ force: true });
  await own.fetch();
  await own.s.ready(sha);
  assert.deepEqual(await dataOf(own.s), { v: '3' });
});

test('F28 a branch that is deleted is an error; everything stays, and comes back with the branch', async () => {
  await using own = await ownSource('branch');
  await own.clone.git('push', '--quiet', 'origin', 'HEAD:refs/heads/other');
  await own.clone.git('push', '--quiet', 'origin', '--delete', 'main').catch(async () => {
    // The server refuses to delete its default branch by push.
    await own.clone.git('--git-dir', own.repository.path, 'update-ref', '-d', 'refs/heads/main');
  });
  await own.fetch();
  assert.equal((await own.source()).problem?.code, 'GIT_REF_MISSING');
  assert.deepEqual(await dataOf(own.s), { v: '1' });
  const sha = await own.clone.publish('back', { 'prod-eu/web.yaml': configMap('web', own.s.name, { v: '2' }) });
  await own.fetch();
  await own.s.ready(sha);
});

test('F28 a repository that is replaced by another is held', async () => {
  await using own = await ownSource('replaced');
  await own.clone.git('checkout', '--quiet', '--orphan', 'fresh');
  await own.clone.git('rm', '--quiet', '-rf', '.');
  await own.clone.commit('emptied');
  await own.clone.git('push', '--quiet', '--force', 'origin', 'HEAD:main');
  await own.fetch();
  assert.equal((await own.source()).problem?.code, 'GIT_HISTORY_UNRELATED');
  assert.deepEqual(await dataOf(own.s), { v: '1' });
});

test('R1 while Git answers 500, 401 or half an answer nothing is deleted, and it heals by itself', async () => {
  const { fleet } = await sharedFleet();
  await using own = await ownSource('away');
  for (const fault of [
    { type: 'status', status: 500 },
    { type: 'status', status: 401 },
    { type: 'truncate', bytes: 40 },
  ] as const) {
    fleet.git.setFault(fault, 'read');
    await own.fetch();
    assert.notEqual((await own.source()).problem, null);
    assert.deepEqual(await dataOf(own.s), { v: '1' });
    fleet.git.setFault(undefined, 'read');
    await own.fetch();
    await eventually(async () => assert.equal((await own.source()).problem, null), 20_000);
  }
});
