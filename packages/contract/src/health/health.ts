import type { KubeObject } from '../object.ts';
import { groupOf } from '../object.ts';
import type { ObjectHealth } from '../state.ts';
import { apiService, customResourceDefinition, namespace, persistentVolume, persistentVolumeClaim, service } from './cluster-kinds.ts';
import { at, conditionOf, conditionsOf, explain } from './fields.ts';
import { job, pod } from './pods.ts';
import { CURRENT, failed, inProgress } from './verdicts.ts';
import { daemonSet, deployment, replicaSet, statefulSet } from './workloads.ts';

/** Kinds that need more than the conventions; all others follow {@link byReadyCondition}. */
const RULES: Readonly<Record<string, (object: KubeObject) => ObjectHealth>> = {
  'apps/Deployment': deployment,
  'apps/StatefulSet': statefulSet,
  'apps/DaemonSet': daemonSet,
  'apps/ReplicaSet': replicaSet,
  '/ReplicationController': replicaSet,
  '/Pod': pod,
  'batch/Job': job,
  'batch/CronJob': () => CURRENT,
  '/PersistentVolumeClaim': persistentVolumeClaim,
  '/PersistentVolume': persistentVolume,
  '/Service': service,
  '/Namespace': namespace,
  'policy/PodDisruptionBudget': () => CURRENT,
  'apiextensions.k8s.io/CustomResourceDefinition': customResourceDefinition,
  'apiregistration.k8s.io/APIService': apiService,
};

/**
 * Health of one live object, in kstatus' words and by its order: deletion, observed generation, the conditions
 * Reconciling and Stalled, the rule of the kind, else the condition Ready. Stricter than kstatus where it would call
 * half-done work Current: a running Job, a failed Pod, a workload whose controller has not seen it yet.
 *
 * @see https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus
 */
export function healthOf(object: KubeObject): ObjectHealth {
  const { deletionTimestamp, generation, finalizers } = object.metadata;
  if (deletionTimestamp !== undefined && deletionTimestamp !== null) {
    const held = Array.isArray(finalizers) && finalizers.length > 0 ? `, held by ${finalizers.join(', ')}` : '';
    return { health: 'Terminating', message: `being deleted${held}` };
  }
  const observed = at(object, 'status', 'observedGeneration');
  if (generation !== undefined && observed !== undefined && Number(observed) !== Number(generation)) {
    return inProgress('its controller has not seen the newest change yet');
  }
  for (const condition of conditionsOf(object)) {
    if (condition.status !== 'True') continue;
    if (condition.type === 'Reconciling') return inProgress(explain(condition));
    if (condition.type === 'Stalled') return failed(explain(condition));
  }
  return (RULES[`${groupOf(object.apiVersion)}/${object.kind}`] ?? byReadyCondition)(object);
}

function byReadyCondition(object: KubeObject): ObjectHealth {
  const ready = conditionOf(object, 'Ready');
  return ready === undefined || ready.status === 'True' ? CURRENT : inProgress(explain(ready));
}
