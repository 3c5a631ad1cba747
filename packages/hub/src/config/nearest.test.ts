import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { editDistance, nearest } from './nearest.ts';

const fields = ['sourceRef', 'path', 'interval', 'retryInterval', 'timeout', 'prune', 'dependsOn', 'targetNamespace'];

const cases: readonly (readonly [string, string | undefined])[] = [
  ['intervall', 'interval'],
  ['inteval', 'interval'],
  ['itnerval', 'interval'],
  ['retry_interval', 'retryInterval'],
  ['source-ref', 'sourceRef'],
  ['SOURCEREF', 'sourceRef'],
  ['dependson', 'dependsOn'],
  ['targetNameSpaces', 'targetNamespace'],
  ['pth', 'path'],
  ['replicas', undefined],
  ['x', undefined],
  ['', undefined],
];

for (const [word, meant] of cases)
  test(`${word === '' ? 'nothing' : word} is ${meant ?? 'nothing known'}`, () => assert.equal(nearest(word, fields), meant));

test('the distance of texts is symmetric, zero for equal ones only, and at most the longer length', () => {
  const text = fc.string({ maxLength: 12 });
  fc.assert(
    fc.property(text, text, (a, b) => {
      const distance = editDistance(a, b);
      assert.equal(distance, editDistance(b, a));
      assert.equal(distance === 0, a === b);
      assert.ok(distance <= Math.max(a.length, b.length));
    }),
  );
});
