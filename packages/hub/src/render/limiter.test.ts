import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLimiter } from './limiter.ts';

const { signal } = new AbortController();

test('as many tasks run as are allowed, the others in the order they came', async () => {
  const limited = createLimiter(2);
  const gates = [0, 1, 2, 3].map(() => Promise.withResolvers<void>());
  const started: number[] = [];
  const tasks = gates.map((gate, index) =>
    limited(signal, async () => {
      started.push(index);
      await gate.promise;
    }),
  );
  assert.deepEqual(started, [0, 1]);
  gates[1]?.resolve();
  await tasks[1];
  assert.deepEqual(started, [0, 1, 2]);
  for (const gate of gates) gate.resolve();
  await Promise.all(tasks);
  assert.deepEqual(started, [0, 1, 2, 3]);
});

test('a task that fails gives its place free, one that is cancelled while it waits takes none', async () => {
  const limited = createLimiter(1);
  const gate = Promise.withResolvers<void>();
  const first = limited(signal, async () => {
    await gate.promise;
    throw new Error('failed');
  });
  const abort = new AbortController();
  const cancelled = limited(abort.signal, async () => 'never');
  const last = limited(signal, async () => 'last');
  abort.abort(new Error('stopped'));
  gate.resolve();
  await assert.rejects(first, /failed/);
  await assert.rejects(cancelled, /stopped/);
  assert.equal(await last, 'last');
  await assert.rejects(
    limited(abort.signal, async () => 'never'),
    /stopped/,
  );
});
