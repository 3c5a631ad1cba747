import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parseConfiguration } from './parse.ts';
import { problemsOf, read } from './testdata/read.ts';
import { DEFAULT_DELETES } from './types.ts';

const manifest = readFileSync(new URL('./testdata/flux-v1beta2.yaml', import.meta.url), 'utf8');

test('a GitRepository and a Kustomization of Flux v1beta2 are a source and a Delivery with the defaults of Flux', () => {
  const { sources, deliveries, problems } = parseConfiguration([{ path: 'drover/gotk-sync.yaml', bytes: manifest }]);
  assert.deepEqual(problems, []);
  assert.deepEqual(sources, [
    {
      namespace: 'flux-system',
      name: 'flux-system',
      url: 'https://git.example.com/fleet.git',
      ref: { type: 'branch', name: 'main' },
      intervalMs: 300_000,
      timeoutMs: 60_000,
      insecure: false,
      forcePush: 'Follow',
      suspend: false,
      position: { file: 'drover/gotk-sync.yaml', line: 5, column: 9 },
    },
  ]);
  assert.deepEqual(deliveries, [
    {
      namespace: 'flux-system',
      name: 'flux-system',
      sourceRef: { kind: 'GitRepository', namespace: 'flux-system', name: 'flux-system' },
      path: 'clusters/my-cluster',
      targeting: { type: 'flux' },
      mode: 'Enforce',
      prune: true,
      intervalMs: 600_000,
      retryIntervalMs: 600_000,
      timeoutMs: 600_000,
      dependsOn: [],
      wait: false,
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
      deletionPolicy: 'Delete',
      deletes: DEFAULT_DELETES,
      suspend: false,
      position: { file: 'drover/gotk-sync.yaml', line: 16, column: 9 },
    },
  ]);
});

for (const version of ['v1', 'v1beta1']) {
  test(`the same manifests are read as ${version}`, () => {
    const configuration = read(manifest.replaceAll('v1beta2', version));
    assert.deepEqual(configuration.problems, []);
    assert.equal(configuration.deliveries.length, 1);
  });
}

const GIT = `apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: { name: apps }
spec: { interval: 1m, url: "https://x/y" }
---
`;

const kustomization = (spec: string, metadata = ''): string => `${GIT}apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: { name: apps${metadata} }
spec: { interval: 10m, prune: true, sourceRef: { kind: GitRepository, name: apps }${spec} }
`;

test('without namespace, Flux manifests are in namespace drover and follow master', () => {
  const { sources, deliveries, problems } = read(kustomization(''));
  assert.deepEqual(problems, []);
  assert.deepEqual([sources[0]?.namespace, sources[0]?.ref], ['drover', { type: 'branch', name: 'master' }]);
  assert.deepEqual([deliveries[0]?.namespace, deliveries[0]?.path], ['drover', '']);
});

test('the annotation drover.dev/clusters selects the clusters', () => {
  const { deliveries, problems } = read(kustomization('', ', annotations: { drover.dev/clusters: "env=prod,!edge" }'));
  assert.deepEqual(problems, []);
  assert.deepEqual(deliveries[0]?.targeting, {
    type: 'selector',
    selector: {
      matchLabels: {},
      matchExpressions: [
        { key: 'env', operator: 'In', values: ['prod'] },
        { key: 'edge', operator: 'DoesNotExist', values: [] },
      ],
    },
  });
});

const policies: readonly (readonly [string, 'Delete' | 'Orphan'])[] = [
  ['', 'Delete'],
  [', deletionPolicy: MirrorPrune', 'Delete'],
  [', deletionPolicy: Orphan', 'Orphan'],
];
for (const [policy, want] of policies) {
  test(`a pruning Kustomization${policy || ' without deletionPolicy'} leaves by ${want}`, () =>
    assert.equal(read(kustomization(policy)).deliveries[0]?.deletionPolicy, want));
}

test('a Kustomization that does not prune leaves its objects, unless it says Delete', () => {
  const keeping = (policy: string): string => kustomization(policy).replace('prune: true', 'prune: false');
  assert.equal(read(keeping('')).deliveries[0]?.deletionPolicy, 'Orphan');
  assert.equal(read(keeping(', deletionPolicy: Delete')).deliveries[0]?.deletionPolicy, 'Delete');
});

test('a path may start with a slash in Flux', () => {
  assert.equal(read(kustomization(', path: /clusters/a/')).deliveries[0]?.path, 'clusters/a');
});

test('retries and timeouts are read where they are written', () => {
  const { deliveries } = read(kustomization(', retryInterval: 2m, timeout: 5m, wait: true'));
  assert.deepEqual([deliveries[0]?.retryIntervalMs, deliveries[0]?.timeoutMs, deliveries[0]?.wait], [120_000, 300_000, true]);
});

test('fields that only say what holds anyway are accepted', () => {
  const fields = [
    ', force: false, patchesStrategicMerge: [], patchesJson6902: [], validation: client, ignoreMissingComponents: false, healthCheckExprs: []',
    ', postBuild: { substitute: { a: b }, substituteFrom: [] }, patches: [{ patch: "x: 1" }], images: [{ name: a, newTag: b }], components: [../c]',
    ', dependsOn: [], targetNamespace: shop, commonMetadata: { labels: { a: b } }, namePrefix: x-, suspend: true, healthChecks: []',
  ];
  for (const field of fields) assert.deepEqual(read(kustomization(field)).problems, [], field);
});

const refused: readonly (readonly [string, string])[] = [
  [', decryption: { provider: sops }', 'FIELD_NOT_YET 9:85 spec.decryption is not implemented yet; remove it'],
  [', serviceAccountName: x', 'FIELD_NOT_YET 9:85 spec.serviceAccountName is not implemented yet; remove it, or write ""'],
  [', kubeConfig: { secretRef: { name: x } }', 'FIELD_NOT_YET 9:85 spec.kubeConfig is not implemented yet; remove it'],
  [', force: true', 'FIELD_NOT_YET 9:85 spec.force is not implemented yet; remove it, or write false'],
  [
    ', postBuild: { substituteFrom: [{ kind: ConfigMap, name: x }] }',
    'FIELD_NOT_YET 9:98 spec.postBuild.substituteFrom is not implemented yet; remove it, or write []',
  ],
  [
    ', deletionPolicy: WaitForTermination',
    'FIELD_NOT_YET 9:101 spec.deletionPolicy WaitForTermination is not implemented yet; write MirrorPrune, Delete or Orphan',
  ],
  [', patchesJson6902: [{ patch: x }]', 'FIELD_NOT_YET 9:85 spec.patchesJson6902 is not implemented yet; remove it, or write []'],
  [', dependOn: []', 'FIELD_UNKNOWN 9:85 spec.dependOn is no field; did you mean dependsOn?'],
  [', untargeted: Leave', 'FIELD_UNKNOWN 9:85 spec.untargeted is no field'],
];

for (const [field, problem] of refused)
  test(`${field.slice(2)} is refused in a Kustomization`, () => assert.deepEqual(problemsOf(read(kustomization(field))), [problem]));

test('interval, prune and sourceRef are required, as in Flux', () => {
  const bare = kustomization('').replace(/spec: \{ interval: 10m.*/, 'spec: {}');
  assert.deepEqual(problemsOf(read(bare)), [
    'CONFIG_INVALID 9:7 spec.interval is missing',
    'CONFIG_INVALID 9:7 spec.prune is missing',
    'CONFIG_INVALID 9:7 spec.sourceRef is missing',
  ]);
});

test('other sources and annotations of Flux are refused by name', () => {
  assert.deepEqual(
    problemsOf(read(kustomization('').replace('kind: GitRepository, name: apps }', 'kind: ExternalArtifact, name: apps }'))),
    ['FIELD_NOT_YET 9:56 spec.sourceRef.kind ExternalArtifact is not implemented yet; write GitRepository'],
  );
  assert.deepEqual(problemsOf(read(kustomization('', ', annotations: { kustomize.toolkit.fluxcd.io/ssa: merge }'))), [
    'FIELD_NOT_YET 8:40 metadata.annotations["kustomize.toolkit.fluxcd.io/ssa"] is not implemented yet; remove it',
  ]);
  assert.deepEqual(problemsOf(read(kustomization('', ', annotations: { drover.dev/clusters: "env in" }'))), [
    'CONFIG_INVALID 8:61 metadata.annotations["drover.dev/clusters"] is no selector; write env=prod,region in (eu,us)',
  ]);
});

test('a GitRepository of Flux may use http, and refuses what is not supported', () => {
  const source = (fields: string): string => GIT.replace('"https://x/y" }', fields).replace('---\n', '');
  assert.equal(read(source('"http://x/y" }')).sources[0]?.insecure, true);
  assert.deepEqual(problemsOf(read(source('"https://x/y", verify: { mode: HEAD } }'))), [
    'FIELD_NOT_YET 4:43 spec.verify is not implemented yet; remove it',
  ]);
  assert.deepEqual(problemsOf(read(source('"https://x/y", recurseSubmodules: true }'))), [
    'FIELD_NOT_YET 4:43 spec.recurseSubmodules is not implemented yet; remove it, or write false',
  ]);
  assert.deepEqual(read(source('"https://x/y", gitImplementation: go-git, ref: { branch: a, tag: b } }')).sources[0]?.ref, {
    type: 'tag',
    name: 'b',
  });
});
