import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Relation } from './history.ts';
import { isNearAncestor, judgeHistory } from './history.ts';

suite('F28 the judgement of history', () => {
  const table: readonly (readonly [Relation, 'Follow' | 'Hold', boolean, string])[] = [
    ['forward', 'Follow', false, 'take'],
    ['forward', 'Hold', false, 'take'],
    ['rewritten', 'Follow', false, 'take, warned GIT_FORCE_PUSH_HELD'],
    ['rewritten', 'Hold', false, 'hold GIT_FORCE_PUSH_HELD'],
    ['rewritten', 'Hold', true, 'take, warned GIT_FORCE_PUSH_HELD'],
    ['unrelated', 'Follow', false, 'hold GIT_HISTORY_UNRELATED'],
    ['unrelated', 'Hold', false, 'hold GIT_HISTORY_UNRELATED'],
    ['unrelated', 'Follow', true, 'take, warned GIT_HISTORY_UNRELATED'],
    ['unknown', 'Follow', false, 'hold GIT_HISTORY_UNRELATED'],
    ['unknown', 'Hold', true, 'take, warned GIT_HISTORY_UNRELATED'],
  ];
  for (const [relation, forcePush, approved, expected] of table) {
    test(`${relation} under ${forcePush}${approved ? ', approved' : ''}: ${expected}`, () => {
      const verdict = judgeHistory('source fleet', { relation, from: 'a'.repeat(40), to: 'b'.repeat(40), forcePush, approved });
      const said =
        verdict.type === 'hold'
          ? `hold ${verdict.problem.code}`
          : ['take', ...verdict.warnings.map(({ code }) => `warned ${code}`)].join(', ');
      assert.equal(said, expected);
    });
  }
});

test('an ancestor is found over merges, and not looked for for ever', async () => {
  const parents: Record<string, readonly string[]> = {
    tip: ['left', 'right'],
    left: ['base'],
    right: ['base', 'lost'],
    base: ['root'],
    loop: ['loop'],
  };
  const parentsOf = async (sha: string): Promise<readonly string[] | undefined> =>
    /^\d+$/.test(sha) ? [String(Number(sha) + 1)] : parents[sha];
  assert.equal(await isNearAncestor(parentsOf, 'root', 'tip'), true);
  assert.equal(await isNearAncestor(parentsOf, 'other', 'tip'), false);
  assert.equal(await isNearAncestor(parentsOf, 'other', 'loop'), false);
  assert.equal(await isNearAncestor(parentsOf, '63', '0'), true);
  assert.equal(await isNearAncestor(parentsOf, '65', '0'), false);
});
