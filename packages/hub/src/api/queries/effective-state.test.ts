import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { State, UnitReport } from '@drover/contract';
import { STATES } from '@drover/contract';
import fc from 'fast-check';
import type { UnitTable } from '#state/schema.ts';
import { stateOfRow } from '#state/unit-row.ts';
import { BROKEN, NOW, UIDS, report, unitRowOf } from '../testdata/seed-fleet.ts';
import { openFixture } from '../testdata/open-api.ts';
import { countUnits } from './counts.ts';
import { effectiveSince } from './effective-state.ts';
import { selectUnits } from './units.ts';

const digest = fc.constantFrom('a', 'b');
const anyReport = fc.record({
  wanted: digest,
  applied: fc.option(digest, { nil: undefined }),
  healthy: fc.boolean(),
  state: fc.constantFrom(...STATES),
  blocked: fc.boolean(),
  mode: fc.constantFrom('Enforce', 'Observe'),
  generation: fc.constantFrom(1, 2),
});
const anyRow = fc.record({
  problem: fc.boolean(),
  published: fc.option(digest, { nil: null }),
  held: fc.constantFrom('none', 'held', 'problem'),
  presence: fc.constantFrom('Delivered', 'Kept', 'Delete', 'Orphan'),
  report: fc.option(anyReport, { nil: undefined }),
});
/** When the row was written: the cluster then, and the cluster as it is read. */
const anyCluster = fc.record({ online: fc.boolean(), silentMs: fc.constantFrom(0, 60_000, 299_999, 300_000, 86_400_000) });

type AnyRow = typeof anyRow extends fc.Arbitrary<infer T> ? T : never;

function rowOf(any: AnyRow): UnitTable {
  const held =
    any.held === 'none' ? [] : [{ kind: 'Budget', message: 'm', since: 1, ...(any.held === 'problem' ? { problem: BROKEN } : {}) }];
  return unitRowOf('drover', 'shop', UIDS['prod-eu'], {
    wanted: 'a',
    published: any.published,
    problem: any.problem ? JSON.stringify(BROKEN) : null,
    held: JSON.stringify(held),
    presence: any.presence,
    changed_epoch: 1,
    changed_generation: 2,
    report: any.report === undefined ? null : JSON.stringify(reportOf(any.report)),
  });
}

function reportOf(any: NonNullable<AnyRow['report']>): UnitReport {
  const { applied, ...rest } = report('drover/shop', any.wanted, {
    healthy: any.healthy,
    state: any.state,
    mode: any.mode,
    epoch: 1,
    generation: any.generation,
  });
  assert.ok(applied !== undefined);
  const blockedOn = any.blocked ? [{ kind: 'Dependency' as const, message: 'm', since: 1 }] : [];
  return { ...rest, blockedOn, ...(any.applied === undefined ? {} : { applied: any.applied }) };
}

test('effectiveState in SQL is the state that stateOfRow judges, whatever was stored when', async () => {
  await using fixture = await openFixture();
  const { store } = fixture;
  const reader = { db: store.db, now: () => NOW, actions: {} };
  await store.db.deleteFrom('unit').where('delivery', '=', 'shop').execute();
  await fc.assert(
    fc.asyncProperty(anyRow, anyCluster, anyCluster, async (any, before, now) => {
      const row = rowOf(any);
      const stored = stateOfRow(row, { online: before.online, lastSeen: NOW - before.silentMs }, NOW);
      const state = stored.state;
      const cluster = { online: now.online ? 1 : 0, last_seen: NOW - now.silentMs };
      await store.db.deleteFrom('unit').where('delivery', '=', 'shop').execute();
      await store.db
        .insertInto('unit')
        .values({ ...row, state })
        .execute();
      await store.db.updateTable('cluster').set(cluster).where('uid', '=', row.cluster).execute();
      const [read] = await selectUnits(reader).where('unit.delivery', '=', 'shop').execute();
      const want = stateOfRow({ ...row, state }, { online: now.online, lastSeen: cluster.last_seen }, NOW).state;
      assert.equal(read?.effective, want, JSON.stringify({ any, before, now, state }));
      const counts = await countUnits(reader, 'delivery');
      assert.equal(counts.get('drover/shop')?.states[want], 1);
    }),
    { numRuns: 600 },
  );
});

const since: { name: string; effective: State; lastSeen: number | undefined; want: number }[] = [
  { name: 'is as stored while the state is', effective: 'Ready', lastSeen: 900_000, want: 1000 },
  { name: 'of Unknown begins five minutes after the last sign', effective: 'Unknown', lastSeen: 900_000, want: 1_200_000 },
  { name: 'of a state judged anew is that of the report', effective: 'NotReady', lastSeen: 900_000, want: 2000 },
];
for (const { name, effective, lastSeen, want } of since) {
  test(`effectiveSince ${name}`, () =>
    assert.equal(effectiveSince({ state: 'Ready', since: 1000, reported_at: 2000 }, effective, lastSeen), want));
}
