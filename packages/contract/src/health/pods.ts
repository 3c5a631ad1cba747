import type { KubeObject } from '../object.ts';
import type { ObjectHealth } from '../state.ts';
import { at, conditionOf, conditionsOf, count, explain, text } from './fields.ts';
import { CURRENT, failed, inProgress } from './verdicts.ts';

export function pod(object: KubeObject): ObjectHealth {
  switch (text(object, 'status', 'phase')) {
    case 'Succeeded':
      return CURRENT;
    case 'Failed':
      return failed(text(object, 'status', 'message') || text(object, 'status', 'reason') || 'the pod ended with an error');
    case 'Running': {
      if (conditionOf(object, 'Ready')?.status === 'True') return CURRENT;
      const waiting = waitingContainers(object);
      const looping = waiting.filter(({ reason }) => reason === 'CrashLoopBackOff');
      if (looping.length > 0) return failed(`crash loop of container ${looping.map(({ name }) => name).join(', ')}`);
      return inProgress(describeWaiting(waiting) ?? 'running, not ready');
    }
    case 'Pending': {
      const scheduled = conditionOf(object, 'PodScheduled');
      if (scheduled?.status === 'False') return inProgress(`cannot be scheduled: ${explain(scheduled)}`);
      return inProgress(describeWaiting(waitingContainers(object)) ?? 'pending');
    }
    default:
      return inProgress('no kubelet has taken it yet');
  }
}

/** Current when it has completed, or is suspended on purpose; a running Job is not done. */
export function job(object: KubeObject): ObjectHealth {
  const wanted = count(object, ['spec', 'completions'], count(object, ['spec', 'parallelism'], 1));
  for (const condition of conditionsOf(object)) {
    if (condition.status !== 'True') continue;
    if (condition.type === 'Complete') return CURRENT;
    if (condition.type === 'Failed') return failed(explain(condition));
    if (condition.type === 'Suspended' && at(object, 'spec', 'suspend') === true) return CURRENT;
  }
  if (text(object, 'status', 'startTime') === '') return inProgress('not started');
  return inProgress(`${count(object, ['status', 'succeeded'], 0)} of ${wanted} completions`);
}

interface Waiting {
  readonly name: string;
  readonly reason: string;
  readonly message: string;
}

function waitingContainers(object: KubeObject): readonly Waiting[] {
  const found: Waiting[] = [];
  for (const list of ['initContainerStatuses', 'containerStatuses']) {
    const statuses = at(object, 'status', list);
    if (!Array.isArray(statuses)) continue;
    for (const status of statuses as unknown[]) {
      const waiting = at(status, 'state', 'waiting');
      if (waiting === undefined) continue;
      found.push({
        name: text(status, 'name'),
        reason: text(waiting, 'reason'),
        message: text(waiting, 'message'),
      });
    }
  }
  return found;
}

/** Reasons that pass by themselves within seconds tell people nothing. */
const USUAL = new Set(['', 'ContainerCreating', 'PodInitializing']);

function describeWaiting(waiting: readonly Waiting[]): string | undefined {
  const telling = waiting.find(({ reason }) => !USUAL.has(reason));
  if (telling === undefined) return undefined;
  return `container ${telling.name}: ${telling.reason}${telling.message === '' ? '' : `: ${telling.message}`}`;
}
