import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Contest } from './contest.ts';
import { corrected, dueAt, isContested, mayCorrect, NO_CONTEST, RETRY_MS, seen, WINDOW_MS } from './contest.ts';

const MINUTE = 60_000;

/** Somebody writes the field back `everyMs`; returns when it was corrected. */
function fight(everyMs: number, untilMs: number): { readonly times: readonly number[]; readonly contest: Contest } {
  const times: number[] = [];
  let contest = NO_CONTEST;
  for (let now = 0; now <= untilMs; now += everyMs) {
    contest = seen(contest, now);
    if (!mayCorrect(contest, now)) continue;
    contest = corrected(contest, now);
    times.push(now);
  }
  return { times, contest };
}

test('F16 five corrections within ten minutes are made at once, then it is contested', () => {
  const { times, contest } = fight(MINUTE, 9 * MINUTE);
  assert.deepEqual(
    times,
    [0, 1, 2, 3, 4].map((minute) => minute * MINUTE),
  );
  assert.ok(isContested(contest, 9 * MINUTE));
});

test('F16 a contested field is corrected once an hour', () => {
  const { times } = fight(MINUTE, 5 * RETRY_MS);
  const later = times.filter((at) => at > 10 * MINUTE);
  assert.equal(later.length, 4);
  for (const [index, at] of later.entries()) if (index > 0) assert.ok(at - (later[index - 1] ?? 0) >= RETRY_MS);
});

test('rare changes are never a contest', () => {
  const { times } = fight(3 * MINUTE, 60 * MINUTE);
  assert.equal(times.length, 21);
});

test('after an hour of peace following a try all is forgotten', () => {
  const { contest } = fight(MINUTE, 9 * MINUTE);
  const due = dueAt(contest, 9 * MINUTE) ?? 0;
  const tried = corrected(contest, due);
  assert.ok(isContested(tried, due + RETRY_MS));
  assert.ok(!isContested(tried, due + 2 * RETRY_MS));
  assert.ok(mayCorrect(seen(tried, due + 2 * RETRY_MS), due + 2 * RETRY_MS));
});

test('corrections older than ten minutes do not count', () => {
  let contest = NO_CONTEST;
  for (let index = 0; index < 4; index++) contest = corrected(contest, index);
  assert.ok(mayCorrect(corrected(contest, WINDOW_MS + 10), WINDOW_MS + 20));
});
