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

function run(units: readonly UnitWish[], published?: BundleManifest, leftDone: readonly string[] = []) {
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
    unevaluated: new Map(),
    content: new Map([...digests].filter((digest) => digest !== undefined).map((digest) => [digest, content(digest)])),
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
