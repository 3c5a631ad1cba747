import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AgentMessage, Clock, HubMessage, Logger, Random } from '@drover/contract';
import { DroverError } from '@drover/contract';
import type { StreamHandlers } from './reporter.ts';
import { createReporter } from './reporter.ts';
import type { Snapshot } from './types.ts';

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };
const EMPTY: Snapshot = { head: undefined, units: [], left: [] };

/** A clock that stands still until it is moved. */
function manualClock() {
  let now = 0;
  const sleepers = new Set<{ readonly at: number; readonly done: () => void }>();
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    sleep: (ms, signal) =>
      new Promise((done, fail) => {
        const sleeper = { at: now + ms, done };
        sleepers.add(sleeper);
        signal.addEventListener('abort', () => {
          sleepers.delete(sleeper);
          fail(signal.reason as Error);
        });
      }),
  };
  async function settle(): Promise<void> {
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  }
  return {
    clock,
    settle,
    async pass(ms: number) {
      const end = now + ms;
      await settle();
      for (;;) {
        const next = [...sleepers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
        if (next === undefined) break;
        now = Math.max(now, next.at);
        sleepers.delete(next);
        next.done();
        await settle();
      }
      now = end;
    },
  };
}

function setup(options: { readonly fraction?: number } = {}) {
  const time = manualClock();
  const random: Random = { fraction: () => options.fraction ?? 0, bytes: (length) => new Uint8Array(length), uuid: () => 'instance' };
  const streams: {
    readonly sent: { readonly at: number; readonly message: AgentMessage }[];
    readonly handlers: StreamHandlers;
    closed: boolean;
  }[] = [];
  const reconciled: (string | undefined)[] = [];
  let transitions: number | undefined = 3;
  const reporter = createReporter({
    clock: time.clock,
    random,
    log: silent,
    uid: 'uid',
    agentVersion: '0.1.0',
    leaseTransitions: () => transitions,
    open: (handlers) => {
      const stream = { sent: [] as { at: number; message: AgentMessage }[], handlers, closed: false };
      streams.push(stream);
      return { send: (message) => void stream.sent.push({ at: time.clock.monotonic(), message }), close: () => (stream.closed = true) };
    },
    onReconcile: (unit) => reconciled.push(unit),
  });
  const ending = new AbortController();
  const running = reporter.run(ending.signal);
  return {
    ...time,
    reporter,
    streams,
    reconciled,
    lease: (value: number | undefined) => (transitions = value),
    last: () => {
      const stream = streams.at(-1);
      assert.ok(stream !== undefined, 'no stream was opened');
      return stream;
    },
    async hear(message: HubMessage) {
      streams.at(-1)?.handlers.received(message);
      await time.settle();
    },
    async [Symbol.asyncDispose]() {
      ending.abort();
      await time.settle();
      await running;
    },
  };
}
const WELCOME: HubMessage = { type: 'welcome', protocol: 1, accepted: true };
const head = (generation: number): Snapshot => ({ ...EMPTY, head: { fleet: 'f', epoch: 1, generation, content: 'c' } });

test('nothing is opened before there is something to say', async () => {
  await using agent = setup();
  await agent.pass(60_000);
  assert.equal(agent.streams.length, 0);
  agent.reporter.publish(EMPTY);
  await agent.pass(0);
  assert.deepEqual(
    agent.last().sent.map(({ message }) => message.type),
    ['hello'],
  );
});

test('the first message goes at once, the following are gathered to four a second', async () => {
  await using agent = setup();
  agent.reporter.publish(head(1));
  await agent.pass(0);
  await agent.hear(WELCOME);
  for (let generation = 2; generation < 100; generation++) {
    agent.reporter.publish(head(generation));
    await agent.pass(10);
    const { message } = agent.last().sent.at(-1) ?? {};
    if (message?.type === 'report') await agent.hear({ type: 'ack', seq: message.seq });
  }
  const reports = agent.last().sent.filter(({ message }) => message.type === 'report');
  assert.deepEqual(
    reports.map(({ at }) => at),
    [0, 250, 500, 750],
  );
});

test('an agent that has nothing to say sends a heartbeat every 30 s', async () => {
  await using agent = setup();
  agent.reporter.publish(head(7));
  await agent.pass(0);
  await agent.hear(WELCOME);
  await agent.pass(61_000);
  assert.deepEqual(
    agent
      .last()
      .sent.slice(1)
      .map(({ at, message }) => [at, message.type]),
    [
      [30_000, 'heartbeat'],
      [60_000, 'heartbeat'],
    ],
  );
});

test('F12 a stream that ends is opened again after 0.5 to 10 s, for ever', async () => {
  await using agent = setup({ fraction: 1 });
  agent.reporter.publish(EMPTY);
  const opened: number[] = [];
  for (let count = 0; count < 9; count++) {
    await agent.pass(0);
    while (agent.streams.length <= count) await agent.pass(100);
    opened.push(agent.clock.monotonic());
    agent.last().handlers.ended(new DroverError('HUB_UNREACHABLE', 'hub', 'gone'));
  }
  const waits = opened.slice(1).map((at, index) => at - (opened[index] ?? 0));
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 10_000, 10_000, 10_000, 10_000]);
});

test('a hub that does not answer the hello, or does not acknowledge, is given up', async () => {
  await using agent = setup();
  agent.reporter.publish(EMPTY);
  await agent.pass(10_000);
  assert.equal(agent.streams[0]?.closed, true);
  await agent.pass(600);
  assert.equal(agent.streams.length, 2);
  await agent.hear(WELCOME);
  agent.reporter.publish(head(2));
  await agent.pass(59_000);
  assert.equal(agent.streams[1]?.closed, false);
  await agent.pass(2_000);
  assert.equal(agent.streams[1]?.closed, true);
});

test('F33 a hub whose protocol is too old is told nothing', async () => {
  await using agent = setup();
  agent.reporter.publish(EMPTY);
  await agent.pass(0);
  await agent.hear({ type: 'welcome', protocol: 0, accepted: true });
  agent.reporter.publish(head(2));
  await agent.pass(100);
  assert.equal(agent.streams[0]?.closed, true);
  assert.deepEqual(
    agent.streams[0]?.sent.map(({ message }) => message.type),
    ['hello'],
  );
});

test('no more than four messages wait for their acknowledgement', async () => {
  await using agent = setup();
  agent.reporter.publish(EMPTY);
  await agent.pass(0);
  await agent.hear(WELCOME);
  for (let generation = 1; generation < 20; generation++) {
    agent.reporter.publish(head(generation));
    await agent.pass(300);
  }
  const seqs = (): readonly number[] => agent.last().sent.flatMap(({ message }) => (message.type === 'report' ? [message.seq] : []));
  assert.deepEqual(seqs(), [1, 2, 3, 4]);
  await agent.hear({ type: 'ack', seq: 4 });
  await agent.pass(0);
  assert.deepEqual(seqs(), [1, 2, 3, 4, 5]);
});

test('the hub’s wish to reconcile now is passed on', async () => {
  await using agent = setup();
  agent.reporter.publish(EMPTY);
  await agent.pass(0);
  await agent.hear(WELCOME);
  await agent.hear({ type: 'reconcile', unit: 'drover/shop' });
  await agent.hear({ type: 'reconcile' });
  assert.deepEqual(agent.reconciled, ['drover/shop', undefined]);
});

test('an agent that hears of another with its identity knows it, until it is over', async () => {
  await using agent = setup();
  agent.reporter.publish(EMPTY);
  await agent.pass(0);
  await agent.hear(WELCOME);
  assert.equal(agent.reporter.cloned(), false);
  await agent.hear({ type: 'notice', code: 'CLUSTER_CLONED', message: '' });
  assert.equal(agent.reporter.cloned(), true);
  await agent.pass(31_000);
  assert.equal(agent.reporter.cloned(), false);
  agent.last().handlers.ended(new DroverError('CLUSTER_CLONED', 'hub', 'two'));
  await agent.pass(0);
  assert.equal(agent.reporter.cloned(), true);
});

test('an agent that lost the Lease reports no more, until it has it again', async () => {
  await using agent = setup();
  agent.reporter.publish(EMPTY);
  await agent.pass(0);
  await agent.hear(WELCOME);
  agent.lease(undefined);
  await agent.pass(20_000);
  assert.equal(agent.streams[0]?.closed, false, 'the API server may be away');
  agent.last().handlers.ended(new DroverError('LEASE_LOST', 'hub', 'a successor reports'));
  await agent.pass(60_000);
  assert.equal(agent.streams.length, 1);
  agent.lease(5);
  await agent.pass(1_000);
  const [first] = agent.last().sent;
  assert.ok(first?.message.type === 'hello' && first.message.leaseTransitions === 5);
});
