import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRetries } from './retries.ts';
import { testClock } from './testdata/core-hub.ts';

const random = { fraction: () => 1, bytes: () => new Uint8Array(), uuid: () => '' };

function world() {
  const clock = testClock(0);
  const stop = new AbortController();
  return { clock, stop, retries: createRetries({ clock, random }, stop.signal) };
}

test('pauses double up to a minute, and begin anew after a success', async () => {
  const { clock, retries } = world();
  const tries: number[] = [];
  const again = (): void => {
    tries.push(clock.now() / 1000);
    retries.failed('c1', again);
  };
  retries.failed('c1', again);
  for (let second = 0; second < 250; second++) await clock.advance(1000);
  assert.deepEqual(tries, [1, 3, 7, 15, 31, 63, 123, 183, 243]);
  retries.succeeded('c1');
  assert.equal(tries.length, 9);
});

test('I11 one key has one timer, however often it fails', async () => {
  const { clock, retries } = world();
  let tries = 0;
  for (let count = 0; count < 1000; count++) retries.failed('c1', () => void tries++);
  retries.failed('c2', () => void tries++);
  await clock.advance(3_600_000);
  assert.equal(tries, 2);
});

test('what is to be done later is done together, once', async () => {
  const { clock, retries } = world();
  const got: string[][] = [];
  const take = (items: ReadonlySet<string>): void => void got.push([...items]);
  retries.later('shop', ['c1'], 1000, take);
  await clock.advance(900);
  retries.later('shop', ['c2', 'c1'], 1000, take);
  await clock.advance(100);
  assert.deepEqual(got, [['c1', 'c2']]);
  retries.later('shop', ['c3'], 1000, take);
  await clock.advance(1000);
  assert.deepEqual(got[1], ['c3']);
});

test('nothing is tried again after the end', async () => {
  const { clock, stop, retries } = world();
  let tries = 0;
  retries.failed('c1', () => void tries++);
  stop.abort();
  await clock.advance(3_600_000);
  assert.equal(tries, 0);
});
