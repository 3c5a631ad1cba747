import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AgentEvent, Facts, UnitReport } from '@drover/contract';
import { reportChecksum } from '@drover/contract';
import { createOutbox, MAX_EVENTS } from './outbox.ts';
import type { Snapshot } from './types.ts';

const unit = (name: string, message = ''): UnitReport => ({
  unit: `drover/${name}`,
  state: 'Ready',
  since: 1,
  epoch: 1,
  generation: 1,
  wanted: 'hmac:a',
  healthy: true,
  objects: { total: 0, ready: 0 },
  changes: { created: 0, configured: 0, unchanged: 0, deleted: 0 },
  problems: [],
  drift: [],
  blockedOn: [],
  suspended: false,
  mode: 'Enforce',
  message,
});
const snapshot = (units: readonly UnitReport[], more: Partial<Snapshot> = {}): Snapshot => ({ head: undefined, units, left: [], ...more });
const event = (id: number, message = ''): AgentEvent => ({ id: `e${id}`, time: 1, severity: 'Info', reason: 'Tried', message });
const facts: Facts = { agentVersion: '0.1.0', kubernetesVersion: 'v1.36.3', apiResources: [] };
const names = (units: readonly UnitReport[]): readonly string[] => units.map((report) => report.unit);

test('only what changed is said, and of each unit only the newest', () => {
  const outbox = createOutbox();
  outbox.reopen();
  const a = unit('a');
  outbox.take(snapshot([a, unit('b')]));
  assert.deepEqual(names(outbox.next(1).units), ['drover/a', 'drover/b']);
  assert.equal(outbox.pending, false);
  outbox.take(snapshot([a, unit('b')]));
  assert.equal(outbox.pending, false, 'an equal report in a new object is no change');
  outbox.take(snapshot([a, unit('b', 'one')]));
  outbox.take(snapshot([a, unit('b', 'two')]));
  assert.deepEqual(
    outbox.next(2).units.map(({ message }) => message),
    ['two'],
  );
});

test('a unit that is known no more is not reported any more', () => {
  const outbox = createOutbox();
  outbox.take(snapshot([unit('a'), unit('b')]));
  outbox.take(snapshot([unit('b')]));
  assert.deepEqual(names(outbox.next(1).units), ['drover/b']);
  assert.deepEqual([...outbox.reopen().units.keys()], ['drover/b']);
});

test('on a new stream the checksums tell of units, and the hub asks for what differs', () => {
  const outbox = createOutbox();
  outbox.take(snapshot([unit('a'), unit('b')]));
  outbox.setFacts(facts);
  const checksums = outbox.reopen();
  assert.deepEqual(
    [...checksums.units],
    [
      ['drover/a', reportChecksum(unit('a'))],
      ['drover/b', reportChecksum(unit('b'))],
    ],
  );
  assert.equal(checksums.facts, reportChecksum(facts));
  assert.equal(outbox.pending, false);
  outbox.resync(['drover/b', 'drover/unknown'], true);
  const report = outbox.next(1);
  assert.deepEqual(names(report.units), ['drover/b']);
  assert.deepEqual(report.facts, facts);
});

test('events and bad blobs that were not acknowledged are said again, in order', () => {
  const outbox = createOutbox();
  outbox.addEvent(event(1));
  outbox.addEvent(event(2));
  outbox.addBadBlob('00');
  outbox.next(1);
  outbox.addEvent(event(3));
  outbox.next(2);
  outbox.addEvent(event(4));
  outbox.acknowledge(1);
  outbox.reopen();
  const report = outbox.next(1);
  assert.deepEqual(
    report.events.map(({ id }) => id),
    ['e3', 'e4'],
  );
  assert.deepEqual(report.badBlobs, []);
});

test('units that leave are told again on every new stream until they are gone', () => {
  const outbox = createOutbox();
  const left = [{ unit: 'drover/old', done: false, remaining: [] }];
  outbox.take(snapshot([], { left }));
  assert.deepEqual(outbox.next(1).left, left);
  assert.equal(outbox.pending, false);
  outbox.reopen();
  assert.deepEqual(outbox.next(1).left, left);
  outbox.take(snapshot([]));
  assert.equal(outbox.pending, true);
});

test('a newer head is worth a message of its own', () => {
  const outbox = createOutbox();
  outbox.reopen();
  const head = { fleet: 'f', epoch: 1, generation: 2, content: 'c' };
  outbox.take(snapshot([], { head }));
  assert.deepEqual(outbox.next(1).seen, head);
  outbox.take(snapshot([], { head: { ...head } }));
  assert.equal(outbox.pending, false);
});

test('I11 a message holds what fits, the rest follows', () => {
  const outbox = createOutbox();
  const many = Array.from({ length: 1000 }, (_, index) => unit(`u${index}`, 'x'.repeat(1900)));
  outbox.take(snapshot(many));
  const told: string[] = [];
  let messages = 0;
  while (outbox.pending) {
    const report = outbox.next(++messages);
    assert.ok(JSON.stringify(report).length < 600_000);
    told.push(...names(report.units));
  }
  assert.deepEqual(told, names(many));
  assert.ok(messages > 3);
});

test('I11 one unit with long texts of others still fits one message, and its counts stay whole', () => {
  const outbox = createOutbox();
  const problem = { key: '/ConfigMap/a/b', health: 'Failed', message: 'é'.repeat(1_000_000) } as const;
  const drift = {
    key: '/ConfigMap/a/b',
    kind: 'Differs',
    paths: Array.from({ length: 500 }, () => 'p'.repeat(9000)),
    message: '',
    at: 1,
  } as const;
  const big: UnitReport = {
    ...unit('big', 'y'.repeat(1_000_000)),
    objects: { total: 5000, ready: 4000 },
    problems: Array.from({ length: 500 }, () => problem),
    drift: Array.from({ length: 500 }, () => drift),
  };
  outbox.take(snapshot([big]));
  const [sent] = outbox.next(1).units;
  assert.deepEqual(sent?.objects, { total: 5000, ready: 4000 });
  assert.ok(Buffer.byteLength(JSON.stringify(sent)) < 900_000, String(Buffer.byteLength(JSON.stringify(sent))));
});

test('I11 events are kept up to a bound, the newest last, and what was dropped is counted', () => {
  const outbox = createOutbox();
  for (let id = 0; id < MAX_EVENTS + 5; id++) outbox.addEvent(event(id));
  assert.equal(outbox.dropped(), 5);
  assert.equal(outbox.next(1).events[0]?.id, 'e5');
});
