import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LiveObject, ManagedField } from '#kube/types.ts';
import { migrationPatch } from './migrate.ts';
import { isOurs, otherTool } from './owner.ts';

function live(metadata: Partial<LiveObject['metadata']>, managedFields: readonly ManagedField[] = []): LiveObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', uid: 'u', resourceVersion: '7', managedFields, ...metadata } };
}
const OURS: ManagedField = { manager: 'drover', operation: 'Apply', apiVersion: 'v1', fieldsV1: { 'f:data': { 'f:a': {} } } };
const MARKS = { labels: { 'drover.dev/managed': 'true' }, annotations: { 'drover.dev/unit': 'drover/shop' } };

const tools: { name: string; metadata: Partial<LiveObject['metadata']>; want: string | undefined }[] = [
  { name: 'Helm by its annotation', metadata: { annotations: { 'meta.helm.sh/release-name': 'x' } }, want: 'Helm' },
  { name: 'Flux by its label', metadata: { labels: { 'kustomize.toolkit.fluxcd.io/name': 'x' } }, want: 'Flux' },
  { name: 'Argo CD by its annotation', metadata: { annotations: { 'argocd.argoproj.io/tracking-id': 'x' } }, want: 'Argo CD' },
  { name: 'Argo CD by its label', metadata: { labels: { 'argocd.argoproj.io/instance': 'x' } }, want: 'Argo CD' },
  { name: 'Fleet by its annotation', metadata: { annotations: { 'objectset.rio.cattle.io/id': 'x' } }, want: 'Fleet' },
  {
    name: 'nobody by what charts merely print',
    metadata: { labels: { 'app.kubernetes.io/managed-by': 'Helm', 'app.kubernetes.io/instance': 'x' } },
    want: undefined,
  },
];
for (const { name, metadata, want } of tools)
  test(`B26 otherTool names ${name}`, () => assert.equal(otherTool(live(metadata))?.tool, want));

test('R13 labels and annotations alone make nothing ours', () => assert.equal(isOurs(live(MARKS)), false));
test('an update by a manager of our name is not ours either', () =>
  assert.equal(isOurs(live(MARKS, [{ ...OURS, operation: 'Update' }])), false));
test('our manager and our annotation make it ours', () => assert.equal(isOurs(live(MARKS, [OURS]), 'drover/shop'), true));
test('another unit is another owner', () => assert.equal(isOurs(live(MARKS, [OURS]), 'drover/other'), false));

test('B26 the fields of all of kubectl are handed over, those of subresources and others stay', () => {
  const fields: ManagedField[] = [
    { manager: 'kubectl-client-side-apply', operation: 'Update', apiVersion: 'v1', fieldsV1: { 'f:data': { 'f:a': {} } } },
    { manager: 'kubectl-edit', operation: 'Update', apiVersion: 'v1', fieldsV1: { 'f:data': { 'f:b': {} } } },
    { manager: 'kubectl', operation: 'Update', subresource: 'scale', apiVersion: 'v1', fieldsV1: { 'f:spec': {} } },
    { manager: 'operator', operation: 'Update', apiVersion: 'v1', fieldsV1: { 'f:data': { 'f:c': {} } } },
  ];
  const patch = JSON.parse(migrationPatch(live({}, fields)) ?? '[]') as { path: string; value: unknown }[];
  const managers = patch[0]?.value as ManagedField[];
  assert.deepEqual(
    managers.map(({ manager, operation, subresource }) => [manager, operation, subresource]),
    [
      ['kubectl', 'Update', 'scale'],
      ['operator', 'Update', undefined],
      ['drover', 'Apply', undefined],
    ],
  );
  assert.deepEqual(managers[2]?.fieldsV1, { 'f:data': { 'f:a': {}, 'f:b': {} } });
  assert.equal(patch[1]?.value, '7');
});

test('without kubectl there is nothing to hand over', () => assert.equal(migrationPatch(live({}, [OURS])), undefined));
