import type { ObjectKey } from '@drover/contract';
import type { Entry } from '#inventory/types.ts';
import type { Reason, Task, WantedObject, WantedUnit } from './types.ts';

/**
 * What has to be sent for a unit: the difference of digests between what is wanted and what the inventory says was
 * applied, and what has drifted. An unchanged object costs nothing.
 *
 * @param drifted objects to be corrected now
 * @returns in apply order
 */
export function planApply(unit: WantedUnit, entries: ReadonlyMap<ObjectKey, Entry>, drifted: ReadonlySet<ObjectKey>): readonly Task[] {
  const tasks: Task[] = [];
  for (const object of unit.objects) {
    const reason = reasonFor(unit, object, entries.get(object.key), drifted);
    if (reason !== undefined) tasks.push({ unit, object, reason });
  }
  return tasks;
}

function reasonFor(unit: WantedUnit, object: WantedObject, entry: Entry | undefined, drifted: ReadonlySet<ObjectKey>): Reason | undefined {
  if (entry === undefined || entry.uid === null) return 'Create';
  if (entry.digest === '') return 'Unknown';
  if (entry.unit !== unit.name) return 'Move';
  if (entry.digest !== object.digest || entry.apiVersion !== object.apiVersion) return 'Change';
  return drifted.has(object.key) ? 'Drift' : undefined;
}

/** Whether every object of the unit was applied at its wanted digest, as the inventory has it. */
export function isApplied(unit: WantedUnit, entries: ReadonlyMap<ObjectKey, Entry>): boolean {
  return planApply(unit, entries, new Set()).length === 0;
}
