import assert from 'node:assert/strict';
import { test } from 'node:test';
import { snippetOf } from './snippet.ts';

const file = 'clusters/prod-eu/kustomization.yaml';
const text = 'kind: Kustomization\nresources:\n- a\n- b\n- c\n';

test('snippetOf quotes the line and two before it', () => {
  assert.deepEqual(snippetOf(text, { file, line: 4, column: 3 }), { file, first: 2, lines: ['resources:', '- a', '- b'] });
  assert.deepEqual(snippetOf(text, { file, line: 1 }), { file, first: 1, lines: ['kind: Kustomization'] });
});

test('snippetOf quotes nothing where there is no such line', () => {
  assert.equal(snippetOf(text, { file }), undefined);
  assert.equal(snippetOf(text, { file, line: 99 }), undefined);
});

for (const secret of [
  'kind: Secret\ndata: { a: x }',
  '{"kind": "Secret"}',
  'secretGenerator:\n- literals: [a=canary]',
  'stringData: {}',
  'env:\n- name: DB_PASSWORD',
]) {
  test(`T14 a file that may hold secrets is not quoted: ${JSON.stringify(secret)}`, () =>
    assert.equal(snippetOf(secret, { file, line: 1 }), undefined));
}

test('T14 only manifests are quoted', () => assert.equal(snippetOf('a=canary', { file: 'clusters/prod-eu/.env', line: 1 }), undefined));
