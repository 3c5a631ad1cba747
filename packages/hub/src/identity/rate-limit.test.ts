import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRateLimit } from './rate-limit.ts';

test('a bucket gives what it holds, then what time brings', () => {
  const limit = createRateLimit({ capacity: 2, perSecond: 1, maxKeys: 10 });
  assert.deepEqual([limit.take('a', 0), limit.take('a', 0), limit.take('a', 0)], [true, true, false]);
  assert.equal(limit.take('a', 999), false);
  assert.equal(limit.take('a', 1000), true);
  assert.equal(limit.take('b', 0), true);
});

test('what is owed has to be worked off first, but never more than the bucket holds', () => {
  const limit = createRateLimit({ capacity: 2, perSecond: 1, maxKeys: 10 });
  for (let count = 0; count < 10; count++) limit.charge('a', 0, 5);
  assert.equal(limit.take('a', 2500), false);
  assert.equal(limit.take('a', 3000), true);
});

test('I11 the number of known keys is bounded', () => {
  const limit = createRateLimit({ capacity: 1, perSecond: 1, maxKeys: 3 });
  for (let key = 0; key < 100; key++) limit.charge(`k${key}`, 0, 1);
  assert.equal(limit.take('k99', 0), false);
  assert.equal(limit.take('k0', 0), true);
});
