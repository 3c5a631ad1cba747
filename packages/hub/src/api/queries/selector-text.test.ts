import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSelector } from './selector-text.ts';

const labels = { env: 'prod', tier: 'gold', 'drover.dev/name': 'prod-eu' };
const cases: readonly (readonly [text: string, want: boolean])[] = [
  ['env=prod', true],
  ['env==prod', true],
  ['env = prod', true],
  ['env=lab', false],
  ['env!=lab', true],
  ['region!=us', true],
  ['env=prod,tier=gold', true],
  ['env=prod,tier=silver', false],
  ['tier in (gold, silver)', true],
  ['tier notin (gold)', false],
  ['region notin (us)', true],
  ['tier in (gold,silver),env=prod', true],
  ['tier', true],
  ['!tier', false],
  ['!region', true],
  ['drover.dev/name=prod-eu', true],
];
for (const [text, want] of cases) test(`readSelector reads ${text}`, () => assert.equal(readSelector(text)(labels), want));

for (const text of ['', 'env=a b', 'env in gold', '=prod', 'env=prod,', 'a b', 'env>1', '(', `${'a'.repeat(300)}=b`]) {
  test(`readSelector refuses "${text.slice(0, 20)}"`, () => assert.throws(() => readSelector(text), { code: 'REQUEST_INVALID' }));
}

test('B40 a long selector is refused or read in linear time', () => {
  const started = performance.now();
  for (const text of [`${'a'.repeat(900)}!`, `a in (${'a,'.repeat(480)}`, `${'a,'.repeat(500)}a`, `${' '.repeat(900)}=`])
    assert.throws(() => readSelector(text), { code: 'REQUEST_INVALID' });
  assert.ok(performance.now() - started < 50);
});
