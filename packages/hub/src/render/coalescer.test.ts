import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DroverError } from '@drover/contract';
import { createCoalescer } from './coalescer.ts';

const { signal } = new AbortController();

test('a task runs once for all who ask at the same time, and again for those who come later', async () => {
  const coalesced = createCoalescer<number>();
  let runs = 0;
  const run = async (): Promise<number> => {
    await new Promise(setImmediate);
    return ++runs;
  };
  assert.deepEqual(await Promise.all([coalesced('a', signal, run), coalesced('a', signal, run), coalesced('b', signal, run)]), [1, 1, 2]);
  assert.equal(await coalesced('a', signal, run), 3);
});

test('who waited for a cancelled task runs it, once for all who are left', async () => {
  const coalesced = createCoalescer<string>();
  const abort = new AbortController();
  const first = coalesced(
    'a',
    abort.signal,
    () => new Promise((_resolve, reject) => abort.signal.addEventListener('abort', () => reject(abort.signal.reason as Error))),
  );
  let runs = 0;
  const run = async (): Promise<string> => {
    runs++;
    await new Promise(setImmediate);
    return 'done';
  };
  const others = [coalesced('a', signal, run), coalesced('a', signal, run), coalesced('a', abort.signal, run)];
  abort.abort(new Error('stopped'));
  await assert.rejects(first, /stopped/);
  assert.deepEqual(
    (await Promise.allSettled(others)).map((other) => other.status),
    ['fulfilled', 'fulfilled', 'rejected'],
  );
  assert.equal(runs, 1);
});

test('a failure is not shared: each gets its own', async () => {
  const coalesced = createCoalescer<string>();
  const fail = (name: string) => async (): Promise<string> => {
    await new Promise(setImmediate);
    throw new DroverError('RENDER_KUSTOMIZE', name, 'failed');
  };
  const results = await Promise.allSettled(['a', 'b', 'c'].map((name) => coalesced('key', signal, fail(name))));
  assert.deepEqual(
    results.map((result) => (result.status === 'rejected' ? (result.reason as DroverError).subject : '')),
    ['a', 'b', 'c'],
  );
});
