import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ZERO_DELIVERY } from '#config/zero.ts';
import { memoryTree } from '#render/testdata/memory-tree.ts';
import { unmatchedNames } from './unmatched.ts';

const { signal } = new AbortController();
const file = 'a: 1\n';
const tree = memoryTree({
  'clusters/prod-eu/a.yaml': file,
  'clusters/prod-ap2/a.yaml': file,
  'clusters/README': 'x',
  'apps/shop-lab-9/a.yaml': file,
  'apps/other/a.yaml': file,
  'prod-us/a.yaml': file,
});
const cases: readonly { readonly path: string; readonly clusters: readonly string[]; readonly want: object }[] = [
  {
    path: 'clusters/${cluster.name}',
    clusters: ['prod-eu', 'lab-9'],
    want: { directories: ['clusters/prod-ap2'], clusters: ['lab-9'] },
  },
  { path: './clusters/${cluster.name}/', clusters: ['prod-eu'], want: { directories: ['clusters/prod-ap2'], clusters: [] } },
  { path: 'clusters/${cluster.name}/sub', clusters: ['prod-eu'], want: { directories: [], clusters: [] } },
  { path: 'apps/shop-${cluster.name}', clusters: ['lab-9', 'prod-eu'], want: { directories: [], clusters: ['prod-eu'] } },
  { path: '${cluster.name}', clusters: ['prod-us', 'apps'], want: { directories: ['clusters'], clusters: [] } },
  { path: 'nowhere/${cluster.name}', clusters: ['prod-us'], want: { directories: [], clusters: [] } },
  { path: 'apps/other', clusters: ['prod-us'], want: { directories: [], clusters: [] } },
  { path: '${cluster.labels["env"]}/${cluster.name}', clusters: ['prod-us'], want: { directories: [], clusters: [] } },
];
for (const { path, clusters, want } of cases) {
  test(`names that do not meet at ${path}, of ${clusters.join(' and ')}`, async () => {
    assert.deepEqual(await unmatchedNames([{ ...ZERO_DELIVERY, path }], clusters, () => tree, signal), want);
  });
}

test('I2 without a commit nothing is told to be unmatched', async () => {
  assert.deepEqual(await unmatchedNames([ZERO_DELIVERY], ['prod-eu'], () => undefined, signal), { directories: [], clusters: [] });
});
