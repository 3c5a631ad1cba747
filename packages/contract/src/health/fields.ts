import type { KubeObject } from '../object.ts';

/** A condition as every controller writes them; fields that are not text are left out. */
export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

/** The value at a path of plain keys; undefined when something on the way is no object. */
export function at(value: unknown, ...path: readonly string[]): unknown {
  let here = value;
  for (const key of path) {
    if (typeof here !== 'object' || here === null) return undefined;
    here = (here as Record<string, unknown>)[key];
  }
  return here;
}

/** An integer at a path; `otherwise` when there is none. */
export function count(object: KubeObject, path: readonly string[], otherwise: number): number {
  const value = at(object, ...path);
  if (typeof value === 'bigint') return Number(value);
  return typeof value === 'number' ? value : otherwise;
}

export function text(object: unknown, ...path: readonly string[]): string {
  const value = at(object, ...path);
  return typeof value === 'string' ? value : '';
}

export function conditionsOf(object: KubeObject): readonly Condition[] {
  const list = at(object, 'status', 'conditions');
  if (!Array.isArray(list)) return [];
  return list.map((entry: unknown) => ({
    type: asText(at(entry, 'type')),
    status: asText(at(entry, 'status')),
    reason: asText(at(entry, 'reason')),
    message: asText(at(entry, 'message')),
  }));
}

export function conditionOf(object: KubeObject, type: string): Condition | undefined {
  return conditionsOf(object).find((condition) => condition.type === type);
}

/** What a condition tells people: its message, else its reason, else its name and status. */
export function explain(condition: Condition): string {
  return condition.message || condition.reason || `${condition.type} is ${condition.status}`;
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
