import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DroverError, parseKey } from '@drover/contract';
import { createDeleteBudget, guardObject } from './refuse.ts';
import { microTime } from './rfc3339.ts';

const refused = [
  '/ConfigMap/drover-system/x',
  '/Namespace//drover-system',
  'rbac.authorization.k8s.io/ClusterRole//drover-agent',
  'rbac.authorization.k8s.io/ClusterRoleBinding//drover-agent-x',
];
for (const key of refused) {
  test(`T24 the guard refuses ${key}`, () =>
    assert.throws(
      () => guardObject(parseKey(key)),
      (thrown) => thrown instanceof DroverError && thrown.code === 'GUARD_REFUSED',
    ));
}
for (const key of ['/ConfigMap/shop/drover-agent', '/Namespace//drover-system-2', 'rbac.authorization.k8s.io/ClusterRole//drover-agents']) {
  test(`the guard lets ${key} pass`, () => assert.doesNotThrow(() => guardObject(parseKey(key))));
}

test('the delete budget counts the last 24 hours', () => {
  const budget = createDeleteBudget(2);
  budget.spend(0);
  budget.spend(1_000);
  assert.equal(budget.left(2_000), 0);
  assert.equal(budget.left(24 * 3_600_000 + 500), 1);
});

for (const time of [0, 951_782_400_123, 1_709_208_000_000, 1_795_412_696_676, 4_102_444_799_999]) {
  test(`microTime writes ${time} as the clock of the world does`, () => {
    assert.equal(microTime(time), new Date(time).toISOString().replace('Z', '000Z'));
  });
}
