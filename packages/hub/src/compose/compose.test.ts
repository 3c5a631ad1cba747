import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BundleManifest, BundleUnit, LeftUnit } from '@drover/contract';
import { BUNDLE_FORMAT } from '@drover/contract';
import fc from 'fast-check';
import { DEFAULT_DELETES } from '#config/types.ts';
import { compose } from './compose.ts';
import type { ComposeInput, UnitContent, UnitWish } from './types.ts';

/** A digest is spelled by what it contains: `web+db` lists two ConfigMaps. */
const content = (digest: string): UnitContent => ({
  manifest: [{ name: digest, key: 'k', size: 1 }] as unknown as UnitContent['manifest'],
  objects: digest === 'empty' ? [] : digest.split('+').map((name) => ({ key: `/ConfigMap/d/${name}`, file: `${name}.yaml` })),
});
const wish = (name: string, wanted: string | undefined, over: Partial<UnitWish> = {}): UnitWish => ({
  name: `drover/${name}`,
  presence: 'Delivered',
  wanted,
  newest: wanted,
  renderFailed: false,
  renderUnknown: false,
  source: 's',
  prune: true,
  applied: false,
  mode: 'Enforce',
  suspended: false,
  dependsOn: [],
  deletes: DEFAULT_DELETES,
  releaseDeletes: 0,
  ...over,
});
const unit = (name: string, digest: string): BundleUnit => ({
  name: `drover/${name}`,
  digest,
  manifest: content(digest).manifest,
  prune: true,
  mode: 'Enforce',
  suspended: false,
  dependsOn: [],
});
const bundle = (units: readonly BundleUnit[], left: readonly LeftUnit[] = []): BundleManifest => ({
  format: BUNDLE_FORMAT,
  fleet: 'f',
  cluster: 'c',
  units,
  left,
});

function run(
  units: readonly UnitWish[],
  published?: BundleManifest,
  leftDone: readonly string[] = [],
  over: { readonly unevaluated?: ReadonlyMap<string, string>; readonly lost?: readonly string[] } = {},
) {
  const digests = new Set([
    ...units.flatMap((entry) => [entry.wanted, entry.newest]),
    ...(published?.units ?? []).map((entry) => entry.digest),
  ]);
  const input: ComposeInput = {
    fleet: 'f',
    cluster: 'c',
    published,
    units,
    leftDone: new Set(leftDone),
    unevaluated: over.unevaluated ?? new Map(),
    content: new Map(
      [...digests]
        .filter((digest) => digest !== undefined)
        .filter((digest) => over.lost?.includes(digest) !== true)
        .map((digest) => [digest, content(digest)]),
    ),
  };
  const composed = compose(input);
  return {
    units: Object.fromEntries(composed.manifest.units.map((entry) => [entry.name.slice(7), entry.digest])),
    left: Object.fromEntries(composed.manifest.left.map((entry) => [entry.name.slice(7), entry.objects])),
    held: Object.fromEntries(
      [...composed.outcomes]
        .filter(([, outcome]) => outcome.held.length > 0)
        .map(([name, outcome]) => [name.slice(7), outcome.held[0]?.kind]),
    ),
    problems: [...composed.outcomes.values()].flatMap((outcome) => outcome.held.flatMap((held) => held.problem?.code ?? [])),
    messages: [...composed.outcomes.values()].flatMap((outcome) => outcome.held.map((held) => held.message)),
  };
}

interface Case {
  readonly name: string;
  readonly units: readonly UnitWish[];
  readonly published?: BundleManifest;
  readonly done?: readonly string[];
  readonly want: { units?: object; left?: object; held?: object };
}

const cases: readonly Case[] = [
  { name: 'a first bundle lists what is wanted', units: [wish('a', 'web')], want: { units: { a: 'web' }, left: {}, held: {} } },
  {
    name: 'I2 a unit that nobody wishes for and nobody said leaves stays as it was',
    units: [],
    published: bundle([unit('a', 'web')]),
    want: { units: { a: 'web' }, left: {} },
  },
  {
    name: 'B1 a unit whose path vanished stays with its last digest and waits for approval',
    units: [wish('a', 'web', { presence: 'Kept' })],
    published: bundle([unit('a', 'web')]),
    want: { units: { a: 'web' }, left: {}, held: { a: 'Approval' } },
  },
  {
    name: 'a unit that leaves is stated, with what becomes of its objects',
    units: [wish('a', 'web', { presence: 'Delete' }), wish('b', 'db', { presence: 'Orphan' })],
    published: bundle([unit('a', 'web'), unit('b', 'db')]),
    want: { units: {}, left: { a: 'Delete', b: 'Orphan' } },
  },
  {
    name: 'what left is repeated in later bundles until it was reported done',
    units: [wish('b', 'db')],
    published: bundle([unit('b', 'db')], [{ name: 'drover/a', objects: 'Delete' }]),
    want: { left: { a: 'Delete' } },
  },
  {
    name: 'what was reported done is listed no more',
    units: [wish('b', 'db')],
    published: bundle([unit('b', 'db')], [{ name: 'drover/a', objects: 'Delete' }]),
    done: ['drover/a'],
    want: { left: {} },
  },
  {
    name: 'a unit that comes back is no longer leaving',
    units: [wish('a', 'web')],
    published: bundle([], [{ name: 'drover/a', objects: 'Delete' }]),
    want: { units: { a: 'web' }, left: {} },
  },
  {
    name: 'B27 an object that moves goes over in one generation',
    units: [wish('a', 'web'), wish('b', 'db+cache')],
    published: bundle([unit('a', 'web+cache'), unit('b', 'db')]),
    want: { units: { a: 'web', b: 'db+cache' }, held: {} },
  },
  {
    name: 'B27 an object stays in its unit until the unit it moves to is published with it',
    units: [wish('a', 'web'), wish('b', 'db', { newest: 'db+cache' })],
    published: bundle([unit('a', 'web+cache'), unit('b', 'db')]),
    want: { units: { a: 'web+cache', b: 'db' }, held: { a: 'Handover' } },
  },
  {
    name: 'B27 a renamed Delivery hands over, and the old unit leaves in the same generation',
    units: [wish('a', 'web', { presence: 'Delete' }), wish('z', 'web')],
    published: bundle([unit('a', 'web')]),
    want: { units: { z: 'web' }, left: { a: 'Delete' } },
  },
  {
    name: 'B5 an object in two units stays with its last owner, and the other keeps its previous digest',
    units: [wish('a', 'web+shared'), wish('b', 'db+shared')],
    published: bundle([unit('a', 'web'), unit('b', 'db+shared')]),
    want: { units: { a: 'web', b: 'db+shared' }, held: { a: 'Error' } },
  },
  {
    name: 'B5 without a last owner the first by name keeps it',
    units: [wish('a', 'web+shared'), wish('b', 'db+shared')],
    published: bundle([unit('b', 'db')]),
    want: { units: { a: 'web+shared', b: 'db' }, held: { b: 'Error' } },
  },
  {
    name: 'B5 a new unit that lists what another owns is left out',
    units: [wish('a', 'shared'), wish('b', 'shared')],
    published: bundle([unit('b', 'shared')]),
    want: { units: { b: 'shared' }, held: { a: 'Error' } },
  },
  {
    name: 'F31 more deletions than the budget allows keep the unit at its digest',
    units: [wish('a', 'k1')],
    published: bundle([unit('a', 'k1+k2+k3')]),
    want: { units: { a: 'k1+k2+k3' }, held: { a: 'Budget' } },
  },
  {
    name: 'one deletion is within any percentage',
    units: [wish('a', 'k1')],
    published: bundle([unit('a', 'k1+k2')]),
    want: { units: { a: 'k1' }, held: {} },
  },
  {
    name: 'deletions over all clusters of a release count together',
    units: [wish('a', 'k1+k2', { releaseDeletes: 101 })],
    published: bundle([unit('a', 'k1+k2+k3')]),
    want: { units: { a: 'k1+k2+k3' }, held: { a: 'Budget' } },
  },
  {
    name: 'without prune nothing is deleted, so nothing is over budget',
    units: [wish('a', 'k1', { prune: false })],
    published: bundle([unit('a', 'k1+k2+k3')]),
    want: { units: { a: 'k1' }, held: {} },
  },
  {
    name: 'a unit does not change while what it depends on does not render at the same revision',
    units: [wish('a', 'web2', { dependsOn: [{ name: 'drover/b', sharedSource: true }] }), wish('b', 'db', { renderFailed: true })],
    published: bundle([unit('a', 'web'), unit('b', 'db')]),
    want: { units: { a: 'web', b: 'db' }, held: { a: 'Dependency' } },
  },
  {
    name: 'a unit that depends on one that is not delivered here is held',
    units: [wish('a', 'web2', { dependsOn: [{ name: 'drover/x', sharedSource: false }] })],
    published: bundle([unit('a', 'web')]),
    want: { units: { a: 'web' }, held: { a: 'Dependency' } },
  },
];

for (const { name, units, published, done, want } of cases) {
  test(name, () => {
    const got = run(units, published, done);
    for (const key of ['units', 'left', 'held'] as const) if (want[key] !== undefined) assert.deepEqual(got[key], want[key], key);
  });
}

test('B5 the error names both files', () => {
  const got = run([wish('a', 'web+shared'), wish('b', 'db+shared')], bundle([unit('b', 'db+shared')]));
  assert.match(
    got.messages.join(),
    /ConfigMap d\/shared is in drover\/b \(shared\.yaml\) and in drover\/a \(shared\.yaml\); drover\/b keeps it/,
  );
});

test('I1 whatever is wished, no object is in two units, composing again changes nothing, and what vanishes was stated', () => {
  const names = ['a', 'b', 'c'];
  const digests = fc.subarray(['k1', 'k2', 'k3', 'k4'], { minLength: 1 }).map((keys) => keys.join('+'));
  const wishes = fc.tuple(
    ...names.map((name) =>
      fc
        .record({
          wanted: fc.option(digests, { nil: undefined }),
          newest: digests,
          presence: fc.constantFrom('Delivered', 'Kept', 'Delete', 'Orphan'),
        })
        .map((made) => wish(name, made.wanted, made as Partial<UnitWish>)),
    ),
  );
  fc.assert(
    fc.property(fc.array(wishes, { minLength: 1, maxLength: 6 }), (rounds) => {
      let published: BundleManifest | undefined;
      for (const units of rounds) {
        const before = published;
        const all = new Set([
          ...units.flatMap((entry) => [entry.wanted, entry.newest]),
          ...(before?.units ?? []).map((entry) => entry.digest),
        ]);
        const map = new Map([...all].filter((digest) => digest !== undefined).map((digest) => [digest, content(digest)]));
        const input = {
          fleet: 'f',
          cluster: 'c',
          units,
          leftDone: new Set<string>(),
          unevaluated: new Map<string, string>(),
          content: map,
        };
        published = compose({ ...input, published: before }).manifest;
        const keys = published.units.flatMap((entry) => content(entry.digest).objects.map((object) => object.key));
        assert.equal(new Set(keys).size, keys.length, 'an object is in two units');
        assert.deepEqual(compose({ ...input, published }).manifest.units, published.units);
        const stated = new Set([...published.units, ...published.left].map((entry) => entry.name));
        for (const entry of [...(before?.units ?? []), ...(before?.left ?? [])])
          assert.ok(stated.has(entry.name), `${entry.name} is in neither list`);
      }
    }),
    { numRuns: 500 },
  );
});

const more: readonly (Case & { readonly unevaluated?: Readonly<Record<string, string>>; readonly lost?: readonly string[] })[] = [
  {
    name: 'what leaves needs nobody that it depended on',
    units: [
      wish('a', 'web', { presence: 'Orphan', dependsOn: [{ name: 'drover/b', sharedSource: true }] }),
      wish('b', 'db', { presence: 'Delete' }),
    ],
    published: bundle([unit('a', 'web'), unit('b', 'db')]),
    want: { units: {}, left: { a: 'Orphan', b: 'Delete' }, held: {} },
  },
  {
    name: 'a unit that depends on one that is kept waits for it, without a fault of its own',
    units: [
      wish('a', 'web2', { dependsOn: [{ name: 'drover/b', sharedSource: true }] }),
      wish('b', 'db', { presence: 'Kept' }),
      wish('c', 'cache2', { dependsOn: [{ name: 'drover/b', sharedSource: false }] }),
    ],
    published: bundle([unit('a', 'web'), unit('b', 'db'), unit('c', 'cache')]),
    want: { units: { a: 'web', b: 'db', c: 'cache2' }, held: { a: 'Dependency', b: 'Approval' } },
  },
  {
    name: 'hands off a suspended unit, also when it is to leave',
    units: [wish('a', 'web', { presence: 'Delete', suspended: true })],
    published: bundle([unit('a', 'web')]),
    want: { units: { a: 'web' }, left: {}, held: { a: 'Suspended' } },
  },
  {
    name: 'in mode Observe a unit leaves without a delete',
    units: [wish('a', 'web', { presence: 'Delete', mode: 'Observe' })],
    published: bundle([unit('a', 'web')]),
    want: { left: { a: 'Orphan' } },
  },
  {
    name: 'what was once said to stay is not deleted after all',
    units: [wish('a', 'web', { presence: 'Delete' })],
    published: bundle([], [{ name: 'drover/a', objects: 'Orphan' }]),
    want: { units: {}, left: { a: 'Orphan' } },
  },
  {
    name: 'a delete that was stated ends when the objects are to stay',
    units: [wish('a', 'web', { presence: 'Orphan' })],
    published: bundle([], [{ name: 'drover/a', objects: 'Delete' }]),
    want: { units: {}, left: { a: 'Orphan' } },
  },
  {
    name: 'I2 an object of a unit that nobody wishes for is of nobody else',
    units: [wish('b', 'db+web')],
    published: bundle([unit('a', 'web'), unit('b', 'db')]),
    want: { units: { a: 'web', b: 'db' }, held: { b: 'Error' } },
  },
  {
    name: 'B27 nothing leaves a unit while a Delivery of its source is not evaluated: it may go there',
    units: [wish('a', 'web'), wish('b', 'x', { presence: 'Delete' }), wish('c', 'c1', { source: 'other' }), wish('d', 'd1+d2+d3')],
    published: bundle([unit('a', 'web+k'), unit('b', 'x'), unit('c', 'c1+c2'), unit('d', 'd1')]),
    unevaluated: { 'drover/new': 's' },
    want: { units: { a: 'web+k', b: 'x', c: 'c1', d: 'd1+d2+d3' }, left: {}, held: { a: 'Handover', b: 'Handover' } },
  },
  {
    name: 'B27 nothing leaves a unit while another of its source failed for no fault of the content',
    units: [wish('a', 'web'), wish('b', 'db', { renderFailed: true, renderUnknown: true })],
    published: bundle([unit('a', 'web+k'), unit('b', 'db')]),
    want: { units: { a: 'web+k', b: 'db' }, held: { a: 'Handover' } },
  },
  {
    name: 'B46 a unit whose content is at fault keeps no other from losing what it loses',
    units: [wish('a', 'web'), wish('b', 'db', { renderFailed: true })],
    published: bundle([unit('a', 'web+k'), unit('b', 'db')]),
    want: { units: { a: 'web', b: 'db' }, held: {} },
  },
  {
    name: 'I2 a unit that waits for one that was never rendered is not at fault',
    units: [wish('a', 'web2', { dependsOn: [{ name: 'drover/new', sharedSource: false }] })],
    published: bundle([unit('a', 'web')]),
    unevaluated: { 'drover/new': 'other' },
    want: { units: { a: 'web' }, held: { a: 'Dependency' } },
  },
  {
    name: 'I2 a unit whose content was lost leaves without a delete',
    units: [wish('a', 'web', { presence: 'Delete' })],
    published: bundle([unit('a', 'gone')]),
    lost: ['gone'],
    want: { units: {}, left: { a: 'Orphan' } },
  },
  {
    name: 'R6 a Namespace that two Deliveries list stays when one of them lists it no more',
    units: [wish('a', 'web'), wish('b', 'db')],
    published: bundle([unit('a', 'web+ns'), unit('b', 'db')]),
    want: { units: { a: 'web', b: 'db' } },
  },
];
for (const { name, units, published, unevaluated, lost, want } of more) {
  test(name, () => {
    const got = run(units, published, [], { unevaluated: new Map(Object.entries(unevaluated ?? {})), lost: lost ?? [] });
    for (const key of ['units', 'left', 'held'] as const) if (want[key] !== undefined) assert.deepEqual(got[key], want[key], key);
  });
}

test('R6 B5 an object that two Deliveries list goes to the other in one generation when its owner gives it up', () => {
  const both = bundle([unit('a', 'web+ns'), unit('b', 'db')]);
  const held = run([wish('a', 'web+ns'), wish('b', 'db+ns')], both);
  assert.deepEqual(held.units, { a: 'web+ns', b: 'db' });
  const given = run([wish('a', 'web'), wish('b', 'db+ns')], both);
  assert.deepEqual(given.units, { a: 'web', b: 'db+ns' });
});

test('a dependency that is not configured is a fault that names it', () => {
  const got = run([wish('a', 'web', { dependsOn: [{ name: 'drover/x', sharedSource: false }] })]);
  assert.deepEqual(got.problems, ['DEPENDENCY_NOT_SELECTED']);
  const waits = run([wish('a', 'web', { dependsOn: [{ name: 'drover/x', sharedSource: false }] })], undefined, [], {
    unevaluated: new Map([['drover/x', 's']]),
  });
  assert.deepEqual(waits.problems, []);
});
