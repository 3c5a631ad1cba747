import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configHash } from './config-hash.ts';
import type { Delivery } from './types.ts';
import { ZERO_DELIVERY } from './zero.ts';

const changes: { readonly [Field in keyof Required<Delivery>]: readonly [changed: Required<Delivery>[Field], content: boolean] } = {
  namespace: ['team-a', false],
  name: ['other', false],
  position: [{ file: 'a.yaml', line: 3 }, false],
  mode: ['Observe', false],
  suspend: [true, false],
  deletionPolicy: ['Delete', false],
  deletes: [{ ...ZERO_DELIVERY.deletes, max: 11 }, false],
  sourceRef: [{ kind: 'GitRepository', namespace: 'drover', name: 'other' }, true],
  path: ['other', true],
  targeting: [{ type: 'selector', selector: { matchLabels: {}, matchExpressions: [] } }, true],
  prune: [false, true],
  intervalMs: [1_000, true],
  retryIntervalMs: [1_000, true],
  timeoutMs: [1_000, true],
  dependsOn: [[{ namespace: 'drover', name: 'base' }], true],
  wait: [false, true],
  healthChecks: [[{ apiVersion: 'v1', kind: 'Pod', name: 'a' }], true],
  postBuild: [{ substitute: {}, strategy: 'Strict' }, true],
  patches: [[{ patch: 'x' }], true],
  images: [[{ name: 'a' }], true],
  components: [['a'], true],
  namePrefix: ['a', true],
  nameSuffix: ['a', true],
  targetNamespace: ['a', true],
  commonMetadata: [{ labels: { a: 'b' }, annotations: {} }, true],
  drift: ['Warn', true],
  allowEmpty: [true, true],
  untargeted: ['Leave', true],
};

for (const [field, [changed, content]] of Object.entries(changes)) {
  test(`a changed ${field} ${content ? 'changes' : 'does not change'} the hash`, () => {
    assert.equal(configHash({ ...ZERO_DELIVERY, [field]: changed }) !== configHash(ZERO_DELIVERY), content);
  });
}

test('the order of fields does not matter', () => {
  assert.equal(configHash(Object.fromEntries(Object.entries(ZERO_DELIVERY).reverse()) as unknown as Delivery), configHash(ZERO_DELIVERY));
});
