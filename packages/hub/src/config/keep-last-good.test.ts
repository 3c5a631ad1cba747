import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keepLastGood } from './keep-last-good.ts';
import { parseConfiguration } from './parse.ts';
import { delivery } from './testdata/read.ts';
import type { Configuration } from './types.ts';
import { zeroConfiguration } from './zero.ts';

const FLAGS = { url: 'https://x/y', insecure: false };
const cluster = 'apiVersion: drover.dev/v1alpha1\nkind: Cluster\nmetadata: { name: prod-eu, labels: { env: prod } }\n';
const good = delivery();
const parse = (...texts: readonly string[]): Configuration =>
  parseConfiguration(texts.map((bytes, index) => ({ path: `${index}.yaml`, bytes })));
const all = ({ sources, deliveries, clusters }: Configuration): readonly string[] =>
  [...sources, ...deliveries, ...clusters].map(({ name }) => name);

test('what was removed is gone', () => {
  assert.deepEqual(all(keepLastGood(parse(good, cluster), parse())), []);
});

test('what was refused keeps its last good form', () => {
  const bad = parse(good.replace('https:', 'ext:').replace('sourceRef', 'x'), cluster.replace('env: prod', 'env: 1'));
  assert.deepEqual(all(bad), []);
  assert.deepEqual(all(keepLastGood(parse(good, cluster), bad)), ['fleet', 'shop', 'prod-eu']);
  assert.deepEqual(keepLastGood(parse(good, cluster), bad).clusters[0]?.labels, { env: 'prod' });
});

test('while a file is unreadable nothing that is absent counts as removed', () => {
  assert.deepEqual(all(keepLastGood(parse(good, cluster), parse('a: [', cluster.replace('prod-eu', 'prod-us')))), [
    'fleet',
    'shop',
    'prod-us',
    'prod-eu',
  ]);
});

test('what is in force comes as it is now', () => {
  const now = keepLastGood(
    parse(good),
    parse(good.replace('shop', 'shop, annotations: {}').replace('spec:\n', 'spec:\n  prune: false\n'), 'a: ['),
  );
  assert.deepEqual(
    now.deliveries.map(({ prune }) => prune),
    [false],
  );
});

test('the Delivery of --source stays while those that replace it cannot be read', () => {
  const next = parseConfiguration(
    [{ path: 'a.yaml', bytes: good.split('---\n')[1]?.replace('prune', 'prun').replace('sourceRef', 'x') ?? '' }],
    FLAGS,
  );
  assert.deepEqual(all(keepLastGood(zeroConfiguration(FLAGS), next)), ['fleet', 'fleet']);
});
