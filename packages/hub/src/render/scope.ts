import type { ApiResource, JsonObject } from '@drover/contract';
import type { Scope } from './builtin-kinds.ts';
import { builtinScope } from './builtin-kinds.ts';
import { isObject } from './json.ts';
import type { ReadLog } from './reads.ts';

export type { Scope } from './builtin-kinds.ts';

/** Scope of a kind; undefined when nobody knows it yet. */
export type ScopeOf = (group: string, kind: string) => Scope | undefined;

/**
 * Built-in kinds, then definitions in the unit, then what the cluster's agent reported. Only the last is an input, and
 * is logged when it was asked.
 *
 * @param objects of the unit, among them perhaps definitions
 */
export function createScopes(objects: readonly JsonObject[], reported: readonly ApiResource[] | undefined, reads: ReadLog): ScopeOf {
  const defined = new Map<string, Scope>();
  for (const object of objects) {
    const scope = definedBy(object);
    if (scope !== undefined) defined.set(scope.kind, scope.scope);
  }
  return (group, kind) => builtinScope(group, kind) ?? defined.get(`${group}/${kind}`) ?? fromFacts(group, kind, reported, reads);
}

function fromFacts(group: string, kind: string, reported: readonly ApiResource[] | undefined, reads: ReadLog): Scope | undefined {
  const scope = reportedScope(group, kind, reported);
  reads.input(`scope/${group}/${kind}`, scope ?? null);
  return scope;
}

export function reportedScope(group: string, kind: string, reported: readonly ApiResource[] | undefined): Scope | undefined {
  const resource = reported?.find((candidate) => candidate.group === group && candidate.kind === kind);
  return resource === undefined ? undefined : resource.namespaced ? 'Namespaced' : 'Cluster';
}

function definedBy(object: JsonObject): { readonly kind: string; readonly scope: Scope } | undefined {
  const { apiVersion, kind, spec } = object;
  if (kind !== 'CustomResourceDefinition' || typeof apiVersion !== 'string' || !apiVersion.startsWith('apiextensions.k8s.io/'))
    return undefined;
  if (!isObject(spec) || !isObject(spec['names'])) return undefined;
  const { group, scope, names } = spec;
  const named = isObject(names) ? names['kind'] : undefined;
  if (typeof group !== 'string' || typeof named !== 'string' || (scope !== 'Namespaced' && scope !== 'Cluster')) return undefined;
  return { kind: `${group}/${named}`, scope };
}
