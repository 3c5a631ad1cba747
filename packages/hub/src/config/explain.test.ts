import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TSchema } from 'typebox';
import { Check } from 'typebox/value';
import { readDocuments } from '#yaml/read.ts';
import { explainField, jsonSchemas } from './explain.ts';
import { delivery } from './testdata/read.ts';

const schemas = jsonSchemas();

test('every kind has a published schema', () => {
  assert.deepEqual(Object.keys(schemas), [
    'gitrepository.drover.dev',
    'delivery.drover.dev',
    'cluster.drover.dev',
    'gitrepository.source.toolkit.fluxcd.io',
    'kustomization.kustomize.toolkit.fluxcd.io',
  ]);
  for (const [id, schema] of Object.entries(schemas)) {
    assert.equal(schema['$id'], `https://drover.dev/schemas/${id}.json`);
    assert.ok(!JSON.stringify(schema).includes('"x-'), id);
    assert.ok(!JSON.stringify(schema).includes('"~'), id);
  }
});

test('every field of every kind is described', () => {
  const walk = (schema: unknown, path: string): void => {
    const { properties, items, description } = schema as { properties?: Record<string, unknown>; items?: unknown; description?: string };
    if (path.includes('.') && !/\.(?:apiVersion|kind)$/.test(path)) assert.ok((description ?? '').length > 3, path);
    for (const [name, property] of Object.entries(properties ?? {})) walk(property, `${path}.${name}`);
    if (items !== undefined) walk(items, `${path}[]`);
  };
  for (const [id, schema] of Object.entries(schemas)) walk(schema, id.slice(0, id.indexOf('.')));
});

test('the published schema judges as any validator of JSON Schema does', () => {
  const schema = schemas['delivery.drover.dev'] as unknown as TSchema;
  const document = (...fields: readonly string[]): unknown => readDocuments(delivery(...fields), { file: 'a.yaml' }).documents[1]?.value;
  assert.equal(
    Check(schema, document('mode: Observe', 'force: false', 'clusters: { matchLabels: { a: b } }', 'deletes: { max: 10 }')),
    true,
  );
  assert.equal(Check(schema, document('force: true')), false);
  assert.equal(Check(schema, document('intervall: 1m')), false);
  assert.equal(Check(schema, document('prune: "true"')), false);
  assert.equal(Check(schema, document('mode: Both')), false);
  assert.equal(Check(schema, document('deletes: { max: 11 }')), false);
});

test('a field is explained with its type, default and text', () => {
  const deletes = explainField('delivery.spec.deletes');
  assert.equal(deletes?.type, 'mapping');
  assert.match(deletes?.description ?? '', /10 or 50 % of a unit, 100 in a release/);
  assert.deepEqual(
    deletes?.fields.map(({ name, implemented }) => [name, implemented]),
    [
      ['max', false],
      ['maxPercent', false],
      ['maxTotal', false],
      ['protectedKinds', false],
    ],
  );
  assert.deepEqual(explainField('Delivery.spec.interval'), {
    field: 'delivery.spec.interval',
    type: 'duration',
    description: 'Full verification against the API server; commits and drift do not wait for it.',
    default: '10m',
    required: false,
    implemented: true,
    fields: [],
  });
  assert.equal(explainField('delivery.spec.sourceref')?.required, true);
  assert.equal(explainField('delivery.spec.mode')?.type, 'Enforce or Observe');
  assert.equal(explainField('delivery.spec.dependsOn.name')?.type, 'name');
  assert.equal(explainField('delivery.spec.force')?.implemented, false);
  assert.equal(explainField('kustomization.spec.prune')?.required, true);
  assert.equal(explainField('gitrepository.source.toolkit.fluxcd.io.spec.interval')?.required, true);
  assert.equal(explainField('gitrepository.spec.interval')?.default, '1m');
  assert.equal(explainField('delivery')?.fields.length, 5);
});

test('what does not exist is not explained', () => {
  for (const path of ['', 'deliveries', 'delivery.specs', 'delivery.spec.constructor', 'pod.spec', 'delivery.spec.interval.x'])
    assert.equal(explainField(path), undefined, path);
});
