import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSlots } from './slots.ts';

const never = new AbortController().signal;

test('no more run at once than there are slots, in the order they came', async () => {
  const slots = createSlots(2);
  const ends: (() => void)[] = [];
  const begun: number[] = [];
  const runs = [0, 1, 2, 3].map((n) =>
    slots.run(() => {
      begun.push(n);
      return new Promise<void>((resolve) => ends.push(resolve));
    }, never),
  );
  await Promise.resolve();
  assert.deepEqual(begun, [0, 1]);
  ends[0]?.();
  await runs[0];
  await Promise.resolve();
  assert.deepEqual(begun, [0, 1, 2]);
  for (let n = 1; n < 4; n += 1) {
    ends[n]?.();
    await runs[n];
  }
  assert.deepEqual(begun, [0, 1, 2, 3]);
});

test('who stops waiting leaves the queue and takes no slot', async () => {
  const slots = createSlots(1);
  const { promise, resolve } = Promise.withResolvers<void>();
  const first = slots.run(() => promise, never);
  const leaving = new AbortController();
  const left = slots.run(async () => assert.fail('must not run'), leaving.signal);
  leaving.abort(new Error('enough'));
  await assert.rejects(left, /enough/);
  resolve();
  await first;
  assert.equal(await slots.run(async () => 'free', never), 'free');
});

test('a task that fails frees its slot', async () => {
  const slots = createSlots(1);
  await assert.rejects(slots.run(async () => assert.fail('no'), never));
  assert.equal(await slots.run(async () => 'free', never), 'free');
});
