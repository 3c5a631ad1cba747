import type { ObjectHealth, ObjectKey, ObjectReport, UnitName } from '@drover/contract';
import { DroverError, groupOf, keyOf, parseKey, showRef } from '@drover/contract';
import { planApply } from '#apply/plan.ts';
import type { Failure, WantedObject, WantedUnit } from '#apply/types.ts';
import type { Term } from './term.ts';

/** How a unit stands, from inventory, failures and observation. */
export interface UnitFacts {
  /** Every object was applied at its wanted digest. */
  readonly applied: boolean;
  readonly failures: ReadonlyMap<ObjectKey, Failure>;
  /** All objects whose health counts are healthy. */
  readonly healthy: boolean;
  /** Objects applied at their wanted digest and healthy. */
  readonly ready: number;
  /** Objects that are not; those whose health does not count are among them. */
  readonly problems: readonly ObjectReport[];
}

const NOTHING: ReadonlySet<ObjectKey> = new Set();

export function factsOf(term: Term, unit: WantedUnit): UnitFacts {
  const { entries } = term.inventory;
  const pending = new Set(planApply(unit, entries, NOTHING).map((task) => task.object.key));
  const failures = new Map<ObjectKey, Failure>();
  const problems: ObjectReport[] = [];
  let ready = 0;
  for (const object of unit.objects) {
    const failure = elsewhere(term, unit, object) ?? term.failures.get(object.key);
    if (failure !== undefined && counts(failure, unit, object)) failures.set(object.key, failure);
    const health = healthOfObject(term, object.key);
    if (failures.has(object.key) && failure !== undefined) {
      problems.push({ key: object.key, health: health.health, code: failure.error.code, message: failure.error.what });
    } else if (!pending.has(object.key)) {
      if (health.health === 'Current') ready++;
      else problems.push({ key: object.key, health: health.health, message: health.message });
    }
  }
  const checks = checkKeys(unit).map((key) => ({ key, ...healthOfObject(term, key) }));
  const sick = checks.filter((check) => check.health !== 'Current');
  const listed = new Set(problems.map((problem) => problem.key));
  for (const { key, health, message } of sick) if (!listed.has(key)) problems.push({ key, health, message });
  const healthy = sick.length === 0 && (!unit.options.wait || ready === unit.objects.length);
  return { applied: pending.size === 0, failures, healthy, ready, problems };
}

/** An object that another unit has fails here until one of the two lets go of it. */
function elsewhere(term: Term, unit: WantedUnit, object: WantedObject): Failure | undefined {
  const owner = term.desired?.owners.get(object.key);
  if (owner === undefined || owner === unit.name) return undefined;
  const error = new DroverError('OBJECT_OWNED_ELSEWHERE', showRef(parseKey(object.key)), `unit ${owner} lists it too, and keeps it`);
  return { error, digest: object.digest, attempts: 1, retryAt: Infinity };
}

/** A failure speaks of what is wanted now, or of the content that is kept until the unit is unblocked. */
function counts(failure: Failure, unit: WantedUnit, object: WantedObject): boolean {
  return failure.digest === object.digest || (failure.digest !== undefined && unit.digest !== unit.applied);
}

export function checkKeys(unit: WantedUnit): readonly ObjectKey[] {
  return unit.options.healthChecks.map(({ apiVersion, kind, name, namespace }) =>
    keyOf({ group: groupOf(apiVersion), kind, name, ...(namespace === undefined ? {} : { namespace }) }),
  );
}

function healthOfObject(term: Term, key: ObjectKey): ObjectHealth {
  const entry = term.inventory.entries.get(key);
  if (entry === undefined || entry.uid === null) {
    return term.checks.get(key)?.health ?? { health: 'Unknown', message: `${showRef(parseKey(key))} was not read yet` };
  }
  const seen = term.observer.observed(key);
  if (seen === undefined || seen.presence === 'Unknown') return { health: 'Unknown', message: seen?.health.message || 'not observed yet' };
  return seen.health;
}

/** Ready at the wanted digest: what units that depend on it wait for. */
export function isReady(facts: UnitFacts): boolean {
  return facts.applied && facts.failures.size === 0 && facts.healthy;
}

/** Facts of all units, and which of them are applied and Ready. */
export interface Standing {
  readonly facts: ReadonlyMap<UnitName, UnitFacts>;
  readonly applied: ReadonlySet<UnitName>;
  readonly ready: ReadonlySet<UnitName>;
}

export function standingOf(term: Term): Standing {
  const facts = new Map<UnitName, UnitFacts>();
  const applied = new Set<UnitName>();
  const ready = new Set<UnitName>();
  for (const unit of term.desired?.units.values() ?? []) {
    const own = factsOf(term, unit);
    facts.set(unit.name, own);
    if (own.applied && own.failures.size === 0) applied.add(unit.name);
    if (isReady(own)) ready.add(unit.name);
  }
  return { facts, applied, ready };
}

/** Units that this one depends on and that are not Ready, with what to say; empty when it may go on. */
export function waitsFor(unit: WantedUnit, term: Term, ready: ReadonlySet<UnitName>): readonly string[] {
  return unit.dependsOn
    .filter((name) => !ready.has(name))
    .map((name) => (term.desired?.units.has(name) === true ? `${name} is not Ready` : `${name} is not part of the bundle`));
}

/** Remembers of units that are applied since when, and at which digest: it goes on record with the next bundle. */
export function noteApplied(term: Term): void {
  const { desired } = term;
  if (desired === undefined) return;
  const now = term.ports.clock.monotonic();
  const { applied } = standingOf(term);
  const changed = [...desired.units.values()].filter((unit) => applied.has(unit.name) && unit.applied !== unit.digest);
  for (const unit of desired.units.values()) {
    const since = term.appliedSince.get(unit.name);
    if (!applied.has(unit.name)) term.appliedSince.delete(unit.name);
    else if (since?.digest !== unit.digest) term.appliedSince.set(unit.name, { digest: unit.digest, at: now });
  }
  if (changed.length === 0) return;
  const units = new Map(desired.units);
  for (const unit of changed) units.set(unit.name, { ...unit, applied: unit.digest });
  term.desired = { ...desired, units };
}
