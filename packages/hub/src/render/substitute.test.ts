import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json } from '@drover/contract';
import { DroverError } from '@drover/contract';
import { isWrittenPlain } from './plain-scalar.ts';
import { createReadLog } from './reads.ts';
import { substituteObject } from './substitute.ts';
import { createVariables } from './variables.ts';

const cluster = { name: 'prod-eu', labels: { env: 'prod' }, vars: { domain: 'eu.example' }, apiResources: undefined };

function substituted(
  spec: Json,
  substitute: Record<string, string>,
  strategy: 'Strict' | 'Loose' = 'Strict',
): { spec: Json | undefined; inputs: unknown; emptied: string[] } {
  const reads = createReadLog();
  const { lookup, emptied } = createVariables({ substitute, strategy }, cluster, reads);
  const object = {
    value: { apiVersion: 'v1', kind: 'X', metadata: { name: 'x' }, spec },
    position: { file: 'x.yaml', line: 3 },
    engine: 'plain' as const,
  };
  const done = substituteObject(object, lookup);
  return { spec: done.value['spec'], inputs: reads.list(), emptied: [...emptied] };
}

const values = {
  n: '3',
  b: 'true',
  s: 'text',
  list: '[1, "a"]',
  map: '{a: 1}',
  none: '',
  lines: 'a\nb',
  quoted: '"3"',
  colon: 'a: b',
  hash: 'a #b',
  big: '9007199254740993',
};

const results: readonly { readonly name: string; readonly spec: Json; readonly want: Json }[] = [
  { name: 'a scalar that is nothing but a variable takes the type that YAML gives its value', spec: '${n}', want: 3 },
  { name: 'booleans too', spec: '${b}', want: true },
  { name: 'an exact large integer', spec: '${big}', want: 9007199254740993n },
  { name: 'flow lists', spec: '${list}', want: [1, 'a'] },
  { name: 'flow mappings', spec: '${map}', want: { a: 1 } },
  { name: 'nothing is null', spec: '${none}', want: null },
  { name: 'quotes in a value make text', spec: '${quoted}', want: '3' },
  { name: 'quotes in a default make text', spec: '${gone:="3"}', want: '3' },
  { name: 'text around a variable is read with it', spec: '${n}00', want: 300 },
  { name: 'text that YAML would have quoted stays text', spec: ' ${n}', want: ' 3' },
  { name: 'several lines stay text', spec: 'a: ${n}\nb: ${s}\n', want: 'a: 3\nb: text\n' },
  { name: 'line breaks in values are taken out, as by Flux', spec: 'x ${lines}', want: 'x ab' },
  { name: 'a comment in a value ends it, as by Flux', spec: '${hash}', want: 'a' },
  { name: 'keys', spec: { 'a.${s}': 1 }, want: { 'a.text': 1 } },
  { name: 'lists', spec: ['${n}', 'x'], want: [3, 'x'] },
  {
    name: 'values of the cluster',
    spec: 'https://${cluster.vars.domain}/${cluster.name}/${cluster.labels["env"]}',
    want: 'https://eu.example/prod-eu/prod',
  },
  { name: 'text without an expression is left as it is', spec: 'yes $HOME', want: 'yes $HOME' },
];
for (const { name, spec, want } of results) {
  test(`substitution: ${name}`, () => assert.deepEqual(substituted(spec, values).spec, want));
}

const failures: readonly { readonly name: string; readonly spec: Json; readonly code: string; readonly message: RegExp }[] = [
  {
    name: 'B28 a missing variable is an error that names it, the field and the place',
    spec: { a: ['${gone}'] },
    code: 'SUBSTITUTE_MISSING',
    message: /spec\.a\[0\]: variable gone is not defined/,
  },
  { name: 'a bad expression is an error that names the field', spec: { a: '${' }, code: 'SUBSTITUTE_INVALID', message: /spec\.a: / },
  {
    name: 'a value that breaks the YAML is an error that does not show it',
    spec: { a: '${colon}' },
    code: 'SUBSTITUTE_INVALID',
    message: /^spec\.a: with its variables replaced it reads as no YAML; put quotes into the value or the default$/,
  },
  { name: 'two keys that become one are an error', spec: { text: 1, '${s}': 2 }, code: 'SUBSTITUTE_INVALID', message: /there already/ },
  { name: 'facts are refused', spec: '${cluster.facts.zone}', code: 'SUBSTITUTE_INVALID', message: /cluster\.facts\.zone is none of/ },
];
for (const { name, spec, code, message } of failures) {
  test(name.startsWith('B') ? name : `substitution: ${name}`, () => {
    assert.throws(
      () => substituted(spec, values),
      (thrown) => thrown instanceof DroverError && thrown.code === code && message.test(thrown.what) && thrown.position?.line === 3,
    );
  });
}

test('the strategy Loose puts nothing in the place of a missing variable and tells which', () => {
  const { spec, emptied } = substituted('x-${gone}', {}, 'Loose');
  assert.equal(spec, 'x-');
  assert.deepEqual(emptied, ['gone']);
});

test('values of postBuild may refer to the cluster', () =>
  assert.equal(substituted('${host}', { host: '${cluster.name}.${cluster.vars.domain}' }).spec, 'prod-eu.eu.example'));

test('only the values of the cluster that were asked for are inputs', () => {
  assert.deepEqual(substituted('${cluster.labels["env"]} ${cluster.vars.none:=x} ${n}', values).inputs, [
    { path: '//cluster/labels/env', oid: 'prod' },
    { path: '//cluster/vars/none', oid: null },
  ]);
});

const plain: readonly (readonly [string, boolean])[] = [
  ['${a}', true],
  ['a ${b} {c}', true],
  ['${a:=b}', true],
  ['http://${a}', true],
  ['-${a}', true],
  ['', false],
  [' ${a}', false],
  ['${a} ', false],
  ['${a}: x', false],
  ['${a}:', false],
  ['${a} #x', false],
  ['- ${a}', false],
  ['"${a}"', false],
  ['{${a}}', false],
  ['${a}\n', false],
  ['${a}\tx', false],
];
for (const [text, want] of plain)
  test(`${JSON.stringify(text)} is written ${want ? 'plain' : 'in quotes or as a block'}`, () => assert.equal(isWrittenPlain(text), want));
