import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UnitReport } from '@drover/contract';
import { newUnitRow } from '#release/new-unit-row.ts';
import type { UnitTable } from '#state/schema.ts';
import { openSqlite } from '#state/sqlite-adapter.ts';
import { openStore } from '#state/store.ts';
import { createRecorder } from './record.ts';
import type { AgentBatch } from './types.ts';

const seen = { fleet: 'f', epoch: 1, generation: 5, content: 'c5' };
const report = (over: Partial<UnitReport> = {}): UnitReport => ({
  unit: 'drover/shop',
  state: 'Ready',
  since: 1,
  epoch: 1,
  generation: 5,
  wanted: 'd1',
  applied: 'd1',
  healthy: true,
  objects: { total: 1, ready: 1 },
  changes: { created: 0, configured: 0, unchanged: 1, deleted: 0 },
  problems: [],
  drift: [],
  blockedOn: [],
  suspended: false,
  mode: 'Enforce',
  message: '',
  ...over,
});
const nothing: AgentBatch = { uid: 'u', units: [], left: [], events: [], badBlobs: [] };

async function recorder(unit: Partial<UnitTable> = {}, left: readonly string[] = []) {
  const store = await openStore({ dialect: openSqlite(':memory:').dialect, now: () => 9 });
  await store.db
    .insertInto('cluster')
    .values({
      uid: 'u',
      name: 'prod-eu',
      namespace: 'drover',
      accepted: 1,
      labels: '{}',
      mode: 'Enforce',
      sealing_key: 's',
      identity_key: 'k',
      joined_at: 1,
      online: 1,
      seen_epoch: 0,
      seen_generation: 0,
    })
    .execute();
  const manifest = { units: [], left: left.map((name) => ({ name, objects: 'Delete' })) };
  await store.db
    .insertInto('head')
    .values({
      cluster: 'u',
      sealing_key: 's',
      epoch: 1,
      generation: 5,
      content: 'c5',
      manifest: JSON.stringify(manifest),
      envelope: new Uint8Array(),
      created_at: 1,
      published: 1,
    })
    .execute();
  const row = { ...newUnitRow({ namespace: 'drover', name: 'shop' }, 'u', 1), changed_epoch: 1, changed_generation: 5, ...unit };
  await store.db.insertInto('unit').values(row).execute();
  const told: string[] = [];
  const record = createRecorder({ store, now: () => 9, fleet: 'f', onUnit: async (_tx, written) => void told.push(written.delivery) });
  return {
    store,
    told,
    record: async (over: Partial<AgentBatch>) => (await record([{ ...nothing, seen, ...over }]))[0],
    row: () => store.db.selectFrom('unit').selectAll().executeTakeFirst(),
    events: async () => (await store.db.selectFrom('event').selectAll().execute()).map((event) => event.reason),
  };
}

const published = { wanted: 'd1', wanted_release: 3, published: 'd1', published_release: 3, published_revision: 'r3' };
const states: {
  readonly name: string;
  readonly unit?: Partial<UnitTable>;
  readonly report?: Partial<UnitReport>;
  readonly want: string;
}[] = [
  { name: 'a unit is Ready by a report of what is published', want: 'Ready' },
  { name: 'a unit is not Ready by a report of another digest', report: { wanted: 'd0', applied: 'd0' }, want: 'Progressing' },
  {
    name: 'a unit is not Ready by a report of the same digest in an older bundle',
    report: { generation: 4 },
    want: 'Progressing',
  },
  {
    name: 'a unit is not Ready by a report of an epoch that has ended',
    unit: { changed_epoch: 2, changed_generation: 1 },
    want: 'Progressing',
  },
  {
    name: 'a unit that waits for its budget is not Ready',
    unit: { wanted: 'd2', held: '[{"kind":"Budget","message":"m","since":1}]' },
    want: 'Waiting',
  },
];
for (const { name, unit, report: over, want } of states) {
  test(`I8 ${name}`, async () => {
    const hub = await recorder({ ...published, ...unit });
    await hub.record({ units: [report(over)] });
    assert.equal((await hub.row())?.state, want);
    assert.deepEqual(hub.told, ['shop']);
  });
}

test('what was applied is named by the release that it is of', async () => {
  const hub = await recorder(published);
  await hub.record({ units: [report()] });
  const row = await hub.row();
  assert.deepEqual([row?.applied, row?.applied_release, row?.applied_revision], ['d1', 3, 'r3']);
});

test('a unit that the hub does not know is not made by a report', async () => {
  const hub = await recorder(published);
  await hub.record({ units: [report({ unit: 'drover/other' }), report({ unit: 'nonsense' })] });
  assert.deepEqual(hub.told, []);
});

const leaving = { ...published, presence: 'Delete', published: null, note: 'leaves: why' };
const lefts: { readonly name: string; readonly unit: Partial<UnitTable>; readonly seen?: AgentBatch['seen']; readonly gone: boolean }[] = [
  { name: 'a unit that left is forgotten when it is done', unit: leaving, gone: true },
  { name: 'I2 a unit that is delivered is not ended by a report', unit: published, gone: false },
  { name: 'I2 a unit that was not stated as left yet is not ended', unit: { ...leaving, published: 'd1' }, gone: false },
  { name: 'I2 a unit is not ended by a report of an older bundle', unit: leaving, seen: { ...seen, generation: 4 }, gone: false },
  { name: 'I2 a unit is not ended by a report of another fleet', unit: leaving, seen: { ...seen, fleet: 'g' }, gone: false },
];
for (const { name, unit, seen: at, gone } of lefts) {
  test(name, async () => {
    const hub = await recorder(unit, ['drover/shop']);
    const collected = await hub.record({
      left: [{ unit: 'drover/shop', done: true, remaining: [] }],
      ...(at === undefined ? {} : { seen: at }),
    });
    assert.equal((await hub.row()) === undefined, gone);
    assert.equal(collected?.left.length, gone ? 1 : 0);
    assert.deepEqual(await hub.events(), gone ? ['UnitLeft'] : []);
  });
}

test('what keeps a unit from leaving is told, the newest alone', async () => {
  const hub = await recorder(leaving, ['drover/shop']);
  for (const count of [2, 1]) {
    const remaining = Array.from({ length: count }, () => ({
      key: '/ConfigMap/d/web',
      health: 'Terminating' as const,
      message: 'finalizers: x',
    }));
    await hub.record({ left: [{ unit: 'drover/shop', done: false, remaining }] });
  }
  assert.equal((await hub.row())?.note, 'leaves: why; 1 object remains: finalizers: x');
});

test('facts are new when they differ, and what an agent has seen is noted', async () => {
  const hub = await recorder(published);
  const facts = { agentVersion: '1', kubernetesVersion: 'v1.36.0', apiResources: [] };
  assert.equal((await hub.record({ facts }))?.factsChanged, true);
  assert.equal((await hub.record({ facts }))?.factsChanged, false);
  const cluster = await hub.store.db.selectFrom('cluster').selectAll().executeTakeFirstOrThrow();
  assert.deepEqual(
    [cluster.agent_version, cluster.seen_epoch, cluster.seen_generation, cluster.applied_content, cluster.last_seen],
    ['1', 1, 5, 'c5', 9],
  );
});

test('I11 words of an agent are cut to a length', async () => {
  const hub = await recorder(published);
  const long = 'x'.repeat(100_000);
  await hub.record({ events: [{ id: '1', time: 1, severity: 'Info', reason: long, object: long, message: long }] });
  const event = await hub.store.db.selectFrom('event').selectAll().executeTakeFirstOrThrow();
  assert.ok(event.reason.length + (event.object ?? '').length + event.message.length < 4000);
});

test('F7 reports of a cluster that the hub forgot change nothing', async () => {
  const hub = await recorder(published);
  await hub.store.db.deleteFrom('cluster').execute();
  await hub.record({ units: [report()] });
  assert.equal((await hub.row())?.report, null);
});
