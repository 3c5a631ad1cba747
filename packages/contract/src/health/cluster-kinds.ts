import type { KubeObject } from '../object.ts';
import type { ObjectHealth } from '../state.ts';
import { conditionOf, conditionsOf, explain, text } from './fields.ts';
import { CURRENT, failed, inProgress } from './verdicts.ts';

export function persistentVolumeClaim(object: KubeObject): ObjectHealth {
  const phase = text(object, 'status', 'phase');
  if (phase === 'Bound') return CURRENT;
  if (phase === 'Lost') return failed('its volume is lost');
  return inProgress('not bound to a volume');
}

export function persistentVolume(object: KubeObject): ObjectHealth {
  const phase = text(object, 'status', 'phase');
  if (phase === 'Failed') return failed(text(object, 'status', 'message') || 'the volume could not be reclaimed');
  return phase === '' || phase === 'Pending' ? inProgress('not yet available') : CURRENT;
}

/** As kstatus: an address outside the cluster is not waited for, as many clusters never give one. */
export function service(object: KubeObject): ObjectHealth {
  if (text(object, 'spec', 'type') !== 'LoadBalancer') return CURRENT;
  return text(object, 'spec', 'clusterIP') === '' ? inProgress('no cluster IP yet') : CURRENT;
}

export function namespace(object: KubeObject): ObjectHealth {
  if (text(object, 'status', 'phase') !== 'Terminating') return CURRENT;
  return { health: 'Terminating', message: 'the namespace is being deleted' };
}

export function customResourceDefinition(object: KubeObject): ObjectHealth {
  for (const condition of conditionsOf(object)) {
    if (condition.type === 'NamesAccepted' && condition.status === 'False') return failed(`names not accepted: ${explain(condition)}`);
    if (condition.type !== 'Established') continue;
    if (condition.status === 'True') return CURRENT;
    if (condition.status === 'False' && condition.reason !== 'Installing') return failed(explain(condition));
  }
  return inProgress('not yet established');
}

export function apiService(object: KubeObject): ObjectHealth {
  const available = conditionOf(object, 'Available');
  if (available?.status === 'True') return CURRENT;
  return inProgress(available === undefined ? 'not yet available' : `not available: ${explain(available)}`);
}
