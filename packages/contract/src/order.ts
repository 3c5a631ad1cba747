import type { ObjectRef } from './object.ts';
import { keyOf } from './object.ts';

/**
 * Ranks of apply: 0 Namespace, CRD (until served) · 1 accounts, RBAC, quota, classes, configuration, storage, Service ·
 * 2 the rest · 3 APIService and admission webhooks, which can refuse everything that comes after them. Deletion goes
 * the other way.
 */
export type Rank = 0 | 1 | 2 | 3;

const RANKS: Readonly<Record<string, Rank>> = {
  '/Namespace': 0,
  'apiextensions.k8s.io/CustomResourceDefinition': 0,
  '/ServiceAccount': 1,
  '/ResourceQuota': 1,
  '/LimitRange': 1,
  '/ConfigMap': 1,
  '/Secret': 1,
  '/PersistentVolume': 1,
  '/PersistentVolumeClaim': 1,
  '/Service': 1,
  'rbac.authorization.k8s.io/Role': 1,
  'rbac.authorization.k8s.io/ClusterRole': 1,
  'rbac.authorization.k8s.io/RoleBinding': 1,
  'rbac.authorization.k8s.io/ClusterRoleBinding': 1,
  'storage.k8s.io/StorageClass': 1,
  'scheduling.k8s.io/PriorityClass': 1,
  'networking.k8s.io/IngressClass': 1,
  'node.k8s.io/RuntimeClass': 1,
  'policy/PodDisruptionBudget': 1,
  'networking.k8s.io/NetworkPolicy': 1,
  'apiregistration.k8s.io/APIService': 3,
  'admissionregistration.k8s.io/ValidatingWebhookConfiguration': 3,
  'admissionregistration.k8s.io/MutatingWebhookConfiguration': 3,
  'admissionregistration.k8s.io/ValidatingAdmissionPolicy': 3,
  'admissionregistration.k8s.io/ValidatingAdmissionPolicyBinding': 3,
  'admissionregistration.k8s.io/MutatingAdmissionPolicy': 3,
  'admissionregistration.k8s.io/MutatingAdmissionPolicyBinding': 3,
};

export function rankOf(ref: Pick<ObjectRef, 'group' | 'kind'>): Rank {
  return RANKS[`${ref.group}/${ref.kind}`] ?? 2;
}

/** Apply order: rank, then group/kind, namespace, name. */
export function compareForApply(a: ObjectRef, b: ObjectRef): number {
  return rankOf(a) - rankOf(b) || (keyOf(a) < keyOf(b) ? -1 : keyOf(a) > keyOf(b) ? 1 : 0);
}
