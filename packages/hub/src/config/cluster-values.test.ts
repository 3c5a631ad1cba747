import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DroverError } from '@drover/contract';
import fc from 'fast-check';
import { clusterReferences, resolveClusterValues } from './cluster-values.ts';

const cluster = {
  name: 'prod-eu',
  labels: { env: 'prod', 'example.com/zone': 'b', slash: 'a/b', up: '..', blank: '' },
  vars: { domain: 'eu.example.com' },
};

const resolved: readonly (readonly [string, string])[] = [
  ['clusters/${cluster.name}', 'clusters/prod-eu'],
  ['${cluster.labels["env"]}/${cluster.vars.domain}', 'prod/eu.example.com'],
  ['${cluster.labels.env}-x', 'prod-x'],
  ['zones/${cluster.labels["example.com/zone"]}', 'zones/b'],
  ['${cluster.vars["domain"]}', 'eu.example.com'],
  ['base', 'base'],
  ['', ''],
  ['a$b', 'a$b'],
];

for (const [text, path] of resolved)
  test(`${text || 'an empty path'} becomes ${path || 'the root'}`, () => assert.equal(resolveClusterValues(text, cluster), path));

const refused: readonly (readonly [string, string])[] = [
  ['${cluster.labels["none"]}', 'CLUSTER_VALUE_MISSING'],
  ['${cluster.labels["constructor"]}', 'CLUSTER_VALUE_MISSING'],
  ['${cluster.vars.none}', 'CLUSTER_VALUE_MISSING'],
  ['${cluster.labels["slash"]}', 'CLUSTER_VALUE_REFUSED'],
  ['${cluster.labels["up"]}', 'CLUSTER_VALUE_REFUSED'],
  ['a/${cluster.labels["up"]}/b', 'CLUSTER_VALUE_REFUSED'],
  ['${cluster.labels["blank"]}', 'CLUSTER_VALUE_REFUSED'],
  ['${cluster.facts.version}', 'FIELD_NOT_YET'],
  ['${name}', 'CONFIG_INVALID'],
  ['${cluster.uid}', 'CONFIG_INVALID'],
  ['${cluster.name', 'CONFIG_INVALID'],
  ['${cluster.name:-x}', 'CONFIG_INVALID'],
];

for (const [text, code] of refused) {
  test(`${text} is refused by ${code}`, () => {
    assert.throws(
      () => resolveClusterValues(text, cluster),
      (error) => error instanceof DroverError && error.code === code,
    );
  });
}

test('what is read is told, also what is absent', () => {
  const reads: unknown[] = [];
  const onRead = (reference: unknown, value: string | undefined): void => void reads.push([reference, value]);
  assert.throws(() => resolveClusterValues('${cluster.name}/${cluster.vars.none}', cluster, onRead));
  assert.deepEqual(reads, [
    [{ from: 'name' }, 'prod-eu'],
    [{ from: 'vars', key: 'none' }, undefined],
  ]);
});

test('no value of a cluster leads out of the directory that a path names', () => {
  const value = fc.oneof(fc.string(), fc.constantFrom('.', '..', 'a/b', '/', '%2e%2e', '-x', 'a..b'));
  fc.assert(
    fc.property(value, (text) => {
      try {
        const path = resolveClusterValues('a/${cluster.vars.k}/b', { name: 'x', labels: {}, vars: { k: text } });
        assert.equal(path.split('/').length, 3);
        assert.ok(!path.split('/').some((segment) => segment === '..' || segment === '.' || segment === ''));
      } catch (error) {
        assert.ok(error instanceof DroverError);
      }
    }),
  );
});

test('references are listed in the order of the text', () => {
  assert.deepEqual(clusterReferences('${cluster.vars.a}/${cluster.labels["b"]}/${cluster.name}'), [
    { from: 'vars', key: 'a' },
    { from: 'labels', key: 'b' },
    { from: 'name' },
  ]);
});
