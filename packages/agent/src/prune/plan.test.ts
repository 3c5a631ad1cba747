import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Desired, WantedUnit } from '#apply/types.ts';
import type { Entry } from '#inventory/types.ts';
import { SCRIPTED_OPTIONS } from '#reconcile/scripted-source.ts';
import type { PruneFacts } from './plan.ts';
import { planPrune } from './plan.ts';

const SHOP = 'drover/shop';
const PAY = 'drover/pay';

function unit(name: string, keys: readonly string[], over: Partial<WantedUnit> = {}): WantedUnit {
  const objects = keys.map((key) => ({ key, apiVersion: 'v1', digest: 'd' }));
  return {
    name,
    digest: 'u',
    item: 'i',
    prune: true,
    mode: 'Enforce',
    suspended: false,
    dependsOn: [],
    options: SCRIPTED_OPTIONS,
    objects,
    ...over,
  };
}
const entry = (key: string, over: Partial<Entry> = {}): Entry => ({
  key,
  apiVersion: 'v1',
  uid: `u-${key}`,
  digest: 'd',
  unit: SHOP,
  adopted: false,
  ...over,
});

interface Given {
  readonly units?: readonly WantedUnit[];
  readonly left?: Desired['left'];
  readonly entries: readonly Entry[];
  readonly unknown?: readonly string[];
  readonly applied?: readonly string[];
  readonly ready?: readonly string[];
  readonly moves?: PruneFacts['moves'];
  readonly held?: string;
}

function plan(given: Given): ReturnType<typeof planPrune> {
  const units = given.units ?? [unit(SHOP, [])];
  const owners = new Map(units.flatMap((one) => one.objects.map(({ key }) => [key, one.name] as const)));
  const head = { fleet: 'f', epoch: 1, generation: 1, content: 'c' };
  return planPrune({
    desired: { head, units: new Map(units.map((one) => [one.name, one])), left: given.left ?? [], owners, unknown: given.unknown ?? [] },
    entries: new Map(given.entries.map((one) => [one.key, one])),
    applied: new Set(given.applied ?? units.map((one) => one.name)),
    ready: new Set(given.ready ?? units.map((one) => one.name)),
    moves: given.moves ?? new Map(),
    held: given.held,
  });
}

const A = '/ConfigMap/n/a';
const cases: {
  name: string;
  given: Given;
  want: Partial<{ remove: string[]; orphan: string[]; release: string[]; kept: string[]; unaccounted: string[] }>;
}[] = [
  { name: 'removes what its unit lists no more', given: { entries: [entry(A)] }, want: { remove: [A] } },
  { name: 'keeps what another unit lists (B27)', given: { units: [unit(SHOP, []), unit(PAY, [A])], entries: [entry(A)] }, want: {} },
  { name: 'keeps all while the unit is not applied in full', given: { entries: [entry(A)], applied: [] }, want: { kept: ['Unproven'] } },
  {
    name: 'keeps all while a unit that got an object of it is not applied in full',
    given: {
      units: [unit(SHOP, []), unit(PAY, ['/ConfigMap/n/moved'])],
      entries: [entry(A), entry('/ConfigMap/n/moved')],
      applied: [SHOP],
    },
    want: { kept: ['Unproven'] },
  },
  {
    name: 'remembers a move that was applied already',
    given: { units: [unit(SHOP, []), unit(PAY, [])], entries: [entry(A)], applied: [SHOP], moves: new Map([[SHOP, new Set([PAY])]]) },
    want: { kept: ['Unproven'] },
  },
  { name: 'keeps all while a manifest is not at hand (I2)', given: { entries: [entry(A)], unknown: [PAY] }, want: { kept: ['Unproven'] } },
  {
    name: 'releases what leaves a unit that does not prune',
    given: { units: [unit(SHOP, [], { prune: false })], entries: [entry(A)] },
    want: { release: [A] },
  },
  { name: 'keeps what was released once', given: { entries: [entry(A, { keep: 'Released' })] }, want: {} },
  { name: 'keeps what says prune: disabled', given: { entries: [entry(A, { keep: 'Disabled' })] }, want: {} },
  {
    name: 'keeps objects of a suspended unit',
    given: { units: [unit(SHOP, [], { suspended: true })], entries: [entry(A)] },
    want: { kept: ['Suspended'] },
  },
  {
    name: 'keeps objects of an observed unit',
    given: { units: [unit(SHOP, [], { mode: 'Observe' })], entries: [entry(A)] },
    want: { kept: ['Observed'] },
  },
  { name: 'keeps and names a unit in neither list', given: { units: [], entries: [entry(A)] }, want: { unaccounted: [SHOP] } },
  {
    name: 'removes what is stated to leave with Delete',
    given: { units: [], left: [{ name: SHOP, objects: 'Delete' }], entries: [entry(A)] },
    want: { remove: [A] },
  },
  {
    name: 'lets go of what is stated to leave with Orphan',
    given: { units: [], left: [{ name: SHOP, objects: 'Orphan' }], entries: [entry(A)] },
    want: { orphan: [A] },
  },
  {
    name: 'lets go of what says prune: disabled when its unit leaves',
    given: { units: [], left: [{ name: SHOP, objects: 'Delete' }], entries: [entry(A, { keep: 'Disabled' })] },
    want: { orphan: [A] },
  },
  ...[
    '/Namespace//n',
    'apiextensions.k8s.io/CustomResourceDefinition//x',
    '/PersistentVolume//v',
    '/PersistentVolumeClaim/n/c',
    'apps/StatefulSet/n/s',
  ].map((key) => ({
    name: `keeps the protected ${key}`,
    given: { units: [], left: [{ name: SHOP, objects: 'Delete' as const }], entries: [entry(key)] },
    want: { kept: ['Protected'] },
  })),
  { name: 'keeps all while deletes are held', given: { entries: [entry(A)], held: 'CLUSTER_CLONED' }, want: { kept: ['Held'] } },
  {
    name: 'keeps a superseded generated name until the unit is Ready',
    given: {
      units: [unit(SHOP, ['/ConfigMap/n/c-bbbbbbbbbb'])],
      entries: [entry('/ConfigMap/n/c-aaaaaaaaaa'), entry('/ConfigMap/n/c-bbbbbbbbbb')],
      ready: [],
    },
    want: { kept: ['NotReady'] },
  },
];
for (const { name, given, want } of cases) {
  test(`I1 planPrune ${name}`, () => {
    const found = plan(given);
    assert.deepEqual(
      {
        remove: found.remove.map(({ key }) => key),
        orphan: found.orphan.map(({ key }) => key),
        release: found.release.map(({ key }) => key),
        kept: found.kept.map(({ why }) => why),
        unaccounted: found.unaccounted,
      },
      { remove: [], orphan: [], release: [], kept: [], unaccounted: [], ...want },
    );
  });
}

test('objects go in the reverse of the order in which they came', () => {
  const keys = ['/ConfigMap/n/a', 'apps/Deployment/n/b', 'admissionregistration.k8s.io/ValidatingWebhookConfiguration//w', '/Service/n/s'];
  assert.deepEqual(
    plan({ entries: keys.map((key) => entry(key)) }).remove.map(({ key }) => key),
    ['admissionregistration.k8s.io/ValidatingWebhookConfiguration//w', 'apps/Deployment/n/b', '/Service/n/s', '/ConfigMap/n/a'],
  );
});

test('I1 nothing is removed that a unit lists, that is protected, or whose unit is neither stated nor proven', () => {
  const names = [SHOP, PAY, 'team/x'];
  const keys = ['/ConfigMap/n/a', '/ConfigMap/n/b', '/Namespace//n', 'apps/StatefulSet/n/s', '/Secret/n/c'];
  const subset = <T>(items: readonly T[]): fc.Arbitrary<T[]> => fc.subarray([...items]);
  const units = fc.uniqueArray(
    fc.record({ name: fc.constantFrom(...names), keys: subset(keys), prune: fc.boolean(), suspended: fc.boolean() }),
    { selector: (one) => one.name },
  );
  const entries = fc.uniqueArray(fc.record({ key: fc.constantFrom(...keys), unit: fc.constantFrom(...names) }), {
    selector: (one) => one.key,
  });
  fc.assert(
    fc.property(units, entries, subset(names), subset(names), (wanted, known, applied, leaving) => {
      const left = leaving.filter((name) => wanted.every((one) => one.name !== name)).map((name) => ({ name, objects: 'Delete' as const }));
      const found = plan({
        units: wanted.map((one) => unit(one.name, one.keys, { prune: one.prune, suspended: one.suspended })),
        left,
        entries: known.map((one) => entry(one.key, { unit: one.unit })),
        applied,
      });
      for (const { key, unit: owner } of found.remove) {
        assert.ok(wanted.every((one) => !one.keys.includes(key)));
        assert.ok(!/Namespace|StatefulSet/.test(key));
        const own = wanted.find((one) => one.name === owner);
        assert.ok(own === undefined ? left.some((one) => one.name === owner) : own.prune && !own.suspended && applied.includes(owner));
      }
    }),
  );
});
