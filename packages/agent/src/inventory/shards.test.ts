import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MAX_SHARD_ENTRIES, shardCount, shardOf } from './shards.ts';

const keys = fc.uniqueArray(
  fc.string({ minLength: 1, maxLength: 20 }).map((name) => `/ConfigMap/ns/${name}`),
  { maxLength: 600 },
);

test('F4 no shard gets more than 256 entries, up to 20,000 of them', () => {
  for (const total of [1, 256, 257, 1_000, 20_000]) {
    const all = Array.from({ length: total }, (_, index) => `/ConfigMap/ns-${index % 7}/object-${index}`);
    const count = shardCount(all, 1);
    const sizes = new Map<number, number>();
    for (const key of all) sizes.set(shardOf(key, count), (sizes.get(shardOf(key, count)) ?? 0) + 1);
    assert.ok(Math.max(...sizes.values()) <= MAX_SHARD_ENTRIES, `${total} entries in ${count} shards`);
  }
});

test('doubling the count moves an entry only to its shard plus the old count', () => {
  fc.assert(
    fc.property(keys, fc.integer({ min: 0, max: 6 }), (all, power) => {
      const count = 2 ** power;
      for (const key of all) {
        const [before, after] = [shardOf(key, count), shardOf(key, count * 2)];
        assert.ok(after === before || after === before + count);
      }
    }),
  );
});

test('the count never falls', () => {
  fc.assert(fc.property(keys, fc.integer({ min: 0, max: 5 }), (all, power) => assert.ok(shardCount(all, 2 ** power) >= 2 ** power)));
});
