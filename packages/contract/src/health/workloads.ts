import type { KubeObject } from '../object.ts';
import type { ObjectHealth } from '../state.ts';
import { at, conditionOf, count, explain, text } from './fields.ts';
import { CURRENT, failed, inProgress, some } from './verdicts.ts';

/** Workloads that run pods. `healthOf` has already seen that the controller observed the newest generation. */

export function deployment(object: KubeObject): ObjectHealth {
  const wanted = count(object, ['spec', 'replicas'], 1);
  const status = (field: string): number => count(object, ['status', field], 0);
  const progressing = conditionOf(object, 'Progressing');
  const refused = conditionOf(object, 'ReplicaFailure');
  if (progressing?.reason === 'ProgressDeadlineExceeded') {
    return failed(`no progress within ${count(object, ['spec', 'progressDeadlineSeconds'], 600)} s: ${explain(progressing)}`);
  }
  if (refused?.status === 'True') return inProgress(`pods cannot be created: ${explain(refused)}`);
  if (at(object, 'spec', 'paused') === true && status('updatedReplicas') < wanted) return inProgress('the rollout is paused');
  const unobserved = notYetObserved(object);
  if (unobserved !== undefined) return unobserved;
  if (status('updatedReplicas') < wanted) return some(status('updatedReplicas'), wanted, 'updated');
  if (status('replicas') > wanted) return inProgress(`${status('replicas') - wanted} old pods still there`);
  if (status('availableReplicas') < wanted) return some(status('availableReplicas'), wanted, 'available');
  if (status('readyReplicas') < wanted) return some(status('readyReplicas'), wanted, 'ready');
  const available = conditionOf(object, 'Available');
  if (available?.status !== 'True') return inProgress(available === undefined ? 'not yet available' : explain(available));
  // Kubernetes takes the largest int32 for "no deadline" and then reports no progress at all.
  const deadline = at(object, 'spec', 'progressDeadlineSeconds');
  const watched = deadline !== undefined && deadline !== 2_147_483_647;
  if (watched && (progressing?.status !== 'True' || progressing.reason !== 'NewReplicaSetAvailable')) {
    return inProgress(progressing === undefined ? 'the rollout has not begun' : explain(progressing));
  }
  return CURRENT;
}

export function statefulSet(object: KubeObject): ObjectHealth {
  const wanted = count(object, ['spec', 'replicas'], 1);
  const status = (field: string): number => count(object, ['status', field], 0);
  const unobserved = notYetObserved(object);
  if (unobserved !== undefined) return unobserved;
  if (status('replicas') < wanted) return some(status('replicas'), wanted, 'created');
  if (status('readyReplicas') < wanted) return some(status('readyReplicas'), wanted, 'ready');
  if (status('replicas') > wanted) return inProgress(`${status('replicas') - wanted} surplus pods still there`);
  // With OnDelete people replace the pods themselves: an old revision is no fault.
  if (text(object, 'spec', 'updateStrategy', 'type') === 'OnDelete') return CURRENT;
  const partition = count(object, ['spec', 'updateStrategy', 'rollingUpdate', 'partition'], 0);
  const toUpdate = Math.max(0, wanted - partition);
  if (partition > 0) return status('updatedReplicas') < toUpdate ? some(status('updatedReplicas'), toUpdate, 'updated') : CURRENT;
  const revision = text(object, 'status', 'updateRevision');
  if (text(object, 'status', 'currentRevision') !== revision) return some(status('updatedReplicas'), wanted, 'updated');
  return CURRENT;
}

export function daemonSet(object: KubeObject): ObjectHealth {
  const unobserved = notYetObserved(object);
  if (unobserved !== undefined) return unobserved;
  const wanted = count(object, ['status', 'desiredNumberScheduled'], -1);
  if (wanted < 0) return inProgress('not yet scheduled');
  const status = (field: string): number => count(object, ['status', field], 0);
  if (status('currentNumberScheduled') < wanted) return some(status('currentNumberScheduled'), wanted, 'scheduled');
  const onDelete = text(object, 'spec', 'updateStrategy', 'type') === 'OnDelete';
  if (!onDelete && status('updatedNumberScheduled') < wanted) return some(status('updatedNumberScheduled'), wanted, 'updated');
  if (status('numberAvailable') < wanted) return some(status('numberAvailable'), wanted, 'available');
  if (status('numberReady') < wanted) return some(status('numberReady'), wanted, 'ready');
  return CURRENT;
}

/** ReplicaSet and ReplicationController. */
export function replicaSet(object: KubeObject): ObjectHealth {
  const wanted = count(object, ['spec', 'replicas'], 1);
  const status = (field: string): number => count(object, ['status', field], 0);
  const refused = conditionOf(object, 'ReplicaFailure');
  if (refused?.status === 'True') return inProgress(`pods cannot be created: ${explain(refused)}`);
  const unobserved = notYetObserved(object);
  if (unobserved !== undefined) return unobserved;
  if (status('fullyLabeledReplicas') < wanted) return some(status('fullyLabeledReplicas'), wanted, 'labelled');
  if (status('availableReplicas') < wanted) return some(status('availableReplicas'), wanted, 'available');
  if (status('readyReplicas') < wanted) return some(status('readyReplicas'), wanted, 'ready');
  if (status('replicas') > wanted) return inProgress(`${status('replicas') - wanted} surplus pods still there`);
  return CURRENT;
}

/** A controller that has not looked at a new object yet has written no status: zero wanted pods would look Current. */
function notYetObserved(object: KubeObject): ObjectHealth | undefined {
  return at(object, 'status', 'observedGeneration') === undefined ? inProgress('its controller has not seen it yet') : undefined;
}
