import type { BundleUnit, Digest, LeftUnit, ObjectKey, UnitName } from '@drover/contract';
import { BUNDLE_FORMAT, DroverError, parseKey, showRef } from '@drover/contract';
import { DEFAULT_DELETES } from '#config/types.ts';
import { deletesBetween, overBudget } from './deletes.ts';
import type { ComposeInput, Composed, Held, UnitOutcome, UnitWish } from './types.ts';

/**
 * Puts one cluster's bundle together: which digest each unit has in it, what is held and why, what leaves.
 *
 * Every unit starts at its wanted digest; a unit that must not change falls back to the digest it has in the published
 * bundle. Falling back can hold others, so the rules run until nothing changes; each unit falls back at most once,
 * and the published bundle is itself consistent, so this ends.
 *
 * - What leaves is stated in `left`; a unit in neither list would be no information to the agent.
 * - An object that leaves unit A while the newest render of B lists it stays in A until B is published with it.
 * - If two units list one object, its last owner keeps it, else the first by `namespace/name`; the other falls back.
 */
export function compose(input: ComposeInput): Composed {
  const plan = planOf(input);
  while (holdSuspended(plan) || holdDependants(plan) || holdConflicts(plan) || holdHandovers(plan) || holdOverBudget(plan));
  return {
    manifest: { format: BUNDLE_FORMAT, fleet: input.fleet, cluster: input.cluster, units: unitsOf(plan), left: leftOf(plan) },
    outcomes: new Map(
      input.units.map((wish): [UnitName, UnitOutcome] => [wish.name, { digest: digestOf(plan, wish), held: heldOf(plan, wish) }]),
    ),
  };
}

interface Plan {
  readonly input: ComposeInput;
  /** Sorted by name. */
  readonly wishes: readonly UnitWish[];
  readonly byName: ReadonlyMap<UnitName, UnitWish>;
  readonly before: ReadonlyMap<UnitName, BundleUnit>;
  /** Units that fell back, and why. */
  readonly fallen: Map<UnitName, Held>;
}

function planOf(input: ComposeInput): Plan {
  const wished = new Set(input.units.map((wish) => wish.name));
  const others = (input.published?.units ?? []).filter((unit) => !wished.has(unit.name)).map(keptAsIs);
  const wishes = [...input.units, ...others].sort(byUnit);
  return {
    input,
    wishes,
    byName: new Map(wishes.map((wish) => [wish.name, wish])),
    before: new Map((input.published?.units ?? []).map((unit) => [unit.name, unit])),
    fallen: new Map(),
  };
}

/** What nobody wishes for, and nobody said leaves, stays as it was: absence is not emptiness. */
function keptAsIs(unit: BundleUnit): UnitWish {
  const { name, digest, prune, mode, suspended } = unit;
  return {
    name,
    presence: 'Kept',
    wanted: digest,
    newest: undefined,
    renderFailed: false,
    renderUnknown: false,
    source: '',
    prune,
    applied: true,
    mode,
    suspended,
    dependsOn: unit.dependsOn.map((on) => ({ name: on, sharedSource: false })),
    deletes: DEFAULT_DELETES,
    releaseDeletes: 0,
  };
}

const byUnit = (a: { readonly name: UnitName }, b: { readonly name: UnitName }): number => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);

const isLeaving = (wish: UnitWish): boolean => wish.presence === 'Delete' || wish.presence === 'Orphan';

/** The digest a unit has in the bundle that is being planned; undefined when it is not in it. */
function digestOf(plan: Plan, wish: UnitWish): Digest | undefined {
  const published = plan.before.get(wish.name)?.digest;
  if (plan.fallen.has(wish.name) || wish.presence === 'Kept') return published;
  return isLeaving(wish) ? undefined : (wish.wanted ?? published);
}

function heldOf(plan: Plan, wish: UnitWish): readonly Held[] {
  const held = plan.fallen.get(wish.name);
  if (held !== undefined) return [held];
  return wish.presence === 'Kept' ? [{ kind: 'Approval', message: wish.keptBecause ?? 'no longer targeted; its last content stays' }] : [];
}

/** Keeps a unit at its published digest; false when it is there already. */
function fallBack(plan: Plan, wish: UnitWish, held: Held): boolean {
  if (plan.fallen.has(wish.name) || wish.presence === 'Kept' || digestOf(plan, wish) === plan.before.get(wish.name)?.digest) return false;
  plan.fallen.set(wish.name, held);
  return true;
}

/** An unchanged unit can neither take nor lose an object, whatever its size. */
function changes(plan: Plan, wish: UnitWish): boolean {
  return digestOf(plan, wish) !== plan.before.get(wish.name)?.digest;
}

function keysOf(plan: Plan, digest: Digest | undefined): readonly ObjectKey[] {
  return digest === undefined ? [] : (plan.input.content.get(digest)?.objects ?? []).map((object) => object.key);
}

/** Hands off: nothing of a suspended unit is deleted, nor given up. */
function holdSuspended(plan: Plan): boolean {
  for (const wish of plan.wishes) {
    if (!wish.suspended || !isLeaving(wish)) continue;
    if (fallBack(plan, wish, { kind: 'Suspended', message: 'it leaves when it is no longer suspended' })) return true;
  }
  return false;
}

/** A unit changes only together with what it depends on, where both follow one source. */
function holdDependants(plan: Plan): boolean {
  for (const wish of plan.wishes) {
    if (isLeaving(wish)) continue;
    for (const dependency of wish.dependsOn) {
      const other = plan.byName.get(dependency.name);
      const held = ((): Held | undefined => {
        const shared = dependency.sharedSource;
        if (other === undefined && plan.input.unevaluated.has(dependency.name))
          return { kind: 'Dependency', message: `waits for ${dependency.name}, which was not rendered yet` };
        if (other?.presence === 'Kept')
          return shared ? { kind: 'Dependency', message: `waits for ${other.name}, which is no longer targeted here` } : undefined;
        if (other === undefined || isLeaving(other)) {
          const message = `depends on ${dependency.name}, which is not delivered to this cluster`;
          return { kind: 'Dependency', message, problem: new DroverError('DEPENDENCY_NOT_SELECTED', wish.name, message).toProblem() };
        }
        if (!shared) return undefined;
        if (other.renderFailed) return { kind: 'Dependency', message: `waits for ${other.name}, which does not render at this revision` };
        if (plan.fallen.has(other.name)) return { kind: 'Dependency', message: `waits for ${other.name}, which is held` };
        return undefined;
      })();
      if (held !== undefined && fallBack(plan, wish, held)) return true;
    }
  }
  return false;
}

function holdConflicts(plan: Plan): boolean {
  if (!plan.wishes.some((wish) => changes(plan, wish))) return false;
  const owners = new Map<ObjectKey, UnitWish>();
  const lastOwner = (key: ObjectKey, wish: UnitWish): boolean => keysOf(plan, plan.before.get(wish.name)?.digest).includes(key);
  for (const wish of plan.wishes) {
    for (const key of keysOf(plan, digestOf(plan, wish))) {
      const other = owners.get(key);
      if (other === undefined) {
        owners.set(key, wish);
        continue;
      }
      // The first by name keeps it, unless the second had it and the first did not; who cannot fall back any more keeps it too.
      const order = lastOwner(key, wish) && !lastOwner(key, other) ? [other, wish] : [wish, other];
      for (const [index, loser] of order.entries()) {
        const winner = order[1 - index] as UnitWish;
        const message = `${showRef(parseKey(key))} is in ${winner.name}${fileOf(plan, winner, key)} and in ${loser.name}${fileOf(plan, loser, key)}; ${winner.name} keeps it`;
        const problem = new DroverError('OBJECT_OWNED_ELSEWHERE', loser.name, message).toProblem();
        if (fallBack(plan, loser, { kind: 'Error', message, problem })) return true;
      }
    }
  }
  return false;
}

function fileOf(plan: Plan, wish: UnitWish, key: ObjectKey): string {
  const digest = digestOf(plan, wish);
  const file = digest === undefined ? undefined : plan.input.content.get(digest)?.objects.find((object) => object.key === key)?.file;
  return file === undefined ? '' : ` (${file})`;
}

/** An object that leaves a unit while another's newest render lists it goes over in one generation, or waits. */
function holdHandovers(plan: Plan): boolean {
  for (const wish of plan.wishes) {
    if (!changes(plan, wish)) continue;
    const next = new Set(keysOf(plan, digestOf(plan, wish)));
    const leaving = keysOf(plan, plan.before.get(wish.name)?.digest).filter((key) => !next.has(key));
    if (leaving.length === 0) continue;
    const unknown = unknownBeside(plan, wish);
    if (unknown !== undefined) {
      const message = `waits for ${unknown}, which could not be rendered at this revision: what leaves may move there`;
      if (fallBack(plan, wish, { kind: 'Handover', message })) return true;
    }
    for (const other of plan.wishes) {
      if (other === wish || other.presence !== 'Delivered' || other.newest === undefined) continue;
      const newest = new Set(keysOf(plan, other.newest));
      const published = new Set(keysOf(plan, digestOf(plan, other)));
      const waiting = leaving.find((key) => newest.has(key) && !published.has(key));
      if (waiting === undefined) continue;
      const message = `${showRef(parseKey(waiting))} moves to ${other.name}, which is not published yet`;
      if (fallBack(plan, wish, { kind: 'Handover', message })) return true;
    }
  }
  return false;
}

/** A Delivery of the same source of which nobody can tell what it lists now; its failure removes nothing. */
function unknownBeside(plan: Plan, wish: UnitWish): UnitName | undefined {
  for (const [name, source] of plan.input.unevaluated) if (name !== wish.name && source === wish.source) return name;
  return plan.wishes.find((other) => other !== wish && other.renderUnknown && other.source === wish.source)?.name;
}

/** Deletions beyond the budget hold the unit. A unit that leaves as a whole was approved, or said `untargeted: Leave`. */
function holdOverBudget(plan: Plan): boolean {
  for (const wish of plan.wishes) {
    if (!wish.prune || isLeaving(wish) || !changes(plan, wish)) continue;
    const before = keysOf(plan, plan.before.get(wish.name)?.digest);
    const after = keysOf(plan, digestOf(plan, wish));
    const elsewhere = new Set(plan.wishes.filter((other) => other !== wish).flatMap((other) => keysOf(plan, digestOf(plan, other))));
    const message = overBudget(wish.deletes, deletesBetween(before, after, elsewhere).length, before.length, wish.releaseDeletes);
    if (message !== undefined && fallBack(plan, wish, { kind: 'Budget', message })) return true;
  }
  return false;
}

function unitsOf(plan: Plan): readonly BundleUnit[] {
  const units: BundleUnit[] = [];
  for (const wish of plan.wishes) {
    const digest = digestOf(plan, wish);
    if (digest === undefined) continue;
    const published = plan.before.get(wish.name);
    // Content that was lost and stored again lies in other blobs.
    const stored = plan.input.content.get(digest)?.manifest;
    const manifest = stored ?? (digest === published?.digest ? published.manifest : undefined);
    if (manifest === undefined) throw new DroverError('UNEXPECTED', wish.name, `content of ${digest} is not known`);
    const dependsOn = wish.dependsOn.map((dependency) => dependency.name).sort();
    units.push({ name: wish.name, digest, manifest, prune: prunes(plan, wish), mode: wish.mode, suspended: wish.suspended, dependsOn });
  }
  return units;
}

/** Nobody can tell any more what the unit had: its content was lost, and no budget could judge what is deleted. */
function isLost(plan: Plan, wish: UnitWish): boolean {
  const before = plan.before.get(wish.name);
  return before !== undefined && !plan.input.content.has(before.digest);
}

/** What cannot be judged is not deleted; and not before the agent has given up what it no longer lists. */
function prunes(plan: Plan, wish: UnitWish): boolean {
  const before = plan.before.get(wish.name);
  if (!wish.prune || before === undefined) return wish.prune;
  return changes(plan, wish) && isLost(plan, wish) ? false : before.prune || wish.applied;
}

function leftOf(plan: Plan): readonly LeftUnit[] {
  const left = new Map<UnitName, LeftUnit>();
  for (const unit of plan.input.published?.left ?? []) if (!plan.input.leftDone.has(unit.name)) left.set(unit.name, unit);
  for (const wish of plan.wishes) {
    if (digestOf(plan, wish) !== undefined) left.delete(wish.name);
    else if (isLeaving(wish) && (plan.before.has(wish.name) || left.has(wish.name))) {
      // Where nothing may be written, nothing is deleted; and what was once said to stay is not taken after all.
      const asked = wish.presence === 'Delete' && wish.mode === 'Enforce';
      const deletes = asked && !isLost(plan, wish) && left.get(wish.name)?.objects !== 'Orphan';
      left.set(wish.name, { name: wish.name, objects: deletes ? 'Delete' : 'Orphan' });
    }
  }
  return [...left.values()].sort(byUnit);
}
