import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allKinds, lookupKind, readDiscovery } from './discovery.ts';

const resource = (kind: string, plural: string, scope = 'Namespaced', verbs = ['get', 'list', 'watch', 'patch']) => ({
  resource: plural,
  responseKind: { group: '', version: '', kind },
  scope,
  verbs,
});
const list = (...items: object[]) => ({ kind: 'APIGroupDiscoveryList', apiVersion: 'apidiscovery.k8s.io/v2', items });
const group = (name: string | undefined, ...versions: object[]) => ({ metadata: name === undefined ? {} : { name }, versions });

const core = list(
  group(undefined, {
    version: 'v1',
    freshness: 'Current',
    resources: [
      resource('ConfigMap', 'configmaps'),
      resource('Namespace', 'namespaces', 'Cluster'),
      resource('Binding', 'bindings', 'Namespaced', ['create']),
    ],
  }),
);
const apps = group('apps', { version: 'v1', freshness: 'Current', resources: [resource('Deployment', 'deployments')] });
const dead = group('metrics.example', { version: 'v1', freshness: 'Stale', resources: [] });

test('a served kind is found with its plural and scope', () => {
  const index = readDiscovery([core, list(apps)]);
  assert.deepEqual(lookupKind(index, '', 'v1', 'Namespace'), {
    type: 'served',
    info: { group: '', version: 'v1', kind: 'Namespace', resource: 'namespaces', namespaced: false },
  });
  assert.deepEqual(lookupKind(index, 'apps', 'v1', 'Deployment'), {
    type: 'served',
    info: { group: 'apps', version: 'v1', kind: 'Deployment', resource: 'deployments', namespaced: true },
  });
});

test('F21 a kind is absent only when its group version was read in full', () => {
  const index = readDiscovery([core, list(apps, dead)]);
  assert.equal(lookupKind(index, 'apps', 'v1', 'Widget').type, 'absent');
  assert.equal(lookupKind(index, 'metrics.example', 'v1', 'Widget').type, 'unavailable');
});

test('R19 a group that is not listed is no statement about its kinds', () => {
  const index = readDiscovery([core, list(apps)]);
  assert.equal(lookupKind(index, 'metrics.example', 'v1', 'Widget').type, 'unlisted');
});

test('R15 a kind does not vanish with one of its versions', () => {
  const index = readDiscovery([core, list(apps)]);
  const lookup = lookupKind(index, 'apps', 'v1beta1', 'Deployment');
  assert.equal(lookup.type, 'absent');
  assert.equal(lookup.type === 'absent' ? lookup.elsewhere?.version : undefined, 'v1');
  const half = group(
    'half.example',
    { version: 'v2', freshness: 'Current', resources: [] },
    { version: 'v1', freshness: 'Stale', resources: [] },
  );
  assert.equal(lookupKind(readDiscovery([core, list(half)]), 'half.example', 'v2', 'Widget').type, 'unavailable');
});

test('R19 the list of kinds is whole or not there', () => {
  assert.deepEqual(
    allKinds(readDiscovery([core, list(apps)]))?.map(({ kind }) => kind),
    ['ConfigMap', 'Namespace', 'Deployment'],
  );
  assert.equal(allKinds(readDiscovery([core, list(apps, dead)])), undefined);
});

test('I2 what is no discovery document is refused, not read as empty', () => {
  for (const bad of [null, {}, { kind: 'APIVersions', versions: ['v1'] }, { kind: 'APIGroupDiscoveryList' }]) {
    assert.throws(() => readDiscovery([bad]), TypeError);
  }
});
