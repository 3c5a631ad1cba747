import type { ObjectRef } from '@drover/contract';
import { DroverError, showRef } from '@drover/contract';
import type { KindInfo } from './types.ts';

/** `/api/v1/namespaces/shop/configmaps`; all namespaces without one. */
export function collectionPath(kind: KindInfo, namespace: string | undefined): string {
  const root = kind.group === '' ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
  const scope = kind.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${root}${scope}/${kind.resource}`;
}

/** @throws DroverError KUBE_REJECTED for a namespaced object without namespace: its path would be that of a collection */
export function objectPath(kind: KindInfo, ref: ObjectRef): string {
  if (kind.namespaced && (ref.namespace ?? '') === '')
    throw new DroverError('KUBE_REJECTED', showRef(ref), 'its kind is namespaced and it has no namespace');
  if (ref.name === '') throw new DroverError('KUBE_REJECTED', showRef(ref), 'it has no name');
  return `${collectionPath(kind, ref.namespace)}/${encodeURIComponent(ref.name)}`;
}

export function apiVersionOf(kind: Pick<KindInfo, 'group' | 'version'>): string {
  return kind.group === '' ? kind.version : `${kind.group}/${kind.version}`;
}

/** `deployments.apps`, as RBAC and people name a resource. */
export function showResource(kind: Pick<KindInfo, 'group' | 'resource'>): string {
  return kind.group === '' ? kind.resource : `${kind.resource}.${kind.group}`;
}
