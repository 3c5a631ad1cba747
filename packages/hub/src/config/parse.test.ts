import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseConfiguration } from './parse.ts';
import { delivery, problemsOf, read, SOURCE } from './testdata/read.ts';
import type { Configuration } from './types.ts';
import { ZERO_DELIVERY, zeroConfiguration } from './zero.ts';

const named = (name: string, dependsOn: readonly string[] = []): string =>
  delivery(`dependsOn: [${dependsOn.map((one) => `{ name: ${one} }`).join(', ')}]`)
    .slice(SOURCE.length + 4)
    .replace('name: shop', `name: ${name}`);
const names = (configuration: Configuration): readonly string[] => configuration.deliveries.map(({ name }) => name);
const files = (...texts: readonly string[]): Configuration =>
  parseConfiguration(texts.map((bytes, index) => ({ path: `drover/${index}.yaml`, bytes })));
const codes = (configuration: Configuration): readonly string[] => configuration.problems.map(({ code }) => code);

test('no files are an empty configuration', () => {
  assert.deepEqual(parseConfiguration([]), {
    sources: [],
    deliveries: [],
    clusters: [],
    problems: [],
    refused: [],
    unreadable: [],
    warnings: [],
  });
});

test('B46 one bad document leaves the others in force', () => {
  const configuration = files(SOURCE, named('a'), named('b').replace('dependsOn', 'dependson'), named('c'));
  assert.deepEqual(names(configuration), ['a', 'c']);
  assert.deepEqual(configuration.refused, ['Delivery/drover/b']);
  assert.deepEqual(configuration.unreadable, []);
  assert.deepEqual(
    configuration.problems.map(({ position }) => position),
    [{ file: 'drover/2.yaml', line: 6, column: 3 }],
  );
});

test('a file that is no YAML is unreadable, and its other documents are in force', () => {
  const configuration = files(`${SOURCE}---\n${named('a')}---\nb: [\n---\n${named('c')}`, `a:\n\tb`);
  assert.deepEqual(names(configuration), ['a', 'c']);
  assert.deepEqual(configuration.unreadable, ['drover/0.yaml', 'drover/1.yaml']);
  assert.deepEqual(codes(configuration), ['YAML_INVALID', 'YAML_INVALID']);
});

test('a document without a name makes its file unreadable', () => {
  assert.deepEqual(files('apiVersion: drover.dev/v1alpha1\nkind: Delivery\n').unreadable, ['drover/0.yaml']);
  assert.deepEqual(files('- a\n').unreadable, ['drover/0.yaml']);
  assert.deepEqual(files('text\n').unreadable, ['drover/0.yaml']);
});

test('a kustomization file is a problem, and hides nothing', () => {
  const configuration = files('apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\n');
  assert.deepEqual([codes(configuration), configuration.refused, configuration.unreadable], [['KIND_UNKNOWN'], [], []]);
});

test('a misspelt kind may have been any, and does not hide a good document of the same name', () => {
  const configuration = files(SOURCE, named('fleet').replace('kind: Delivery', 'kind: Delivry'));
  assert.deepEqual(problemsOf(configuration), ['KIND_UNKNOWN 2:7 Delivry configures nothing; did you mean Delivery?']);
  assert.equal(configuration.sources.length, 1);
  assert.deepEqual(configuration.refused, ['Cluster/drover/fleet', 'Delivery/drover/fleet', 'Kustomization/drover/fleet']);
});

const kinds: readonly (readonly [apiVersion: string, kind: string, problem: string])[] = [
  ['drover.dev/v1', 'Delivery', 'KIND_UNKNOWN 1:13 Delivery of drover.dev/v1 is not known; write apiVersion: drover.dev/v1alpha1'],
  ['drover.dev/v1alpha1', 'RolloutStrategy', 'FIELD_NOT_YET 2:7 kind RolloutStrategy is not implemented yet'],
  ['helm.toolkit.fluxcd.io/v2', 'HelmRelease', 'FIELD_NOT_YET 2:7 kind HelmRelease is not implemented yet'],
  ['source.toolkit.fluxcd.io/v1', 'OCIRepository', 'FIELD_NOT_YET 2:7 kind OCIRepository is not implemented yet'],
  ['v1', 'ConfigMap', 'KIND_UNKNOWN 2:7 ConfigMap configures nothing; known are GitRepository, Delivery, Cluster, Kustomization'],
  [
    'kustomize.config.k8s.io/v1beta1',
    'Kustomization',
    'KIND_UNKNOWN 1:13 configuration is not built by kustomize; write its documents as files',
  ],
  [
    'cluster.x-k8s.io/v1beta1',
    'Cluster',
    'KIND_UNKNOWN 1:13 Cluster of cluster.x-k8s.io/v1beta1 is not known; write apiVersion: drover.dev/v1alpha1',
  ],
];

for (const [apiVersion, kind, problem] of kinds) {
  test(`${kind} of ${apiVersion} is refused`, () =>
    assert.deepEqual(problemsOf(read(`apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: { name: x }\n`)), [problem]));
}

test('what two documents configure is refused with both places, in both kinds of words', () => {
  const flux = named('a')
    .replace('drover.dev/v1alpha1', 'kustomize.toolkit.fluxcd.io/v1')
    .replace('Delivery', 'Kustomization')
    .replace('spec:\n', 'spec:\n  interval: 1m\n  prune: true\n');
  const configuration = files(SOURCE, named('a'), named('b'), named('a'), flux);
  assert.deepEqual(names(configuration), ['b']);
  assert.deepEqual(configuration.refused, ['Delivery/drover/a']);
  assert.deepEqual(
    configuration.problems.map(({ code, message, position }) => [code, message, position?.file]),
    [
      ['CONFIG_DUPLICATE', 'it is configured twice, first at drover/1.yaml:3:19', 'drover/3.yaml'],
      ['CONFIG_DUPLICATE', 'it is configured twice, first at drover/1.yaml:3:19', 'drover/4.yaml'],
    ],
  );
});

test('a cluster has its name once, whatever the namespace', () => {
  const cluster = (namespace: string): string =>
    `apiVersion: drover.dev/v1alpha1\nkind: Cluster\nmetadata: { name: prod-eu, namespace: ${namespace} }\n`;
  const configuration = files(cluster('a'), cluster('b'));
  assert.deepEqual(configuration.clusters, []);
  assert.deepEqual(configuration.refused, ['Cluster/a/prod-eu', 'Cluster/b/prod-eu']);
});

test('a cluster has labels, variables, mode and suspension', () => {
  const text = `apiVersion: drover.dev/v1alpha1
kind: Cluster
metadata: { name: prod-eu, labels: { env: prod, drover.dev/name: prod-eu } }
spec: { vars: { domain: eu.example.com, country: "NO" }, varsFrom: [], mode: observe, suspend: true }
`;
  assert.deepEqual(read(text).clusters, [
    {
      namespace: 'drover',
      name: 'prod-eu',
      labels: { env: 'prod', 'drover.dev/name': 'prod-eu' },
      vars: { domain: 'eu.example.com', country: 'NO' },
      mode: 'Observe',
      suspend: true,
      position: { file: 'drover/fleet.yaml', line: 3, column: 19 },
    },
  ]);
  assert.deepEqual(problemsOf(read(text.replace('"NO"', 'NO'))), ['CONFIG_INVALID 4:50 spec.vars.country must be text; write "NO"']);
  assert.deepEqual(problemsOf(read(text.replace('"NO"', '~'))), ['CONFIG_INVALID 4:50 spec.vars.country must be text; write "~"']);
  assert.deepEqual(problemsOf(read(text.replace('name: prod-eu }', 'name: other }'))), [
    'CONFIG_INVALID 3:66 metadata.labels["drover.dev/name"] must be prod-eu: every cluster carries its name',
  ]);
  assert.deepEqual(problemsOf(read(text.replace('varsFrom: []', 'varsFrom: [{ kind: ConfigMap, name: x }]'))), [
    'FIELD_NOT_YET 4:58 spec.varsFrom is not implemented yet; remove it, or write []',
  ]);
});

test('a Delivery whose source or dependency is not configured is refused, with the nearest name', () => {
  const configuration = files(SOURCE, named('a', ['bb']), named('b'), named('c').replace('name: fleet', 'name: fleed'));
  assert.deepEqual(names(configuration), ['b']);
  assert.deepEqual(problemsOf(configuration), [
    'CONFIG_REFERENCE 6:23 Delivery bb is not configured; did you mean b?',
    'CONFIG_REFERENCE 5:43 GitRepository fleed is not configured; did you mean fleet?',
  ]);
  assert.deepEqual(configuration.refused, ['Delivery/drover/a', 'Delivery/drover/c']);
});

test('a reference to what was refused itself, or may stand in an unreadable file, is kept', () => {
  assert.deepEqual(names(files(SOURCE.replace('https', 'ext'), named('a'))), ['a']);
  assert.deepEqual(names(files(SOURCE, named('a', ['b']), named('b').replace('spec', 'sepc'))), ['a']);
  assert.deepEqual(names(files(SOURCE, named('a', ['b']), 'x: [')), ['a']);
});

test('Deliveries that wait for each other are refused, with the circle', () => {
  const configuration = files(SOURCE, named('a', ['b']), named('b', ['c']), named('c', ['b']), named('d', ['d']));
  assert.deepEqual(names(configuration), ['a']);
  assert.deepEqual(
    configuration.problems.map(({ code, message }) => `${code} ${message}`),
    [
      'DEPENDENCY_CYCLE it waits for itself: b → c → b',
      'DEPENDENCY_CYCLE it waits for itself: b → c → b',
      'DEPENDENCY_CYCLE it waits for itself: d → d',
    ],
  );
});

const FLAGS = { url: 'https://git.example.com/fleet.git', insecure: false };

test('--source alone is one source and one Delivery', () => {
  const configuration = zeroConfiguration(FLAGS);
  assert.deepEqual(configuration, parseConfiguration([], FLAGS));
  assert.deepEqual(configuration.sources, [
    {
      namespace: 'drover',
      name: 'fleet',
      url: 'https://git.example.com/fleet.git',
      ref: { type: 'head' },
      intervalMs: 60_000,
      timeoutMs: 60_000,
      insecure: false,
      forcePush: 'Follow',
      suspend: false,
    },
  ]);
  const { deliveries } = configuration;
  assert.deepEqual(
    [deliveries[0]?.path, deliveries[0]?.targeting, deliveries[0]?.prune, deliveries[0]?.wait],
    ['clusters/${cluster.name}', { type: 'path' }, true, true],
  );
});

test('the Delivery of --source is what the schema makes of its fields', () => {
  const written = read(delivery('path: clusters/${cluster.name}').replace('{ name: shop }', '{ name: fleet }')).deliveries[0];
  assert.deepEqual({ ...written, position: undefined }, { ...ZERO_DELIVERY, position: undefined });
});

test('files beside --source may refer to its source, and replace its Delivery', () => {
  const configuration = parseConfiguration([{ path: 'a.yaml', bytes: named('shop') }], FLAGS);
  assert.deepEqual(configuration.problems, []);
  assert.deepEqual(names(configuration), ['shop']);
  assert.equal(configuration.sources.length, 1);
});

test('files that speak of no Delivery keep the one of --source', () => {
  const cluster = 'apiVersion: drover.dev/v1alpha1\nkind: Cluster\nmetadata: { name: a }\n';
  assert.deepEqual(names(parseConfiguration([{ path: 'a.yaml', bytes: cluster }], FLAGS)), ['fleet']);
});

test('files whose Deliveries are all refused keep the last good form of what they replace', () => {
  const configuration = parseConfiguration([{ path: 'a.yaml', bytes: named('shop').replace('sourceRef', 'sauceRef') }], FLAGS);
  assert.deepEqual(names(configuration), []);
  assert.deepEqual(configuration.refused, ['Delivery/drover/fleet', 'Delivery/drover/shop']);
  assert.deepEqual(names(parseConfiguration([{ path: 'a.yaml', bytes: 'a: [' }], FLAGS)), []);
});

test('a file cannot configure the source that --source makes', () => {
  const configuration = parseConfiguration([{ path: 'a.yaml', bytes: SOURCE }], FLAGS);
  assert.deepEqual(problemsOf(configuration), ['CONFIG_DUPLICATE 3:19 --source makes it; give it another name']);
  assert.equal(configuration.sources.length, 1);
  assert.deepEqual(names(configuration), ['fleet']);
});

test('whatever is written, every document is in force, refused by name, or in an unreadable file, and never more', () => {
  const mutation = fc.record({
    at: fc.nat(),
    cut: fc.nat({ max: 12 }),
    put: fc.constantFrom('', ' ', '\n', ':', '- ', '[', '"', 'x', '---\n', '\t', '{}', 'null', '&a ', '*a', '#'),
  });
  fc.assert(
    fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), (mutations) => {
      const original = `${SOURCE}---\n${named('a')}---\n${named('b', ['a'])}`;
      const text = mutations.reduce((before, { at, cut, put }) => {
        const index = at % before.length;
        return before.slice(0, index) + put + before.slice(index + cut);
      }, original);
      const configuration = read(text);
      const told = configuration.problems.length > 0;
      const partly = configuration.refused.length > 0 || configuration.unreadable.length > 0;
      assert.equal(partly && !told, false);
      for (const problem of configuration.problems) assert.equal(problem.position?.file, 'drover/fleet.yaml');
      assert.notEqual(codes(configuration).includes('UNEXPECTED'), true);
    }),
    { numRuns: 500 },
  );
});
