import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonicalJson, parseJson } from './canonical.ts';

test('canonical JSON sorts keys and keeps integers beyond 2^53 exact', () => {
  assert.equal(canonicalJson({ b: 1, a: [true, null, 'x\n'] }), '{"a":[true,null,"x\\n"],"b":1}');
  assert.equal(canonicalJson(parseJson('{"n":9007199254740993}')), '{"n":9007199254740993}');
  assert.equal(canonicalJson(parseJson('{"n":18446744073709551615}')), '{"n":18446744073709551615}');
  assert.equal(canonicalJson(1e21), '1e+21');
  assert.throws(() => canonicalJson(Number.NaN), TypeError);
});

test('B15 a key named __proto__ stays data', () => {
  assert.equal(canonicalJson(parseJson('{"__proto__":{"x":1},"n":12345678901234567}')), '{"__proto__":{"x":1},"n":12345678901234567}');
});

test('canonical JSON is the same whatever the order of keys', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = canonicalJson(value);
      assert.equal(canonicalJson(parseJson(text)), text);
    }),
  );
});
