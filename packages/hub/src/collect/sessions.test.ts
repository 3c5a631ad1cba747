import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AgentMessage, Clock, DroverError, HubMessage, Logger } from '@drover/contract';
import { createSessions } from './sessions.ts';

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };
const HOUR = 3_600_000;

/** Sessions over a clock that is moved by hand; the sweep runs with it. */
function setup() {
  let now = 1_000_000;
  let wakeSweep: (() => void) | undefined;
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    sleep: (_ms, signal) =>
      new Promise((done, fail) => {
        wakeSweep = done;
        signal.addEventListener('abort', () => fail(signal.reason as Error), { once: true });
      }),
  };
  const turns: string[] = [];
  const sessions = createSessions({
    clock,
    log: silent,
    onBatch: async () => {},
    checksums: async () => ({ units: new Map() }),
    onOnline: (uid) => turns.push(`+${uid}`),
    onOffline: (uid) => turns.push(`-${uid}`),
  });
  const open = (uid = 'u', notAfter = now + 24 * HOUR) => {
    const sent: HubMessage[] = [];
    const closed: (DroverError | undefined)[] = [];
    const events = sessions.open(
      { uid, accepted: true, notAfter },
      { send: (message) => sent.push(message), close: (error) => closed.push(error), pause: () => {}, resume: () => {} },
    );
    return {
      sent,
      closed,
      say: (message: AgentMessage) => events.received(message, 1),
      end: () => events.ended(),
      code: () => closed[0]?.code,
    };
  };
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  };
  return {
    sessions,
    turns,
    open,
    async pass(ms: number) {
      await settle();
      now += ms;
      wakeSweep?.();
      await settle();
    },
    [Symbol.asyncDispose]: () => sessions[Symbol.asyncDispose](),
  };
}
const hello = (leaseTransitions = 0, instance = 'i'): AgentMessage => {
  return { type: 'hello', protocol: 1, agentVersion: '', instance, leaseTransitions, uid: 'u', checksums: { units: new Map() } };
};

test('a stream that says no hello within ten seconds is closed', async () => {
  await using hub = setup();
  const stream = hub.open();
  await hub.pass(9_000);
  assert.deepEqual(stream.closed, []);
  await hub.pass(2_000);
  assert.equal(stream.code(), 'MESSAGE_REFUSED');
  assert.deepEqual(hub.turns, []);
});

test('a stream that is silent for three heartbeats is closed, and its cluster is offline', async () => {
  await using hub = setup();
  const stream = hub.open();
  stream.say(hello());
  await hub.pass(60_000);
  stream.say({ type: 'heartbeat' });
  await hub.pass(89_000);
  assert.deepEqual(stream.closed, []);
  await hub.pass(2_000);
  assert.equal(stream.code(), 'HUB_UNREACHABLE');
  assert.deepEqual(hub.turns, ['+u', '-u']);
});

test('F36 T5 a stream ends with the certificate it was opened with', async () => {
  await using hub = setup();
  const stream = hub.open('u', 1_000_000 + HOUR);
  stream.say(hello());
  for (let minute = 0; minute < 59; minute++) {
    await hub.pass(60_000);
    stream.say({ type: 'heartbeat' });
  }
  assert.deepEqual(stream.closed, []);
  await hub.pass(61_000);
  assert.equal(stream.code(), 'IDENTITY_EXPIRED');
});

test('T5 a removed cluster loses all its streams at once, also one before its hello', async () => {
  await using hub = setup();
  const [open, silentOne, other] = [hub.open(), hub.open(), hub.open('v')];
  open.say(hello());
  other.say(hello());
  hub.sessions.disconnect('u');
  assert.deepEqual([open.code(), silentOne.code(), other.code()], ['CLUSTER_UNKNOWN', 'CLUSTER_UNKNOWN', undefined]);
  assert.deepEqual([...hub.sessions.online()], ['v']);
});

test('a stream that was refused as a clone takes nothing with it when it ends', async () => {
  await using hub = setup();
  const [first, second] = [hub.open(), hub.open()];
  first.say(hello(1, 'a'));
  second.say(hello(1, 'b'));
  second.end();
  assert.equal(second.code(), 'CLUSTER_CLONED');
  assert.deepEqual([...hub.sessions.online()], ['u']);
});

test('a stream that ends after its successor opened leaves the cluster online', async () => {
  await using hub = setup();
  const [first, second] = [hub.open(), hub.open()];
  first.say(hello(1, 'a'));
  second.say(hello(2, 'b'));
  first.end();
  assert.deepEqual([hub.turns, [...hub.sessions.online()]], [['+u'], ['u']]);
});

test('what a closed stream still says is not heard', async () => {
  await using hub = setup();
  const stream = hub.open();
  stream.say({ type: 'heartbeat' });
  stream.say(hello());
  assert.deepEqual([stream.closed.length, hub.turns], [1, []]);
});

test('when the hub stops, streams end with a reason to come back', async () => {
  const hub = setup();
  const stream = hub.open();
  stream.say(hello());
  await hub[Symbol.asyncDispose]();
  assert.equal(stream.code(), 'HUB_UNREACHABLE');
});
