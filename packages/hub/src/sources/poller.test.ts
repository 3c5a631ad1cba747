import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Clock, Random } from '@drover/contract';
import { DroverError } from '@drover/contract';
import type { PollState, PollStatus } from './poller.ts';
import { createPoller, nextPoll } from './poller.ts';
import { quiet, specOf } from './testdata/fixture.ts';
import type { FetchResult } from './types.ts';

const idle: PollState = { intervalMs: 60_000, suspended: false, failures: 0, startedAt: 1_000, hinted: false, jitter: 0.5 };

suite('when a source is polled next', () => {
  const table: readonly (readonly [string, Partial<PollState>, number, number | undefined])[] = [
    ['at once before the first fetch', { startedAt: undefined }, 0, 0],
    ['an interval after the start of the last fetch', {}, 1_000, 60_000],
    ['earlier by a tenth at the lower end of jitter', { jitter: 0 }, 1_000, 54_000],
    ['later by a tenth at the upper end of jitter', { jitter: 1 }, 1_000, 66_000],
    ['at once when it is overdue', {}, 100_000, 0],
    ['at once on a hint', { hinted: true }, 1_001, 0],
    ['never while it is suspended', { suspended: true, hinted: true, startedAt: undefined }, 0, undefined],
    ['after two seconds when it failed once', { failures: 1 }, 1_000, 2_000],
    ['after twice as long for each failure', { failures: 4 }, 1_000, 16_000],
    ['after five minutes at most', { failures: 40 }, 1_000, 300_000],
    ['a hint shortens the back-off', { failures: 5, hinted: true }, 1_000, 5_000],
    ['hints at a remote that fails do not hammer it', { failures: 30, hinted: true }, 1_000, 15_000],
  ];
  for (const [title, state, now, expected] of table) {
    test(title, () => assert.equal(nextPoll({ ...idle, ...state }, now), expected));
  }
});

/** A clock that stands still until everything waits, then goes to the end of the sleep. */
function steppedClock(): Clock & { readonly slept: number[]; release(): void } {
  let now = 0;
  let wake: (() => void) | undefined;
  const slept: number[] = [];
  return {
    slept,
    now: () => now,
    monotonic: () => now,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        slept.push(ms);
        signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
        wake = () => {
          now += ms;
          resolve();
        };
      }),
    release: () => wake?.(),
  };
}

const random: Random = { fraction: () => 0.5, bytes: (length) => new Uint8Array(length), uuid: () => '' };
const nothing: FetchResult = { tree: undefined, changed: false, changedPaths: [], problem: undefined, warnings: [] };
const unreachable = { ...nothing, problem: new DroverError('GIT_UNREACHABLE', 'source fleet', 'closed').toProblem() };
const held = { ...nothing, problem: new DroverError('GIT_HISTORY_UNRELATED', 'source fleet', 'replaced').toProblem() };

/** Lets every promise that can settle do so. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

suite('polling', () => {
  test('F27 failures back off, a success resets, and the status says since when', async () => {
    const clock = steppedClock();
    const answers = [nothing, unreachable, unreachable, held, nothing];
    const seen: PollStatus[] = [];
    const poller = createPoller(
      { clock, random, log: quiet },
      {
        mirror: { fetch: async () => answers.shift() ?? nothing },
        spec: specOf('https://h/x'),
        onResult: (_result, _spec, status) => seen.push(status),
      },
    );
    const stop = new AbortController();
    const running = poller.run(stop.signal);
    for (let step = 0; step < 4; step += 1) {
      await settled();
      clock.release();
    }
    await settled();
    stop.abort();
    await running;
    assert.deepEqual(clock.slept, [60_000, 2_000, 4_000, 60_000, 60_000]);
    assert.deepEqual(seen[2], { lastAt: 62_000, failingSince: 60_000, failures: 2 });
    assert.deepEqual(seen[3], { lastAt: 66_000, failingSince: undefined, failures: 0 });
  });

  test('F29 a thousand hints during a fetch make one more fetch; a hint cuts the sleep short', async () => {
    const clock = steppedClock();
    let fetches = 0;
    let finish: (() => void) | undefined;
    const fetch = async (): Promise<FetchResult> => {
      fetches += 1;
      await new Promise<void>((resolve) => (finish = resolve));
      return nothing;
    };
    const poller = createPoller(
      { clock, random, log: quiet },
      { mirror: { fetch }, spec: specOf('https://h/x'), onResult: () => undefined },
    );
    const stop = new AbortController();
    const running = poller.run(stop.signal);
    await settled();
    for (let hint = 0; hint < 1000; hint += 1) poller.hint();
    finish?.();
    await settled();
    assert.equal(fetches, 2);
    finish?.();
    await settled();
    assert.deepEqual([fetches, clock.slept.length], [2, 1]);
    poller.hint();
    await settled();
    assert.equal(fetches, 3);
    finish?.();
    stop.abort();
    await running;
  });

  test('a suspended source is not polled, hints or not, until its configuration changes', async () => {
    const clock = steppedClock();
    let fetches = 0;
    const fetch = async (): Promise<FetchResult> => {
      fetches += 1;
      return nothing;
    };
    const spec = specOf('https://h/x', { suspend: true });
    const poller = createPoller({ clock, random, log: quiet }, { mirror: { fetch }, spec, onResult: () => undefined });
    const stop = new AbortController();
    const running = poller.run(stop.signal);
    await settled();
    poller.hint();
    poller.update(spec);
    await settled();
    assert.equal(fetches, 0);
    poller.update({ ...spec, suspend: false });
    await settled();
    assert.equal(fetches, 1);
    stop.abort();
    await running;
  });
});
