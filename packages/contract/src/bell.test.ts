import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createBell } from './bell.ts';

const clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms: number, signal: AbortSignal): Promise<void> => delay(ms, undefined, { signal }),
};

test('a ring ends a wait early, also one that has not begun', async () => {
  const bell = createBell(clock);
  const signal = AbortSignal.timeout(5000);
  const waiting = bell.wait(60_000, signal);
  bell.ring();
  await waiting;
  bell.ring();
  bell.ring();
  await bell.wait(60_000, signal);
  await bell.wait(1, signal);
  const aborted = new AbortController();
  const given = bell.wait(60_000, aborted.signal);
  aborted.abort(new Error('stop'));
  await assert.rejects(given, /stop/);
});
