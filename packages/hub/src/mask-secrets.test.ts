import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalJson } from '@drover/contract';
import { maskSecrets } from './mask-secrets.ts';

const CANARY = 'canary-4711';
const secret = {
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: {
    name: 'db',
    labels: { app: 'db' },
    annotations: { note: 'shown', 'kubectl.kubernetes.io/last-applied-configuration': `{"data":{"password":"${CANARY}"}}` },
  },
  type: 'Opaque',
};

test('I12 T14 values of a Secret are masked, wherever they stand, and its keys stay', () => {
  for (const values of [
    { data: { password: CANARY } },
    { stringData: { password: CANARY } },
    { data: CANARY },
    { data: [CANARY] },
    { binaryData: { password: CANARY } },
    { spec: { nested: { password: CANARY } } },
  ]) {
    const shown = maskSecrets(canonicalJson({ ...secret, ...values } as never));
    assert.doesNotMatch(shown, new RegExp(CANARY), shown);
    assert.match(shown, /"name":"db"/);
    assert.match(shown, /"note":"shown"/);
  }
  assert.match(maskSecrets(canonicalJson({ ...secret, data: { password: CANARY } } as never)), /"password":"\(masked\)"/);
});

test('other objects are shown as they are', () => {
  for (const object of [
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'web' }, data: { colour: 'blue' } },
    { apiVersion: 'example.com/v1', kind: 'Secret', data: { name: 'not ours' } },
  ])
    assert.equal(maskSecrets(canonicalJson(object)), canonicalJson(object));
});

test('B18 integers keep their digits', () => {
  const text = '{"apiVersion":"v1","kind":"Secret","metadata":{"generation":9007199254740993,"name":"x"}}';
  assert.equal(maskSecrets(text), text);
});
