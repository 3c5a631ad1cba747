import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DroverError } from '@drover/contract';
import type { LiveObject } from '#kube/types.ts';
import { decodeShard, decodeState, encodeShard, encodeState, secretJson } from './codec.ts';
import type { Entry, StateRecord } from './types.ts';

const ENTRIES: readonly Entry[] = [
  { key: '/ConfigMap/a/b', apiVersion: 'v1', uid: 'u1', digest: 'sha256:1', unit: 'drover/x', adopted: false, fields: 'f' },
  { key: 'apps/Deployment/a/b', apiVersion: 'apps/v1', uid: null, digest: '', unit: 'drover/x', adopted: false },
  { key: '/Secret/a/b', apiVersion: 'v1', uid: 'u2', digest: 'sha256:2', unit: 'drover/y', adopted: true, keep: 'Disabled' },
];
const RECORD: StateRecord = {
  format: 'drover.state/1',
  head: { fleet: 'f', epoch: 1, generation: 7, content: 'c' },
  units: [],
  left: [],
  packs: [1, 4],
};

function stored(data: Record<string, Uint8Array>): LiveObject {
  const secret = JSON.parse(secretJson('drover-inventory-0', 'inventory', data, undefined)) as LiveObject;
  return { ...secret, metadata: { ...secret.metadata, uid: 'u', resourceVersion: '1' } };
}

test('a shard is read as it was written', () => {
  assert.deepEqual(decodeShard(stored(encodeShard({ sequence: 3, entries: ENTRIES }))), { sequence: 3, entries: ENTRIES });
});

test('the state is read as it was written, with intents and the newest pack', () => {
  const content = {
    record: RECORD,
    sequence: 9,
    shards: 4,
    intents: [{ key: '/A//b', apiVersion: 'v1', unit: 'drover/x' }],
    recent: Buffer.from('pack'),
  };
  assert.deepEqual(decodeState(stored(encodeState(content))), content);
});

const damages: { name: string; harm: (data: Record<string, Uint8Array>) => Record<string, Uint8Array>; code: string }[] = [
  { name: 'other bytes', harm: (data) => ({ ...data, payload: Buffer.from('random') }), code: 'INVENTORY_DAMAGED' },
  {
    name: 'a cut payload',
    harm: (data) => ({ ...data, payload: data['payload']?.subarray(1) ?? new Uint8Array(0) }),
    code: 'INVENTORY_DAMAGED',
  },
  { name: 'a missing digest', harm: ({ payload = new Uint8Array(0) }) => ({ payload }), code: 'INVENTORY_DAMAGED' },
  { name: 'no data', harm: () => ({}), code: 'INVENTORY_DAMAGED' },
];
for (const { name, harm, code } of damages) {
  test(`F4 ${name} in a shard is damage, not an empty inventory`, () => {
    const secret = stored(harm(encodeShard({ sequence: 1, entries: ENTRIES })));
    assert.throws(
      () => decodeShard(secret),
      (thrown) => thrown instanceof DroverError && thrown.code === code,
    );
  });
}

test('a format of a newer agent is refused by name', () => {
  const secret = stored(encodeState({ record: RECORD, sequence: 1, shards: 1, intents: [], recent: new Uint8Array(0) }));
  assert.throws(
    () => decodeShard(secret),
    (thrown) => thrown instanceof DroverError && thrown.code === 'FORMAT_UNKNOWN',
  );
});
