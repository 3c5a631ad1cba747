import type { ObjectKey, UnitName } from '@drover/contract';
import { parseKey, rankOf } from '@drover/contract';
import type { Desired, WantedUnit } from '#apply/types.ts';
import type { Entry } from '#inventory/types.ts';
import type { Kept, PrunePlan } from './types.ts';

/** Never pruned without approval: taking one of these takes data, or everything that lives in it. */
export const PROTECTED_KINDS: ReadonlySet<string> = new Set([
  '/Namespace',
  'apiextensions.k8s.io/CustomResourceDefinition',
  '/PersistentVolume',
  '/PersistentVolumeClaim',
  'apps/StatefulSet',
]);

export interface PruneFacts {
  readonly desired: Desired;
  readonly entries: ReadonlyMap<ObjectKey, Entry>;
  /** Units of which every object was applied in the generation on record. */
  readonly applied: ReadonlySet<UnitName>;
  /** Units Ready at their wanted digest. */
  readonly ready: ReadonlySet<UnitName>;
  /** Units to which an object of a unit moved in this generation, also where it has been applied there since. */
  readonly moves: ReadonlyMap<UnitName, ReadonlySet<UnitName>>;
  /** Nothing may be deleted now, and why: damaged inventory, a clone of this cluster. */
  readonly held: string | undefined;
}

/**
 * Decides what leaves (I1): an object of the inventory that no unit of the bundle lists, whose own unit either prunes
 * and was applied in full, together with all units that objects of it moved to, or is stated in `left`.
 */
export function planPrune(facts: PruneFacts): PrunePlan {
  const { desired, entries } = facts;
  const left = new Map(desired.left.map((unit) => [unit.name, unit.objects]));
  const remove: Entry[] = [];
  const orphan: Entry[] = [];
  const release: Entry[] = [];
  const kept: Kept[] = [];
  const unaccounted = new Set<UnitName>();
  const names = hashedNames(desired);
  const keep = (entry: Entry, why: Kept['why'], message: string): void => void kept.push({ entry, why, message });

  for (const entry of entries.values()) {
    if (desired.owners.has(entry.key)) continue;
    const unit = desired.units.get(entry.unit);
    const leaving = left.get(entry.unit);
    if (unit === undefined && leaving === undefined) {
      if (!desired.unknown.includes(entry.unit)) unaccounted.add(entry.unit);
      continue;
    }
    if (desired.unknown.length > 0) {
      keep(entry, 'Unproven', `the manifest of ${desired.unknown.join(', ')} is not at hand`);
      continue;
    }
    if (unit === undefined) judgeLeaving(entry, leaving === 'Delete');
    else judgeSuperfluous(entry, unit);
  }
  remove.sort(compareForDelete);
  return { remove, orphan, release, kept, unaccounted: [...unaccounted].sort() };

  function judgeLeaving(entry: Entry, deletes: boolean): void {
    if (!deletes || entry.keep !== undefined) {
      orphan.push(entry);
      return;
    }
    const waits = movedAndUnproven(entry.unit);
    if (waits !== undefined) keep(entry, 'Unproven', waits);
    else judgeDeletable(entry);
  }

  function judgeSuperfluous(entry: Entry, unit: WantedUnit): void {
    if (entry.keep !== undefined) return;
    if (unit.suspended) keep(entry, 'Suspended', 'the unit is suspended');
    else if (unit.mode === 'Observe') keep(entry, 'Observed', 'the unit is in mode Observe');
    else if (!unit.prune) release.push(entry);
    else if (!facts.applied.has(unit.name)) keep(entry, 'Unproven', 'the unit is not applied in full');
    else {
      const waits = movedAndUnproven(unit.name);
      if (waits !== undefined) keep(entry, 'Unproven', waits);
      else if (!facts.ready.has(unit.name) && names.has(hashedName(entry.key) ?? ''))
        keep(entry, 'NotReady', 'its successor is there; it goes when the unit is Ready');
      else judgeDeletable(entry);
    }
  }

  function judgeDeletable(entry: Entry): void {
    const { group, kind } = parseKey(entry.key);
    if (PROTECTED_KINDS.has(`${group}/${kind}`))
      keep(entry, 'Protected', `${kind} is a protected kind: it is not deleted without approval`);
    else if (facts.held !== undefined) keep(entry, 'Held', facts.held);
    else remove.push(entry);
  }

  /** Why objects that moved elsewhere forbid the prune; undefined when nothing does. */
  function movedAndUnproven(unit: UnitName): string | undefined {
    const targets = new Set(facts.moves.get(unit));
    for (const entry of entries.values()) {
      const owner = entry.unit === unit ? desired.owners.get(entry.key) : undefined;
      if (owner !== undefined && owner !== unit) targets.add(owner);
    }
    const waiting = [...targets].filter((name) => desired.units.has(name) && !facts.applied.has(name)).sort();
    return waiting.length === 0 ? undefined : `objects moved to ${waiting.join(', ')}, which is not applied in full`;
  }
}

/** Reverse of apply. */
export function compareForDelete(a: Entry, b: Entry): number {
  return rankOf(parseKey(b.key)) - rankOf(parseKey(a.key)) || (a.key < b.key ? 1 : a.key > b.key ? -1 : 0);
}

const GENERATED: ReadonlySet<string> = new Set(['/ConfigMap', '/Secret']);

/** Identity of a generated ConfigMap or Secret without its hash; undefined for anything else. */
function hashedName(key: ObjectKey): string | undefined {
  const { group, kind } = parseKey(key);
  return GENERATED.has(`${group}/${kind}`) ? /^(.*)-[a-z0-9]{10}$/.exec(key)?.[1] : undefined;
}

function hashedNames(desired: Desired): ReadonlySet<string> {
  const names = new Set<string>();
  for (const key of desired.owners.keys()) {
    const name = hashedName(key);
    if (name !== undefined) names.add(name);
  }
  return names;
}
