import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoffMs } from './backoff.ts';
import { inFlight } from './in-flight.ts';

test('no more than the limit runs at a time, and every item once', async () => {
  let running = 0;
  let most = 0;
  const seen: number[] = [];
  await inFlight(
    Array.from({ length: 20 }, (_, index) => index),
    4,
    async (item) => {
      most = Math.max(most, ++running);
      await Promise.resolve();
      seen.push(item);
      running--;
    },
  );
  assert.equal(most, 4);
  assert.deepEqual(
    seen.sort((a, b) => a - b),
    Array.from({ length: 20 }, (_, index) => index),
  );
});

test('a failure starts no more items and is thrown after those in flight have ended', async () => {
  const started: number[] = [];
  let ended = 0;
  const run = async (item: number): Promise<void> => {
    started.push(item);
    await Promise.resolve();
    ended++;
    if (item === 1) throw new Error('one');
  };
  await assert.rejects(inFlight([0, 1, 2, 3, 4, 5, 6, 7], 2, run), /one/);
  assert.equal(ended, started.length);
  assert.ok(started.length < 8);
});

test('F12 back-off stays within 0.5 and 10 s and grows with failures', () => {
  assert.equal(backoffMs(1, 0), 500);
  assert.equal(backoffMs(1, 1), 1000);
  assert.equal(backoffMs(50, 0), 500);
  assert.equal(backoffMs(50, 1), 10_000);
});
