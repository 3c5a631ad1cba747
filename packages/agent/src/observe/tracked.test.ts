import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LiveObject } from '#kube/types.ts';
import { ownedFields } from './fields.ts';
import type { Tracked } from './tracked.ts';
import { forget, judge, mayBeGone, rebase, retrack, take, takeMissing, track } from './tracked.ts';

const KEY = '/ConfigMap/shop/web';
const BOTH = { 'f:data': { 'f:a': {}, 'f:b': {} } };
const LESS = { 'f:data': { 'f:b': {} } };
const hashOf = (set: object): string => ownedFields(live('1', set)).hash;

function live(
  resourceVersion: string,
  set: object = BOTH,
  more: { uid?: string; deletionTimestamp?: string; taker?: string } = {},
): LiveObject {
  const { uid = 'u1', taker, ...metadata } = more;
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: 'web',
      namespace: 'shop',
      uid,
      resourceVersion,
      labels: { 'drover.dev/managed': 'true' },
      managedFields: [
        { manager: 'drover', operation: 'Apply', fieldsV1: set },
        ...(taker === undefined ? [] : [{ manager: taker, operation: 'Update', fieldsV1: { 'f:data': { 'f:a': {} } } }]),
      ],
      ...metadata,
    },
  };
}

const expected = (over: { uid?: string | null; fields?: string | undefined } = {}): Tracked =>
  track({ key: KEY, apiVersion: 'v1', uid: 'u1', fields: hashOf(BOTH), ...over });

function see(tracked: Tracked, object: LiveObject): boolean {
  const took = take(tracked, object, ownedFields(object));
  judge(tracked);
  return took;
}

test('I2 before anything was seen nothing is missing and nothing has drifted', () => {
  const tracked = expected();
  judge(tracked);
  assert.equal(tracked.observation.presence, 'Unknown');
  assert.equal(tracked.observation.drifted, false);
});

test('an object whose fields are the baseline has not drifted', () => {
  const tracked = expected();
  see(tracked, live('5'));
  assert.deepEqual(tracked.observation, {
    presence: 'Present',
    uid: 'u1',
    resourceVersion: '5',
    health: { health: 'Current', message: '' },
    drifted: false,
    terminating: false,
  });
});

test('drift names paths and manager once the baseline was seen', () => {
  const tracked = expected();
  see(tracked, live('5'));
  see(tracked, live('6', LESS, { taker: 'kubectl-edit' }));
  const { drifted, paths, manager } = tracked.observation;
  assert.deepEqual({ drifted, paths, manager }, { drifted: true, paths: ['/data/a'], manager: 'kubectl-edit' });
});

test('drift that happened while nobody looked is seen by the hash alone', () => {
  const tracked = expected();
  see(tracked, live('6', LESS));
  assert.equal(tracked.observation.drifted, true);
  assert.equal(tracked.observation.paths, undefined);
});

test('an intent has not drifted, whatever is there', () => {
  const tracked = expected({ uid: null, fields: undefined });
  see(tracked, live('6', LESS));
  assert.equal(tracked.observation.drifted, false);
  assert.equal(takeMissing(tracked, tracked.turn), true);
  judge(tracked);
  assert.equal(tracked.observation.presence, 'Missing');
  assert.equal(tracked.observation.drifted, false);
});

test('F24 another UID of the same name has drifted, so that it is applied and adopted', () => {
  const tracked = expected();
  see(tracked, live('6', BOTH, { uid: 'u2' }));
  assert.equal(tracked.observation.drifted, true);
  assert.equal(tracked.observation.uid, 'u2');
});

test('F23 late events are ignored', () => {
  const tracked = expected();
  see(tracked, live('10'));
  assert.equal(see(tracked, live('9', LESS)), false);
  assert.equal(see(tracked, live('10', LESS)), false);
  assert.equal(mayBeGone(tracked, '9'), false);
  assert.equal(mayBeGone(tracked, '11'), true);
  assert.equal(tracked.observation.drifted, false);
});

test('F24 after the store went back older versions are news', () => {
  const tracked = expected();
  see(tracked, live('100'));
  forget(tracked, { versions: true });
  judge(tracked);
  assert.equal(tracked.observation.presence, 'Unknown');
  assert.equal(see(tracked, live('40', LESS)), true);
  assert.equal(tracked.observation.drifted, true);
});

test('what proved nothing for a while is news at the same version', () => {
  const tracked = expected();
  see(tracked, live('100'));
  forget(tracked, { versions: false });
  assert.equal(see(tracked, live('99')), false);
  assert.equal(see(tracked, live('100')), true);
});

test('F23 a read that began before newer news decides nothing', () => {
  const tracked = expected();
  see(tracked, live('10'));
  const { turn } = tracked;
  see(tracked, live('12'));
  assert.equal(takeMissing(tracked, turn), false);
  assert.equal(takeMissing(tracked, tracked.turn), true);
  judge(tracked);
  assert.deepEqual([tracked.observation.presence, tracked.observation.drifted], ['Missing', true]);
});

test('F21 a kind that is gone makes nothing missing', () => {
  const tracked = expected();
  see(tracked, live('10'));
  forget(tracked, { versions: true, kindAbsent: true });
  judge(tracked);
  const { presence, drifted, kindAbsent } = tracked.observation;
  assert.deepEqual({ presence, drifted, kindAbsent }, { presence: 'Unknown', drifted: false, kindAbsent: true });
});

test('the response of an apply is the new baseline', () => {
  const tracked = expected();
  see(tracked, live('10'));
  rebase(tracked, live('11', LESS), ownedFields(live('11', LESS)));
  judge(tracked);
  assert.equal(tracked.observation.drifted, false);
  see(tracked, live('12', {}));
  assert.deepEqual(tracked.observation.paths, ['/data/b']);
});

test('an event that came before the response of the apply is not lost', () => {
  const tracked = expected();
  see(tracked, live('10'));
  see(tracked, live('12', LESS, { taker: 'fast' }));
  rebase(tracked, live('11'), ownedFields(live('11')));
  judge(tracked);
  assert.equal(tracked.observation.resourceVersion, '12');
  assert.equal(tracked.observation.drifted, true);
});

test('the event of our own apply that came before its response is no drift', () => {
  const tracked = expected({ fields: hashOf(LESS) });
  see(tracked, live('10', LESS));
  see(tracked, live('11', BOTH));
  assert.equal(tracked.observation.drifted, true);
  rebase(tracked, live('11', BOTH), ownedFields(live('11', BOTH)));
  judge(tracked);
  assert.equal(tracked.observation.drifted, false);
  assert.equal(tracked.observation.paths, undefined);
});

test('the inventory may say that the baseline is another', () => {
  const tracked = expected();
  see(tracked, live('10', LESS));
  assert.equal(tracked.observation.drifted, true);
  retrack(tracked, { apiVersion: 'v1', uid: 'u1', fields: hashOf(LESS) });
  judge(tracked);
  assert.equal(tracked.observation.drifted, false);
});

test('F20 an object that is being deleted says so', () => {
  const tracked = expected();
  see(tracked, live('10', BOTH, { deletionTimestamp: '2026-11-01T00:00:00Z' }));
  assert.equal(tracked.observation.terminating, true);
  assert.equal(tracked.observation.health.health, 'Terminating');
  assert.equal(tracked.observation.drifted, false);
});

test('a change of the resource version alone is no change', () => {
  const tracked = expected();
  take(tracked, live('10'), ownedFields(live('10')));
  assert.equal(judge(tracked), true);
  take(tracked, live('11'), ownedFields(live('11')));
  assert.equal(judge(tracked), false);
  assert.equal(tracked.observation.resourceVersion, '11');
});
