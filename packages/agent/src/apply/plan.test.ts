import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Entry } from '#inventory/types.ts';
import { SCRIPTED_OPTIONS } from '#reconcile/scripted-source.ts';
import { isApplied, planApply } from './plan.ts';
import type { Reason, WantedUnit } from './types.ts';

const KEY = '/ConfigMap/n/a';
const unit: WantedUnit = {
  name: 'drover/shop',
  digest: 'u',
  item: 'i',
  prune: true,
  mode: 'Enforce',
  suspended: false,
  dependsOn: [],
  options: SCRIPTED_OPTIONS,
  objects: [{ key: KEY, apiVersion: 'v1', digest: 'sha256:new' }],
};
const entry = (over: Partial<Entry>): Entry => ({
  key: KEY,
  apiVersion: 'v1',
  uid: 'u',
  digest: 'sha256:new',
  unit: unit.name,
  adopted: false,
  ...over,
});

const cases: { name: string; entry: Entry | undefined; drifted?: boolean; want: Reason | undefined }[] = [
  { name: 'creates what the inventory does not have', entry: undefined, want: 'Create' },
  { name: 'creates what is only intended', entry: entry({ uid: null }), want: 'Create' },
  { name: 'leaves alone what is unchanged', entry: entry({}), want: undefined },
  { name: 'sends what has another digest', entry: entry({ digest: 'sha256:old' }), want: 'Change' },
  { name: 'sends what is spoken of in another version', entry: entry({ apiVersion: 'v1beta1' }), want: 'Change' },
  { name: 'sends what was re-adopted', entry: entry({ digest: '' }), want: 'Unknown' },
  { name: 'sends what moves here', entry: entry({ unit: 'drover/other' }), want: 'Move' },
  { name: 'sends what drifted', entry: entry({}), drifted: true, want: 'Drift' },
];
for (const { name, entry: known, drifted, want } of cases) {
  test(`planApply ${name}`, () => {
    const entries = new Map(known === undefined ? [] : [[KEY, known]]);
    assert.equal(planApply(unit, entries, new Set(drifted === true ? [KEY] : []))[0]?.reason, want);
  });
}

test('I8 a unit is applied only when the inventory has every object at its wanted digest', () => {
  assert.equal(isApplied(unit, new Map([[KEY, entry({})]])), true);
  for (const other of [{ uid: null }, { digest: '' }, { digest: 'sha256:old' }, { unit: 'x/y' }]) {
    assert.equal(isApplied(unit, new Map([[KEY, entry(other)]])), false);
  }
});
