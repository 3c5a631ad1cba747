import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FieldSet } from './field-set.ts';
import { uncovered, uniteFields } from './field-set.ts';

const cases: { name: string; sent: unknown; fields: FieldSet; want: readonly string[] }[] = [
  {
    name: 'nothing when every leaf is owned',
    sent: { data: { a: '1', b: '2' } },
    fields: { 'f:data': { 'f:a': {}, 'f:b': {} } },
    want: [],
  },
  { name: 'a leaf that is not owned', sent: { data: { a: '1', b: '2' } }, fields: { 'f:data': { 'f:a': {} } }, want: ['/data/b'] },
  {
    name: 'every leaf below a branch that is not owned',
    sent: { spec: { x: { y: 1, z: [2] } } },
    fields: {},
    want: ['/spec/x/y', '/spec/x/z/0'],
  },
  { name: 'nothing of identity', sent: { apiVersion: 'v1', kind: 'A', metadata: { name: 'n', namespace: 's' } }, fields: {}, want: [] },
  {
    name: 'nothing below what is owned as a whole',
    sent: { spec: { selector: { app: 'x' } } },
    fields: { 'f:spec': { 'f:selector': {} } },
    want: [],
  },
  { name: 'nothing of null and empty values', sent: { spec: { a: null, b: {}, c: [] } }, fields: {}, want: [] },
  {
    name: 'fields of list items found by their keys, a defaulted key standing for any',
    sent: { ports: [{ port: 80, name: 'web' }, { port: 81 }] },
    fields: { 'f:ports': { 'k:{"port":80,"protocol":"TCP"}': { '.': {}, 'f:port': {} } } },
    want: ['/ports/0/name', '/ports/1/port'],
  },
  {
    name: 'members of sets by value',
    sent: { finalizers: ['a', 'b'] },
    fields: { 'f:finalizers': { 'v:"a"': {} } },
    want: ['/finalizers/1'],
  },
  { name: 'names with slashes and tildes as pointers', sent: { data: { 'a/b~c': '1' } }, fields: {}, want: ['/data/a~1b~0c'] },
];
for (const { name, sent, fields, want } of cases) {
  test(`uncovered lists ${name}`, () => assert.deepEqual(uncovered(sent, fields, 20), want));
}

test('uncovered stops at its limit', () => {
  assert.equal(uncovered({ data: Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`k${index}`, 'v'])) }, {}, 20).length, 20);
});

test('uniting keeps what either owns, and a node that one owns as such', () => {
  assert.deepEqual(uniteFields({ 'f:a': {}, 'f:b': { 'f:c': {} } }, { 'f:b': { 'f:d': {} }, 'f:e': {} }), {
    'f:a': {},
    'f:b': { 'f:c': {}, 'f:d': {} },
    'f:e': {},
  });
  assert.deepEqual(uniteFields({ 'f:a': {} }, { 'f:a': { 'f:b': {} } }), { 'f:a': { '.': {}, 'f:b': {} } });
});
