import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { coalesce } from './coalesce.ts';

const never = new AbortController().signal;

/** Work that ends when it is told to. */
function scripted() {
  const runs: {
    readonly input: number;
    readonly signal: AbortSignal;
    readonly end: (output: string) => void;
    readonly fail: (error: Error) => void;
  }[] = [];
  const call = coalesce<number, string>((input, signal) => {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    signal.addEventListener('abort', () => reject(signal.reason as Error));
    runs.push({ input, signal, end: resolve, fail: reject });
    return promise;
  });
  return { runs, call };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

suite('F29 coalesced work', () => {
  test('one runs, one waits with the newest input, and all who wait share it', async () => {
    const { runs, call } = scripted();
    const first = call(1, never);
    const rest = [call(2, never), call(3, never), call(4, never)];
    await settled();
    assert.deepEqual(
      runs.map(({ input }) => input),
      [1],
    );
    runs[0]?.end('a');
    assert.equal(await first, 'a');
    await settled();
    assert.deepEqual(
      runs.map(({ input }) => input),
      [1, 4],
    );
    runs[1]?.end('b');
    assert.deepEqual(await Promise.all(rest), ['b', 'b', 'b']);
  });

  test('a failure reaches those who shared the run, and the next run starts', async () => {
    const { runs, call } = scripted();
    const first = call(1, never);
    const second = call(2, never);
    runs[0]?.fail(new Error('broken'));
    await assert.rejects(first, /broken/);
    await settled();
    runs[1]?.end('fine');
    assert.equal(await second, 'fine');
  });

  test('a run stops when the last who waits for it has gone', async () => {
    const { runs, call } = scripted();
    const [a, b, c] = [new AbortController(), new AbortController(), new AbortController()];
    const first = call(1, a.signal);
    const second = call(2, b.signal);
    const third = call(3, c.signal);
    b.abort(new Error('b left'));
    await assert.rejects(second, /b left/);
    a.abort(new Error('a left'));
    await assert.rejects(first, /a left/);
    assert.equal(runs[0]?.signal.aborted, true);
    await settled();
    assert.equal(runs[1]?.signal.aborted, false);
    runs[1]?.end('c');
    assert.equal(await third, 'c');
  });

  test('nobody waits for what was never started', async () => {
    const { runs, call } = scripted();
    const first = call(1, never);
    const stop = new AbortController();
    const second = call(2, stop.signal);
    stop.abort(new Error('left'));
    await assert.rejects(second, /left/);
    runs[0]?.end('a');
    await first;
    await settled();
    assert.equal(runs.length, 1);
  });

  test('closing ends what runs and what waits, and takes no more', async () => {
    const { runs, call } = scripted();
    const ended = Promise.allSettled([call(1, never), call(2, never)]);
    await call[Symbol.asyncDispose]();
    assert.deepEqual(
      (await ended).map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    assert.deepEqual([runs.length, runs[0]?.signal.aborted], [1, true]);
    await assert.rejects(call(3, never), /closed/);
  });
});
