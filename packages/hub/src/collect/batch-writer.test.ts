import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Logger } from '@drover/contract';
import { clock } from '@drover/runtime';
import type { Entry } from './batch-writer.ts';
import { createBatchWriter, SPACING_MS } from './batch-writer.ts';
import type { AgentBatch } from './types.ts';

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

function setup(onBatch: (batches: AgentBatch[]) => Promise<void> = async () => {}) {
  const calls: { readonly at: number; readonly uids: readonly string[] }[] = [];
  const outcomes: string[] = [];
  const writer = createBatchWriter({
    clock,
    log: silent,
    onBatch: async (batches) => {
      calls.push({ at: clock.monotonic(), uids: batches.map(({ uid }) => uid) });
      await onBatch(batches);
    },
  });
  const add = (uid: string): Promise<void> =>
    new Promise((done) => {
      const entry: Entry = {
        batch: { uid, units: [], left: [], events: [], badBlobs: [] },
        bytes: 10,
        committed: () => done(void outcomes.push(`${uid} committed`)),
        failed: () => done(void outcomes.push(`${uid} failed`)),
      };
      writer.add(entry);
    });
  return { writer, add, calls, outcomes, [Symbol.asyncDispose]: () => writer[Symbol.asyncDispose]() };
}

test('what comes in one turn is committed in one call, the first without waiting', async () => {
  await using hub = setup();
  const start = clock.monotonic();
  await Promise.all([hub.add('a'), hub.add('b'), hub.add('c')]);
  assert.deepEqual(
    hub.calls.map(({ uids }) => uids),
    [['a', 'b', 'c']],
  );
  assert.ok(clock.monotonic() - start < SPACING_MS);
});

test('calls are at least 50 ms apart, and gather what comes meanwhile', async () => {
  await using hub = setup();
  await hub.add('a');
  await Promise.all([hub.add('b'), hub.add('c')]);
  const [first, second] = hub.calls;
  assert.ok(first !== undefined && second !== undefined);
  assert.deepEqual(second.uids, ['b', 'c']);
  assert.ok(second.at - first.at >= SPACING_MS - 1, String(second.at - first.at));
});

test('what fails together is tried for each cluster alone, in the order it came', async () => {
  await using hub = setup(async (batches) => {
    if (batches.some(({ uid }) => uid === 'bad')) throw new Error('no');
  });
  await Promise.all([hub.add('a'), hub.add('bad'), hub.add('b'), hub.add('a')]);
  assert.deepEqual(
    hub.calls.map(({ uids }) => uids),
    [['a', 'bad', 'b', 'a'], ['a', 'a'], ['bad'], ['b']],
  );
  assert.deepEqual([...hub.outcomes].sort(), ['a committed', 'a committed', 'b committed', 'bad failed'].sort());
});

test('what waits is counted, and committed before the end', async () => {
  const hub = setup();
  const first = hub.add('a');
  const second = first.then(() => hub.add('b'));
  assert.equal(hub.writer.pendingBytes(), 10);
  await first;
  await Promise.resolve();
  await hub[Symbol.asyncDispose]();
  await second;
  assert.deepEqual([hub.outcomes, hub.writer.pendingBytes()], [['a committed', 'b committed'], 0]);
});
