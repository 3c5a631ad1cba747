import assert from 'node:assert/strict';
import { test } from 'node:test';
import { delivery, FIRST_FIELD, problemsOf, read } from './testdata/read.ts';
import type { Delivery } from './types.ts';
import { DEFAULT_DELETES } from './types.ts';

function only(...fields: readonly string[]): Delivery {
  const configuration = read(delivery(...fields));
  assert.deepEqual(problemsOf(configuration), []);
  assert.equal(configuration.deliveries.length, 1);
  return configuration.deliveries[0] as Delivery;
}

test('a Delivery has the defaults of the API', () => {
  assert.deepEqual(only(), {
    namespace: 'drover',
    name: 'shop',
    sourceRef: { kind: 'GitRepository', namespace: 'drover', name: 'fleet' },
    path: '',
    targeting: { type: 'path' },
    mode: 'Enforce',
    prune: true,
    intervalMs: 600_000,
    retryIntervalMs: 60_000,
    timeoutMs: 300_000,
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
    position: { file: 'drover/fleet.yaml', line: 8, column: 19 },
  });
});

const accepted: readonly (readonly [field: string, want: Partial<Delivery>])[] = [
  ['path: clusters/${cluster.name}', { path: 'clusters/${cluster.name}' }],
  ['path: ./clusters//${cluster.labels["env"]}/./x/', { path: 'clusters/${cluster.labels["env"]}/x' }],
  ['path: .', { path: '' }],
  ['clusters: {}', { targeting: { type: 'selector', selector: { matchLabels: {}, matchExpressions: [] } } }],
  [
    'clusters: { matchLabels: { env: prod } }',
    { targeting: { type: 'selector', selector: { matchLabels: { env: 'prod' }, matchExpressions: [] } } },
  ],
  [
    'clusters: { matchExpressions: [{ key: env, operator: in, values: [a, b] }, { key: edge, operator: doesNotExist }] }',
    {
      targeting: {
        type: 'selector',
        selector: {
          matchLabels: {},
          matchExpressions: [
            { key: 'env', operator: 'In', values: ['a', 'b'] },
            { key: 'edge', operator: 'DoesNotExist', values: [] },
          ],
        },
      },
    },
  ],
  ['clusters: null', { targeting: { type: 'path' } }],
  ['mode: observe', { mode: 'Observe' }],
  ['prune: false', { prune: false }],
  ['prune: no', { prune: false }],
  ['interval: 30m', { intervalMs: 1_800_000 }],
  ['retryInterval: 1m30s', { retryIntervalMs: 90_000 }],
  ['timeout: 90s', { timeoutMs: 90_000 }],
  ['wait: false', { wait: false }],
  [
    'healthChecks: [{ kind: Deployment, name: web, namespace: shop }]',
    { healthChecks: [{ apiVersion: 'apps/v1', kind: 'Deployment', namespace: 'shop', name: 'web' }] },
  ],
  [
    'healthChecks: [{ kind: Namespace, name: shop, namespace: x }]',
    { healthChecks: [{ apiVersion: 'v1', kind: 'Namespace', name: 'shop' }] },
  ],
  [
    'healthChecks: [{ apiVersion: example.com/v1, kind: Thing, name: a }]',
    { healthChecks: [{ apiVersion: 'example.com/v1', kind: 'Thing', name: 'a' }] },
  ],
  [
    'healthChecks: [{ apiVersion: example.com/v1, kind: Namespace, name: a, namespace: b }]',
    { healthChecks: [{ apiVersion: 'example.com/v1', kind: 'Namespace', namespace: 'b', name: 'a' }] },
  ],
  ['healthCheckExprs: []', {}],
  ['postBuild: {}', { postBuild: { substitute: {}, strategy: 'Strict' } }],
  [
    'postBuild: { substitute: { tier: gold, zone: "${cluster.vars.zone}" }, substituteFrom: [], substituteStrategy: loose }',
    { postBuild: { substitute: { tier: 'gold', zone: '${cluster.vars.zone}' }, strategy: 'Loose' } },
  ],
  [
    'patches: [{ patch: "x: 1", target: { kind: Deployment, labelSelector: "a=b" } }]',
    { patches: [{ patch: 'x: 1', target: { kind: 'Deployment', labelSelector: 'a=b' } }] },
  ],
  ['images: [{ name: nginx, newTag: "1.21" }]', { images: [{ name: 'nginx', newTag: '1.21' }] }],
  ['components: [../../components/tls]', { components: ['../../components/tls'] }],
  ['namePrefix: eu-', { namePrefix: 'eu-' }],
  ['nameSuffix: -x', { nameSuffix: '-x' }],
  ['targetNamespace: shop', { targetNamespace: 'shop' }],
  [
    'commonMetadata: { labels: { a: b }, annotations: { note: "any text: 1" } }',
    { commonMetadata: { labels: { a: 'b' }, annotations: { note: 'any text: 1' } } },
  ],
  ['force: false', {}],
  ['ignore: []', {}],
  ['overlays: []', {}],
  ['serviceAccountName: ""', {}],
  ['decryption: null', {}],
  ['rollout: ~', {}],
  ['drift: warn', { drift: 'Warn' }],
  ['allowEmpty: true', { allowEmpty: true }],
  ['untargeted: Leave', { untargeted: 'Leave' }],
  ['deletes: { max: 10, maxPercent: 50, maxTotal: 100 }', { deletes: DEFAULT_DELETES }],
  [
    'deletes: { protectedKinds: [StatefulSet, Namespace, CustomResourceDefinition, PersistentVolume, PersistentVolumeClaim] }',
    { deletes: DEFAULT_DELETES },
  ],
  ['deletionPolicy: Delete', { deletionPolicy: 'Delete' }],
  ['suspend: true', { suspend: true }],
];

for (const [field, want] of accepted) test(`${field} is read`, () => assert.deepEqual({ ...only(field), ...want }, only(field)));

test('a health check without namespace is looked for where its object goes', () => {
  assert.deepEqual(only('healthChecks: [{ kind: Job, name: a }]').healthChecks, [
    { apiVersion: 'batch/v1', kind: 'Job', namespace: 'default', name: 'a' },
  ]);
  assert.deepEqual(only('targetNamespace: shop', 'healthChecks: [{ kind: Job, name: a }]').healthChecks, [
    { apiVersion: 'batch/v1', kind: 'Job', namespace: 'shop', name: 'a' },
  ]);
});

test('dependsOn means Deliveries of the same namespace', () => {
  const text = delivery('dependsOn: [{ name: platform }, { name: base, namespace: team-a }]');
  const others = text
    .split('---\n')
    .slice(1)
    .join('---\n')
    .replace(/ {2}dependsOn.*\n/, '');
  const platform = others.replace('name: shop', 'name: platform');
  const base = others
    .replace('{ name: shop }', '{ name: base, namespace: team-a }')
    .replace('name: fleet', 'name: fleet, namespace: drover');
  const configuration = read([text, platform, base].join('---\n'));
  assert.deepEqual(problemsOf(configuration), []);
  assert.deepEqual(configuration.deliveries[0]?.dependsOn, [
    { namespace: 'drover', name: 'platform' },
    { namespace: 'team-a', name: 'base' },
  ]);
});

/** Column of the key, and of its value, after two spaces. */
const refused: readonly (readonly [field: string, ...problems: readonly string[]])[] = [
  ['intervall: 5m', 'FIELD_UNKNOWN :3 spec.intervall is no field; did you mean interval?'],
  ['dependson: []', 'FIELD_UNKNOWN :3 spec.dependson is no field; did you mean dependsOn?'],
  ['replicas: 3', 'FIELD_UNKNOWN :3 spec.replicas is no field'],
  ['overlays: [a, b]', 'FIELD_NOT_YET :3 spec.overlays is not implemented yet; remove it, or write []'],
  ['rollout: { stages: [] }', 'FIELD_NOT_YET :3 spec.rollout is not implemented yet; remove it'],
  ['decryption: { provider: sops }', 'FIELD_NOT_YET :3 spec.decryption is not implemented yet; remove it'],
  ['serviceAccountName: deployer', 'FIELD_NOT_YET :3 spec.serviceAccountName is not implemented yet; remove it, or write ""'],
  ['force: true', 'FIELD_NOT_YET :3 spec.force is not implemented yet; remove it, or write false'],
  ['ignore: [{ paths: [/spec/replicas] }]', 'FIELD_NOT_YET :3 spec.ignore is not implemented yet; remove it, or write []'],
  ['healthCheckExprs: [{ kind: X }]', 'FIELD_NOT_YET :3 spec.healthCheckExprs is not implemented yet; remove it, or write []'],
  ['fluxObjects: Expand', 'FIELD_NOT_YET :3 spec.fluxObjects is not implemented yet; remove it, or write "Refuse"'],
  [
    'postBuild: { substituteFrom: [{ kind: ConfigMap, name: x }] }',
    'FIELD_NOT_YET :16 spec.postBuild.substituteFrom is not implemented yet; remove it, or write []',
  ],
  ['deletes: { max: 20 }', 'FIELD_NOT_YET :14 spec.deletes.max is not implemented yet; remove it, or write 10'],
  [
    'deletes: { protectedKinds: [] }',
    'FIELD_NOT_YET :14 spec.deletes.protectedKinds is not implemented yet; remove it, or write ["Namespace","CustomResourceDefinition","PersistentVolume","PersistentVolumeClaim","StatefulSet"]',
  ],
  ['path: ${cluster.facts.version}', 'FIELD_NOT_YET :9 spec.path holds ${cluster.facts.version}; facts are not implemented yet'],
  [
    'path: ${cluster.nam}',
    'CONFIG_INVALID :9 spec.path holds ${cluster.nam}; known are ${cluster.name}, ${cluster.labels["key"]} and ${cluster.vars.key}',
  ],
  ['path: /apps', 'CONFIG_INVALID :9 spec.path is absolute; write it from the root of the source'],
  ['path: apps/../../x', 'CONFIG_INVALID :9 spec.path climbs by `..`; write it from the root of the source'],
  ['path: https://x/y', 'CONFIG_INVALID :9 spec.path is no path in the source'],
  ['components: ["https://github.com/x"]', 'CONFIG_INVALID :16 spec.components[0] is no path in the source'],
  ['interval: 60', 'CONFIG_INVALID :13 spec.interval must be text; write "60s" for 60 seconds'],
  ['interval: 5 minutes', 'CONFIG_INVALID :13 spec.interval is no duration: "5 minutes"; write 90s, 1m or 1h30m'],
  ['interval: 10ms', 'CONFIG_INVALID :13 spec.interval must be between 1s and a year'],
  ['prune: "true"', 'CONFIG_INVALID :10 spec.prune must be true or false, without quotes'],
  ['mode: enfroce', 'CONFIG_INVALID :9 spec.mode must be Enforce or Observe; did you mean Enforce?'],
  ['drift: off', 'CONFIG_INVALID :10 spec.drift must be text; write "off"'],
  ['dependsOn: platform', 'CONFIG_INVALID :14 spec.dependsOn must be a list'],
  ['dependsOn: [platform]', 'CONFIG_INVALID :15 spec.dependsOn[0] must be a mapping'],
  [
    'dependsOn: [{ name: platform, readyExpr: "true" }]',
    'FIELD_NOT_YET :33 spec.dependsOn[0].readyExpr is not implemented yet; remove it, or write ""',
  ],
  [
    'healthChecks: [{ kind: Thing, name: a }]',
    'CONFIG_INVALID :18 spec.healthChecks[0].apiVersion is missing: Thing is no kind of Kubernetes itself',
  ],
  ['images: [{ name: nginx, newTag: 1.20 }]', 'CONFIG_INVALID :35 spec.images[0].newTag must be text; write "1.20"'],
  ['images: [{ newTag: "1" }]', 'CONFIG_INVALID :12 spec.images[0].name is missing'],
  ['patches: [{ patch: { spec: 1 } }]', 'CONFIG_INVALID :22 spec.patches[0].patch must be text'],
  [
    'targetNamespace: Shop',
    'CONFIG_INVALID :20 spec.targetNamespace is no namespace: "Shop"; lower case letters, digits and dashes, at most 63',
  ],
  ['clusters: { matchLabels: { env: true } }', 'CONFIG_INVALID :35 spec.clusters.matchLabels.env must be text; write "true"'],
  [
    'clusters: { matchLabels: { env: "a b" } }',
    'CONFIG_INVALID :35 spec.clusters.matchLabels.env is no value of a label: "a b"; letters, digits, dashes, dots and underscores, at most 63',
  ],
  ['clusters: { matchLabels: { "-x": a } }', 'CONFIG_INVALID :30 spec.clusters.matchLabels.-x: the key is no key of a label: "-x"'],
  [
    'clusters: { matchExpressions: [{ key: a, operator: In }] }',
    'CONFIG_INVALID :34 spec.clusters.matchExpressions[0].values is missing: In compares with values',
  ],
  [
    'clusters: { matchExpressions: [{ key: a, operator: Exists, values: [b] }] }',
    'CONFIG_INVALID :70 spec.clusters.matchExpressions[0].values must be empty: Exists compares with nothing',
  ],
  [
    'postBuild: { substitute: { a-b: x } }',
    'CONFIG_INVALID :30 spec.postBuild.substitute.a-b: the key is no name of a variable: "a-b"; letters, digits and underscores',
  ],
  ['commonMetadata: { labels: { a: 1 } }', 'CONFIG_INVALID :34 spec.commonMetadata.labels.a must be text; write "1"'],
  ['commonMetadata: { labels: { a: null } }', 'CONFIG_INVALID :34 spec.commonMetadata.labels.a must be text; write "null"'],
  [
    'intervall: 5m, x'.replace(', x', '\n  modes: x'),
    'FIELD_UNKNOWN :3 spec.intervall is no field; did you mean interval?',
    'FIELD_UNKNOWN +1:3 spec.modes is no field; did you mean mode?',
  ],
];

for (const [field, ...problems] of refused) {
  test(`${field.replace('\n', ',')} is refused with its place`, () => {
    const configuration = read(delivery(field));
    const placed = problems.map((problem) =>
      problem.replace(/ (?:\+(\d+))?:/, (_match, down: string | undefined) => ` ${FIRST_FIELD + Number(down ?? 0)}:`),
    );
    assert.deepEqual(problemsOf(configuration), placed);
    assert.deepEqual(configuration.refused, ['Delivery/drover/shop']);
    assert.deepEqual(configuration.deliveries, []);
    assert.equal(configuration.sources.length, 1);
  });
}

test('sourceRef is required, and is a GitRepository', () => {
  const text = delivery();
  assert.deepEqual(problemsOf(read(text.replace(/ {2}sourceRef.*\n/, '  prune: true\n'))), [
    'CONFIG_INVALID 10:3 spec.sourceRef is missing',
  ]);
  assert.deepEqual(problemsOf(read(text.replace('{ kind: GitRepository', '{ kind: OCIRepository'))), [
    'FIELD_NOT_YET 10:22 spec.sourceRef.kind OCIRepository is not implemented yet; write GitRepository',
  ]);
  assert.deepEqual(problemsOf(read(text.replace('{ kind: GitRepository', '{ kind: Git'))), [
    'CONFIG_INVALID 10:22 spec.sourceRef.kind must be GitRepository',
  ]);
});

test('annotations of drover.dev that do nothing yet are refused, others are data', () => {
  const annotated = (annotation: string): string => delivery().replace('{ name: shop }', `{ name: shop, annotations: { ${annotation} } }`);
  assert.deepEqual(problemsOf(read(annotated('example.com/x: text, drover.devious/x: z'))), []);
  assert.deepEqual(problemsOf(read(annotated('drover.dev/suspend-until: tomorrow'))), [
    'FIELD_NOT_YET 8:40 metadata.annotations["drover.dev/suspend-until"] is not implemented yet; remove it',
  ]);
});
