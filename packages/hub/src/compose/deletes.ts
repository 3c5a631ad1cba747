import type { ObjectKey } from '@drover/contract';
import { parseKey } from '@drover/contract';
import type { DeleteBudget } from '#config/types.ts';

/** A name as kustomize's generators write it: a name, a dash, ten characters of hash. */
const GENERATED = /^(.+)-[2456789bcdfghkmt]{10}$/;

/**
 * What would be deleted if a unit went from one list of objects to another. Objects that another unit takes over, and
 * generated names that a new hash supersedes, do not count.
 *
 * @param elsewhere keys that another unit of the same bundle lists
 */
export function deletesBetween(before: readonly ObjectKey[], after: readonly ObjectKey[], elsewhere: ReadonlySet<ObjectKey>): ObjectKey[] {
  const next = new Set(after);
  const stems = new Set(after.map(stemOf).filter((stem) => stem !== undefined));
  return before.filter((key) => {
    if (next.has(key) || elsewhere.has(key)) return false;
    const stem = stemOf(key);
    return stem === undefined || !stems.has(stem);
  });
}

/** Identity without the hash, for a ConfigMap or Secret with a generated name. */
function stemOf(key: ObjectKey): string | undefined {
  const { group, kind, namespace, name } = parseKey(key);
  if (group !== '' || (kind !== 'ConfigMap' && kind !== 'Secret')) return undefined;
  const stem = GENERATED.exec(name)?.[1];
  return stem === undefined ? undefined : `${kind}/${namespace ?? ''}/${stem}`;
}

/**
 * Judges deletions against a budget; the percentage counts from the second deletion.
 *
 * @returns a sentence for people when a limit is passed, else undefined
 */
export function overBudget(budget: DeleteBudget, deletes: number, before: number, releaseDeletes: number): string | undefined {
  if (deletes === 0) return undefined;
  if (deletes > budget.max) return `${deletes} deletions, ${budget.max} allowed (deletes.max)`;
  const percent = (deletes * 100) / before;
  if (deletes > 1 && percent > budget.maxPercent) {
    return `${deletes} of ${before} objects would be deleted, ${budget.maxPercent} % allowed (deletes.maxPercent)`;
  }
  if (releaseDeletes > budget.maxTotal)
    return `${releaseDeletes} deletions over all clusters, ${budget.maxTotal} allowed (deletes.maxTotal)`;
  return undefined;
}
