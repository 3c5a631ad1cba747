import type { JsonObject, ObjectRef } from '@drover/contract';
import { groupOf, keyOf } from '@drover/contract';
import { isObject } from './json.ts';

/** A workload whose replicas an autoscaler of the same unit decides, and that states them none the less. */
export interface Autoscaled {
  readonly autoscaler: ObjectRef;
  readonly workload: ObjectRef;
}

export function findAutoscaled(objects: readonly { readonly ref: ObjectRef; readonly value: JsonObject }[]): readonly Autoscaled[] {
  const scalers = objects.filter(({ ref }) => ref.group === 'autoscaling' && ref.kind === 'HorizontalPodAutoscaler');
  if (scalers.length === 0) return [];
  const stated = new Set(
    objects.filter(({ value }) => isObject(value['spec']) && value['spec']['replicas'] !== undefined).map(({ ref }) => keyOf(ref)),
  );
  return scalers.flatMap(({ ref, value }) => {
    const workload = targetOf(ref, value);
    return workload !== undefined && stated.has(keyOf(workload)) ? [{ autoscaler: ref, workload }] : [];
  });
}

function targetOf(autoscaler: ObjectRef, value: JsonObject): ObjectRef | undefined {
  const target = isObject(value['spec']) ? value['spec']['scaleTargetRef'] : undefined;
  if (!isObject(target)) return undefined;
  const { apiVersion, kind, name } = target;
  if (typeof kind !== 'string' || typeof name !== 'string') return undefined;
  const group = typeof apiVersion === 'string' ? groupOf(apiVersion) : 'apps';
  return autoscaler.namespace === undefined ? { group, kind, name } : { group, kind, namespace: autoscaler.namespace, name };
}
