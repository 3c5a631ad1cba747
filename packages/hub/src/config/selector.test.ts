import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseSelector, selects } from './selector.ts';
import type { LabelSelector } from './types.ts';

const labels = { env: 'prod', tier: 'canary', 'example.com/region': 'eu', edge: '' };

const cases: readonly { readonly selector: string; readonly selected: boolean }[] = [
  { selector: 'env=prod', selected: true },
  { selector: 'env==prod', selected: true },
  { selector: 'env=test', selected: false },
  { selector: 'env=prod,tier=canary', selected: true },
  { selector: 'env=prod,tier=main', selected: false },
  { selector: 'env!=test', selected: true },
  { selector: 'none!=test', selected: true },
  { selector: 'env!=prod', selected: false },
  { selector: 'env in (prod, test)', selected: true },
  { selector: 'env in (test)', selected: false },
  { selector: 'env notin (test,lab),tier', selected: true },
  { selector: 'none notin (test)', selected: true },
  { selector: 'env', selected: true },
  { selector: 'edge', selected: true },
  { selector: 'edge=', selected: true },
  { selector: '!env', selected: false },
  { selector: '!none', selected: true },
  { selector: 'example.com/region = eu', selected: true },
  { selector: 'constructor', selected: false },
  { selector: '!__proto__x', selected: false },
];

for (const { selector, selected } of cases) {
  test(`${selector} ${selected ? 'selects' : 'does not select'}`, () => {
    const parsed = parseSelector(selector);
    assert.equal(parsed !== undefined && selects(parsed, labels), selected);
  });
}

test('an empty selector selects every cluster', () => {
  const everything: LabelSelector = { matchLabels: {}, matchExpressions: [] };
  assert.equal(selects(everything, {}), true);
  assert.equal(selects(everything, labels), true);
});

test('labels and expressions must all hold', () => {
  const selector: LabelSelector = {
    matchLabels: { env: 'prod' },
    matchExpressions: [{ key: 'tier', operator: 'DoesNotExist', values: [] }],
  };
  assert.equal(selects(selector, { env: 'prod' }), true);
  assert.equal(selects(selector, labels), false);
});

test('what is no selector is refused', () => {
  for (const text of [
    '',
    'env=',
    'a b',
    'env in prod',
    'env in (a',
    '=x',
    'env=prod,',
    '-x',
    'a/b/c',
    'x=-',
    'env>1',
    '!!x',
    `x=${'a'.repeat(64)}`,
  ]) {
    assert.equal(parseSelector(text) === undefined, text !== 'env=', text);
  }
});

test('a requirement and its opposite never both hold', () => {
  const value = fc.constantFrom('a', 'b', 'c');
  fc.assert(
    fc.property(fc.option(value, { nil: undefined }), fc.array(value), (held, values) => {
      const of = (operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist'): boolean =>
        selects({ matchLabels: {}, matchExpressions: [{ key: 'k', operator, values }] }, held === undefined ? {} : { k: held });
      assert.notEqual(of('In'), of('NotIn'));
      assert.notEqual(of('Exists'), of('DoesNotExist'));
    }),
  );
});
