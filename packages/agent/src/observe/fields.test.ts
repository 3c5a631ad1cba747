import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LiveObject, ManagedField } from '#kube/types.ts';
import { driftBetween, lostPaths, managerOf, MAX_PATHS, ownedFields } from './fields.ts';

const field = (manager: string, operation: 'Apply' | 'Update', fieldsV1: object, more: Partial<ManagedField> = {}): ManagedField => ({
  manager,
  operation,
  apiVersion: 'v1',
  time: '2026-11-01T00:00:00Z',
  fieldsV1,
  ...more,
});

const live = (managedFields: readonly ManagedField[], content: object = {}): LiveObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'web', namespace: 'shop', uid: 'u', resourceVersion: '1', managedFields },
  ...content,
});

const containers = (...names: string[]): object => ({
  spec: { template: { spec: { containers: names.map((name) => ({ name, image: 'i' })) } } },
});
const container = (name: string, fields: object): object => ({ [`k:{"name":"${name}"}`]: { '.': {}, 'f:name': {}, ...fields } });
const podFields = (inner: object): object => ({ 'f:spec': { 'f:template': { 'f:spec': { 'f:containers': inner } } } });

test('only what drover holds by apply on the object itself is ours', () => {
  const set = { 'f:data': { 'f:a': {} } };
  assert.equal(ownedFields(live([field('drover', 'Apply', set)])).set, '{"f:data":{"f:a":{}}}');
  for (const other of [
    field('drover', 'Update', set),
    field('kubectl', 'Apply', set),
    field('drover', 'Apply', set, { subresource: 'status' }),
    field('drover', 'Apply', {}),
  ]) {
    assert.deepEqual(ownedFields(live([other])), { hash: '', set: '' }, JSON.stringify(other));
  }
  assert.deepEqual(ownedFields({ ...live([]), metadata: { name: 'a', uid: 'u', resourceVersion: '1' } }), { hash: '', set: '' });
});

test('the hash does not depend on the order of keys, the time or other managers', () => {
  const one = ownedFields(live([field('drover', 'Apply', { 'f:data': { 'f:a': {}, 'f:b': {} } })]));
  const other = ownedFields(
    live([
      field('kubectl', 'Update', { 'f:x': {} }),
      field('drover', 'Apply', { 'f:data': { 'f:b': {}, 'f:a': {} } }, { time: '2027-01-01T00:00:00Z' }),
    ]),
  );
  assert.deepEqual(one, other);
  assert.match(one.hash, /^[0-9a-f]{16}$/);
});

const cases: readonly {
  name: string;
  baseline: object;
  ours: object;
  others?: readonly ManagedField[];
  content?: object;
  paths: readonly string[];
  manager?: string;
}[] = [
  { name: 'nothing is lost', baseline: { 'f:data': { 'f:a': {} } }, ours: { 'f:data': { 'f:a': {} } }, paths: [] },
  {
    name: 'a field that another manager took is named with that manager',
    baseline: { 'f:data': { 'f:a': {}, 'f:b': {} } },
    ours: { 'f:data': { 'f:b': {} } },
    others: [field('kubectl-edit', 'Update', { 'f:data': { 'f:a': {} } })],
    paths: ['/data/a'],
    manager: 'kubectl-edit',
  },
  {
    name: 'a field that was removed has no manager',
    baseline: { 'f:data': { 'f:a': {}, 'f:b': {} } },
    ours: { 'f:data': { 'f:b': {} } },
    others: [field('kubectl-edit', 'Update', { 'f:data': { 'f:c': {} } })],
    paths: ['/data/a'],
  },
  {
    name: 'R14 a label of ours that was stripped is a path',
    baseline: { 'f:metadata': { 'f:labels': { 'f:drover.dev/managed': {} } }, 'f:data': { 'f:a': {} } },
    ours: { 'f:data': { 'f:a': {} } },
    paths: ['/metadata/labels/drover.dev~1managed'],
  },
  {
    name: 'a field of a list item is found by its index',
    baseline: podFields(container('web', { 'f:image': {} })),
    ours: podFields(container('web', {})),
    others: [field('edit', 'Update', podFields(container('web', { 'f:image': {} })))],
    content: containers('sidecar', 'web'),
    paths: ['/spec/template/spec/containers/1/image'],
    manager: 'edit',
  },
  {
    name: 'a list item that is gone is named by its keys, once',
    baseline: podFields({ ...container('web', { 'f:image': {} }), ...container('log', { 'f:image': {} }) }),
    ours: podFields(container('web', { 'f:image': {} })),
    content: containers('web'),
    paths: ['/spec/template/spec/containers/[name=log]'],
  },
  {
    name: 'an item with two keys shows both',
    baseline: { 'f:spec': { 'f:ports': { 'k:{"port":80,"protocol":"TCP"}': { '.': {}, 'f:port': {} } } } },
    ours: {},
    content: { spec: { ports: [] } },
    paths: ['/spec/ports/[port=80,protocol=TCP]'],
  },
  {
    name: 'a member of a set is found, or shown',
    baseline: { 'f:metadata': { 'f:finalizers': { 'v:"a/b"': {}, 'v:"c"': {} } } },
    ours: {},
    content: { metadata: { name: 'web', uid: 'u', resourceVersion: '1', finalizers: ['c'] } },
    paths: ['/metadata/finalizers/[a~1b]', '/metadata/finalizers/0'],
  },
  {
    name: 'a manager that holds a whole map holds what is below it',
    baseline: { 'f:spec': { 'f:selector': { 'f:app': {} } } },
    ours: {},
    others: [field('controller', 'Update', { 'f:spec': { 'f:selector': {} } })],
    paths: ['/spec/selector/app'],
    manager: 'controller',
  },
  {
    name: 'nothing at all is ours any more',
    baseline: { 'f:data': { 'f:a': {}, 'f:b': {} } },
    ours: {},
    others: [field('replace', 'Update', { 'f:data': { 'f:a': {}, 'f:b': {} } })],
    paths: ['/data/a', '/data/b'],
    manager: 'replace',
  },
];
for (const { name, baseline, ours, others = [], content = {}, paths, manager } of cases) {
  test(`lostPaths: ${name}`, () => {
    const { set } = ownedFields(live([field('drover', 'Apply', baseline)]));
    const now = { ...live([field('drover', 'Apply', ours), ...others]), ...content } as LiveObject;
    const found = { ...now, metadata: { ...now.metadata, managedFields: [field('drover', 'Apply', ours), ...others] } };
    assert.deepEqual(lostPaths(set, found), manager === undefined ? { paths } : { paths, manager });
  });
}

test('the latest of several managers is named', () => {
  const set = { 'f:data': { 'f:a': {} } };
  const object = live([
    field('early', 'Update', set, { time: '2026-11-01T00:00:00Z' }),
    field('late', 'Update', set, { time: '2026-11-02T00:00:00Z' }),
    field('drover', 'Apply', set, { time: '2026-11-03T00:00:00Z' }),
  ]);
  assert.equal(managerOf(object, ['f:data', 'f:a']), 'late');
  assert.equal(managerOf(object, ['f:data', 'f:b']), undefined);
});

test('a report names no more paths than people read', () => {
  const many = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`f:k${n}`, {}]));
  const { set } = ownedFields(live([field('drover', 'Apply', { 'f:data': many })]));
  assert.equal(lostPaths(set, live([])).paths.length, MAX_PATHS);
});

test('what a correction took back is told from the object before and the response after', () => {
  const before = live([
    field('drover', 'Apply', { 'f:data': { 'f:b': {} } }),
    field('kubectl-edit', 'Update', { 'f:data': { 'f:a': {} } }),
  ]);
  const after = live([field('drover', 'Apply', { 'f:data': { 'f:a': {}, 'f:b': {} } })]);
  assert.deepEqual(driftBetween(before, after), { paths: ['/data/a'], manager: 'kubectl-edit' });
  assert.deepEqual(driftBetween(after, after), { paths: [] });
});
