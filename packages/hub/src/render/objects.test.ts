import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Code, Json, JsonObject } from '@drover/contract';
import { digestOf, DroverError, parseJson } from '@drover/contract';
import type { Built } from './built.ts';
import { finishObjects } from './objects.ts';
import type { FinishedObjects, ObjectOptions } from './objects.ts';
import { createReadLog } from './reads.ts';
import { createScopes } from './scope.ts';

const options: ObjectOptions = {
  unit: 'drover/shop',
  targetNamespace: undefined,
  commonMetadata: { labels: {}, annotations: {} },
  substitute: undefined,
  scopes: (objects) => createScopes(objects, [{ group: 'x.io', version: 'v1', kind: 'Fleet', namespaced: false }], createReadLog()),
};

function finish(values: readonly Json[], over: Partial<ObjectOptions> = {}, engine: Built['engine'] = 'plain'): FinishedObjects {
  const built = values.map((value, index): Built => ({
    value,
    position: { file: `${String.fromCharCode(97 + index)}.yaml`, line: index + 1 },
    engine,
  }));
  return finishObjects(built, { ...options, ...over });
}

const configMap = (name: string, more: JsonObject = {}, metadata: JsonObject = {}): JsonObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, ...metadata },
  ...more,
});
const only = (finished: FinishedObjects): JsonObject => {
  assert.equal(finished.objects.length, 1);
  return parseJson(finished.objects[0]?.json ?? '') as JsonObject;
};

test('an object gets the marks of its unit, a namespace, and canonical bytes with their digest', () => {
  const json =
    '{"apiVersion":"v1","data":{"a":"1","b":"2"},"kind":"ConfigMap","metadata":{"annotations":{"drover.dev/unit":"drover/shop"},"labels":{"drover.dev/managed":"true"},"name":"web","namespace":"default"}}';
  const { objects, warnings } = finish([configMap('web', { data: { b: '2', a: '1' } })]);
  assert.deepEqual(objects, [
    {
      key: '/ConfigMap/default/web',
      apiVersion: 'v1',
      digest: digestOf(json),
      json,
      position: { file: 'a.yaml', line: 1 },
    },
  ]);
  assert.deepEqual(warnings, []);
});

test('objects come in apply order: namespaces and definitions, accounts and configuration, the rest, webhooks', () => {
  const kinds: readonly (readonly [string, string])[] = [
    ['admissionregistration.k8s.io/v1', 'ValidatingWebhookConfiguration'],
    ['apps/v1', 'Deployment'],
    ['v1', 'ConfigMap'],
    ['v1', 'Namespace'],
  ];
  const { objects } = finish(kinds.map(([apiVersion, kind]) => ({ apiVersion, kind, metadata: { name: 'x' } })));
  assert.deepEqual(
    objects.map((object) => object.key.split('/')[1]),
    ['Namespace', 'ConfigMap', 'Deployment', 'ValidatingWebhookConfiguration'],
  );
});

test('B18 integers beyond 2^53, fractions and quantities keep their form', () => {
  const { objects } = finish([
    {
      apiVersion: 'x.io/v1',
      kind: 'Fleet',
      metadata: { name: 'x' },
      spec: { big: 9007199254740993n, max: 18446744073709551615n, half: 0.5, cpu: '100m' },
    },
  ]);
  assert.match(objects[0]?.json ?? '', /"big":9007199254740993,"cpu":"100m","half":0\.5,"max":18446744073709551615/);
});

test('B23 lists are taken apart, nested and typed ones too, and every rule holds for their items', () => {
  const list: Json = {
    apiVersion: 'v1',
    kind: 'List',
    items: [
      configMap('a'),
      {
        apiVersion: 'v1',
        kind: 'List',
        items: [configMap('b'), { apiVersion: 'v1', kind: 'SecretList', items: [{ metadata: { name: 'c' } }] }],
      },
      { apiVersion: 'v1', kind: 'List', items: null },
    ],
  };
  assert.deepEqual(
    finish([list]).objects.map((object) => object.key),
    ['/ConfigMap/default/a', '/ConfigMap/default/b', '/Secret/default/c'],
  );
  assert.throws(() => finish([{ apiVersion: 'v1', kind: 'List', items: [configMap('a'), configMap('a')] }]), { code: 'OBJECT_DUPLICATE' });
  assert.throws(() => finish([{ apiVersion: 'v1', kind: 'List', items: ['a'] }]), { code: 'OBJECT_INVALID' });
});

test('B23 a kind that ends with List and has a name is an object', () => {
  const crd = { apiVersion: 'x.io/v1', kind: 'AllowList', metadata: { name: 'x', namespace: 'y' }, items: ['a'] };
  assert.equal(finish([crd]).objects[0]?.key, 'x.io/AllowList/y/x');
});

test('B24 what only a server sets is taken out with one warning', () => {
  const metadata = { uid: 'u', resourceVersion: '1', creationTimestamp: '2020-01-01T00:00:00Z', managedFields: [{}], generation: 3 };
  const finished = finish([configMap('web', { status: { phase: 'x' } }, metadata)]);
  assert.deepEqual(Object.keys(only(finished)['metadata'] as JsonObject), ['annotations', 'labels', 'name', 'namespace']);
  assert.equal(only(finished)['status'], undefined);
  assert.deepEqual(
    finished.warnings.map(({ code, subject, message }) => ({ code, subject, message })),
    [
      {
        code: 'FIELD_STRIPPED',
        subject: 'ConfigMap web',
        message:
          'metadata.managedFields, metadata.uid, metadata.resourceVersion, metadata.creationTimestamp, metadata.generation, status: left out, as only the cluster or Drover sets them',
      },
    ],
  );
});

test('B24 what generators of definitions leave behind says nothing, and is taken out without a warning', () => {
  const finished = finish([configMap('web', { status: {} }, { creationTimestamp: null, ownerReferences: [] })]);
  assert.deepEqual(finished.warnings, []);
  assert.deepEqual(Object.keys(only(finished)['metadata'] as JsonObject), ['annotations', 'labels', 'name', 'namespace']);
});

test('B25 finalizers stay, ownerReferences are refused', () => {
  assert.deepEqual((only(finish([configMap('web', {}, { finalizers: ['x.io/a'] })]))['metadata'] as JsonObject)['finalizers'], ['x.io/a']);
  assert.throws(() => finish([configMap('web', {}, { ownerReferences: [{ uid: 'x' }] })]), { code: 'OBJECT_INVALID' });
});

const deployment = (name: string, spec: JsonObject = {}): JsonObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec,
});

const failures: readonly {
  readonly name: string;
  readonly values: readonly Json[];
  readonly code: Code;
  readonly message: RegExp;
  readonly over?: Partial<ObjectOptions>;
}[] = [
  {
    name: 'B4 the same object twice names both places',
    values: [configMap('a'), configMap('b'), configMap('a')],
    code: 'OBJECT_DUPLICATE',
    message: /^is there twice: a\.yaml:1 and c\.yaml:3$/,
  },
  {
    name: 'B4 the same object through two apiVersions names both',
    values: [deployment('a'), { apiVersion: 'apps/v1beta1', kind: 'Deployment', metadata: { name: 'a', namespace: 'default' } }],
    code: 'OBJECT_DUPLICATE',
    message: /a\.yaml:1 and b\.yaml:2, as apps\/v1 and as apps\/v1beta1$/,
  },
  { name: 'B6 no kind', values: [{ apiVersion: 'v1', metadata: { name: 'a' } }], code: 'OBJECT_INVALID', message: /^kind is missing$/ },
  {
    name: 'B6 no apiVersion',
    values: [{ kind: 'ConfigMap', metadata: { name: 'a' } }],
    code: 'OBJECT_INVALID',
    message: /^apiVersion is missing$/,
  },
  {
    name: 'B6 no metadata',
    values: [{ apiVersion: 'v1', kind: 'ConfigMap' }],
    code: 'OBJECT_INVALID',
    message: /^metadata\.name is missing$/,
  },
  {
    name: 'B6 no name',
    values: [{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace: 'a' } }],
    code: 'OBJECT_INVALID',
    message: /^metadata\.name is missing$/,
  },
  {
    name: 'B6 a name that is a number',
    values: [configMap('a', {}, { name: 12 })],
    code: 'OBJECT_INVALID',
    message: /must be text; write it in quotes/,
  },
  {
    name: 'B6 generateName',
    values: [{ apiVersion: 'v1', kind: 'Pod', metadata: { generateName: 'a-' } }],
    code: 'OBJECT_INVALID',
    message: /generateName makes another object/,
  },
  { name: 'B6 a document that is no mapping', values: ['text'], code: 'OBJECT_INVALID', message: /no mapping/ },
  {
    name: 'B7 a long label',
    values: [configMap('a', {}, { labels: { x: 'x'.repeat(64) } })],
    code: 'OBJECT_INVALID',
    message: /at most 63/,
  },
  {
    name: 'B7 a namespace that is no DNS label',
    values: [configMap('a', {}, { namespace: 'A' })],
    code: 'OBJECT_INVALID',
    message: /namespace "A"/,
  },
  {
    name: 'B10 a namespace on a cluster-scoped kind',
    values: [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'a', namespace: 'b' } }],
    code: 'OBJECT_INVALID',
    message: /^Namespace is cluster-scoped/,
  },
  {
    name: 'B10 a namespace on a cluster-scoped kind that the agent reported',
    values: [{ apiVersion: 'x.io/v1', kind: 'Fleet', metadata: { name: 'a', namespace: 'b' } }],
    code: 'OBJECT_INVALID',
    message: /^Fleet is cluster-scoped/,
  },
  {
    name: 'B21 a Secret that is no base64',
    values: [{ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'a' }, data: { p: 'canary!' } }],
    code: 'OBJECT_INVALID',
    message: /^data\.p is not base64/,
  },
  {
    name: 'B20 an object larger than anything a server takes',
    values: [configMap('a', { data: { x: 'x'.repeat(9 * 1024 * 1024) } })],
    code: 'OBJECT_TOO_LARGE',
    message: /^has 9437\d{3} bytes, at most 8388608/,
  },
  {
    name: 'an object of Flux',
    values: [{ apiVersion: 'kustomize.toolkit.fluxcd.io/v1', kind: 'Kustomization', metadata: { name: 'a' } }],
    code: 'FLUX_KIND_IN_OUTPUT',
    message: /object of Flux/,
  },
  {
    name: 'a direction that is not built',
    values: [configMap('a', {}, { annotations: { 'drover.dev/ssa': 'Merge' } })],
    code: 'FIELD_NOT_YET',
    message: /^annotations: drover\.dev\/ssa: Merge/,
  },
  {
    name: "a direction of Flux's that is not built",
    values: [configMap('a', {}, { labels: { 'kustomize.toolkit.fluxcd.io/substitute': 'disabled' } })],
    code: 'FIELD_NOT_YET',
    message: /^labels: kustomize/,
  },
  {
    name: 'a direction that nobody knows',
    values: [configMap('a', {}, { annotations: { 'drover.dev/purne': 'disabled' } })],
    code: 'FIELD_UNKNOWN',
    message: /purne/,
  },
  {
    name: 'prune with another word',
    values: [configMap('a', {}, { annotations: { 'drover.dev/prune': 'false' } })],
    code: 'OBJECT_INVALID',
    message: /must be "disabled"/,
  },
  {
    name: 'text with half a character',
    values: [configMap('a', { data: { x: '\ud800' } })],
    code: 'OBJECT_INVALID',
    message: /lone surrogate/,
  },
];
for (const { name, values, code, message, over } of failures) {
  test(name.startsWith('B') ? `${name}: ${code}` : `refused: ${name}`, () => {
    assert.throws(
      () => finish(values, over),
      (thrown) => {
        assert.ok(thrown instanceof DroverError);
        assert.equal(thrown.code, code);
        assert.match(thrown.what, message);
        assert.ok(thrown.position?.file !== undefined && thrown.position.line !== undefined, 'names file and line');
        return true;
      },
    );
  });
}

test('B10 a namespace that kustomize writes on a cluster-scoped kind it does not know is left out with a warning', () => {
  const finished = finish([{ apiVersion: 'x.io/v1', kind: 'Fleet', metadata: { name: 'a', namespace: 'b' } }], {}, 'kustomize');
  assert.equal(finished.objects[0]?.key, 'x.io/Fleet//a');
  assert.equal(finished.warnings[0]?.code, 'FIELD_STRIPPED');
  assert.throws(() => finish([{ apiVersion: 'v1', kind: 'Node', metadata: { name: 'a', namespace: 'b' } }], {}, 'kustomize'), {
    code: 'OBJECT_INVALID',
  });
});

test('a kind is placed by the definition in its own unit', () => {
  const crd = (kind: string, scope: string): JsonObject => ({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${kind.toLowerCase()}s.y.io` },
    spec: { group: 'y.io', scope, names: { kind } },
  });
  const { objects, warnings } = finish(
    [
      crd('Wide', 'Cluster'),
      crd('Narrow', 'Namespaced'),
      { apiVersion: 'y.io/v1', kind: 'Wide', metadata: { name: 'a' } },
      { apiVersion: 'y.io/v1', kind: 'Narrow', metadata: { name: 'a' } },
    ],
    {
      targetNamespace: 'shop',
    },
  );
  assert.deepEqual(
    objects.slice(2).map((object) => object.key),
    ['y.io/Narrow/shop/a', 'y.io/Wide//a'],
  );
  assert.deepEqual(warnings, []);
});

test('B10 a kind that nobody knows is kept as written, with a warning where it has no namespace', () => {
  const { objects, warnings } = finish([
    { apiVersion: 'z.io/v1', kind: 'Thing', metadata: { name: 'a', namespace: 'b' } },
    { apiVersion: 'z.io/v1', kind: 'Thing', metadata: { name: 'a' } },
  ]);
  assert.deepEqual(
    objects.map((object) => object.key),
    ['z.io/Thing//a', 'z.io/Thing/b/a'],
  );
  assert.deepEqual(
    warnings.map((warning) => [warning.code, warning.subject]),
    [['SCOPE_UNKNOWN', 'Thing a']],
  );
});

test("prune: disabled in Flux's form, as annotation or label, becomes Drover's", () => {
  const value = only(finish([configMap('a', {}, { labels: { 'kustomize.toolkit.fluxcd.io/prune': 'Disabled' } })]));
  assert.deepEqual((value['metadata'] as JsonObject)['annotations'], { 'drover.dev/prune': 'disabled', 'drover.dev/unit': 'drover/shop' });
});

test('marks that were copied from a live object are replaced, with a warning', () => {
  const finished = finish([
    configMap('a', {}, { labels: { 'drover.dev/managed': 'false' }, annotations: { 'drover.dev/unit': 'other/unit' } }),
  ]);
  assert.deepEqual((only(finished)['metadata'] as JsonObject)['annotations'], { 'drover.dev/unit': 'drover/shop' });
  assert.match(finished.warnings[0]?.message ?? '', /metadata\.labels\[drover\.dev\/managed\], metadata\.annotations\[drover\.dev\/unit\]/);
});

test('common metadata is put on objects alone, never on their templates or selectors', () => {
  const value = only(
    finish([deployment('a', { template: { metadata: { labels: { a: 'b' } } } })], {
      commonMetadata: { labels: { team: 'x' }, annotations: { note: 'y' } },
    }),
  );
  assert.deepEqual((value['metadata'] as JsonObject)['labels'], { team: 'x', 'drover.dev/managed': 'true' });
  assert.deepEqual(value['spec'], { template: { metadata: { labels: { a: 'b' } } } });
});

test('a workload that states replicas and is scaled by an autoscaler of the unit is warned about', () => {
  const scaler = {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'a' },
    spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'a' } },
  };
  assert.deepEqual(
    finish([scaler, deployment('a', { replicas: 2 })]).warnings.map((warning) => [warning.code, warning.subject]),
    [['REPLICAS_AUTOSCALED', 'Deployment default/a']],
  );
  assert.deepEqual(finish([scaler, deployment('a')]).warnings, []);
});
