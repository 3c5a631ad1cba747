import type { Json } from '@drover/contract';
import { groupOf } from '@drover/contract';
import type { Patch } from '#config/types.ts';
import { isObject } from './json.ts';

/**
 * Tells whether a patch with a target can have met anything, by group, kind and name; selectors of labels and
 * annotations are left to kustomize.
 *
 * @param candidates objects as written and as built: a target may name either
 */
export function meetsAny(
  patch: Patch,
  candidates: readonly { readonly group: string; readonly kind: string; readonly name: string }[],
): boolean {
  const { target } = patch;
  if (target === undefined) return true; // kustomize refuses one that meets nothing
  const tests = (['group', 'kind', 'name'] as const).flatMap((field) => {
    const pattern = target[field];
    return pattern === undefined || pattern === '' ? [] : [{ field, test: anchored(pattern) }];
  });
  return candidates.some((candidate) => tests.every(({ field, test }) => test(candidate[field])));
}

/** Plain names are compared; a true pattern is left to kustomize, as Go's are not JavaScript's. */
function anchored(pattern: string): (text: string) => boolean {
  return /^[\w.-]*$/.test(pattern) ? (text) => text === pattern : () => true;
}

/** Group, kind and name of a built object, as far as it has them. */
export function identityOf(value: Json): readonly { readonly group: string; readonly kind: string; readonly name: string }[] {
  if (!isObject(value)) return [];
  const { apiVersion, kind, metadata } = value;
  const name = isObject(metadata) ? metadata['name'] : undefined;
  if (typeof apiVersion !== 'string' || typeof kind !== 'string' || typeof name !== 'string') return [];
  return [{ group: groupOf(apiVersion), kind, name }];
}
