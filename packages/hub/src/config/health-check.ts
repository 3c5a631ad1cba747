import { groupOf } from '@drover/contract';
import type { HealthCheck } from './types.ts';

/** Kinds of Kubernetes itself whose apiVersion need not be written; true where they are namespaced. */
const KINDS: Readonly<Record<string, readonly [apiVersion: string, namespaced: boolean]>> = {
  ConfigMap: ['v1', true],
  Endpoints: ['v1', true],
  Namespace: ['v1', false],
  Node: ['v1', false],
  PersistentVolume: ['v1', false],
  PersistentVolumeClaim: ['v1', true],
  Pod: ['v1', true],
  ReplicationController: ['v1', true],
  Secret: ['v1', true],
  Service: ['v1', true],
  ServiceAccount: ['v1', true],
  DaemonSet: ['apps/v1', true],
  Deployment: ['apps/v1', true],
  ReplicaSet: ['apps/v1', true],
  StatefulSet: ['apps/v1', true],
  HorizontalPodAutoscaler: ['autoscaling/v2', true],
  CronJob: ['batch/v1', true],
  Job: ['batch/v1', true],
  Ingress: ['networking.k8s.io/v1', true],
  NetworkPolicy: ['networking.k8s.io/v1', true],
  PodDisruptionBudget: ['policy/v1', true],
  APIService: ['apiregistration.k8s.io/v1', false],
  CustomResourceDefinition: ['apiextensions.k8s.io/v1', false],
};

/**
 * Completes a health check.
 *
 * @param targetNamespace of the Delivery
 * @returns undefined when apiVersion is missing and cannot be told
 */
export function healthCheckOf(
  written: { readonly apiVersion?: string; readonly kind: string; readonly name: string; readonly namespace?: string },
  targetNamespace: string | undefined,
): HealthCheck | undefined {
  const { kind, name, namespace } = written;
  const known = Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined;
  const apiVersion = written.apiVersion ?? known?.[0];
  if (apiVersion === undefined) return undefined;
  const builtin = known !== undefined && groupOf(known[0]) === groupOf(apiVersion) ? known : undefined;
  if (builtin?.[1] === false) return { apiVersion, kind, name };
  const where = namespace ?? targetNamespace ?? (builtin === undefined ? undefined : 'default');
  return { apiVersion, kind, ...(where === undefined ? {} : { namespace: where }), name };
}
