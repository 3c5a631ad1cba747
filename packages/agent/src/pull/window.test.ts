import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createWindow } from './window.ts';

const signal = new AbortController().signal;

test('F13 the window opens with answers and halves with each late one', async () => {
  const window = createWindow({ first: 2, most: 8 });
  const answer = async (times: number): Promise<void> => {
    for (let i = 0; i < times; i++) {
      await window.enter(signal);
      window.leave('answered');
    }
  };
  await answer(2);
  assert.equal(window.size, 4);
  await answer(4 + 8 + 50);
  assert.equal(window.size, 8);
  for (const want of [4, 2, 1, 1]) {
    await window.enter(signal);
    window.leave('late');
    assert.equal(window.size, want);
  }
});

test('I11 no more than the window are inside, and who gives up makes room', async () => {
  const window = createWindow({ first: 2, most: 2 });
  const leaving = new AbortController();
  await window.enter(signal);
  await window.enter(signal);
  let entered = false;
  const gone = window.enter(leaving.signal);
  const third = window.enter(signal).then(() => (entered = true));
  leaving.abort(new Error('gone'));
  await assert.rejects(gone, /gone/);
  assert.equal(entered, false);
  window.leave('answered');
  await third;
});
