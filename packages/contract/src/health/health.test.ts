import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../object.ts';
import type { Health } from '../state.ts';
import { healthOf } from './health.ts';

type Parts = { readonly metadata?: object; readonly spec?: object; readonly status?: object };

function object(apiVersion: string, kind: string, parts: Parts = {}): KubeObject {
  const { metadata, ...rest } = parts;
  return { apiVersion, kind, metadata: { name: 'web', namespace: 'shop', generation: 2, ...metadata }, ...rest };
}

const condition = (type: string, status: string, reason = '', message = '') => ({ type, status, reason, message });

const deployment = (spec: object, status: object): KubeObject =>
  object('apps/v1', 'Deployment', {
    spec: { replicas: 3, progressDeadlineSeconds: 600, ...spec },
    status: { observedGeneration: 2, replicas: 3, updatedReplicas: 3, availableReplicas: 3, readyReplicas: 3, ...status },
  });
const rolledOut = [condition('Available', 'True'), condition('Progressing', 'True', 'NewReplicaSetAvailable')];

const statefulSet = (spec: object, status: object): KubeObject =>
  object('apps/v1', 'StatefulSet', {
    spec: { replicas: 3, ...spec },
    status: {
      observedGeneration: 2,
      replicas: 3,
      readyReplicas: 3,
      updatedReplicas: 3,
      currentRevision: 'a',
      updateRevision: 'a',
      ...status,
    },
  });

const daemonSet = (status: object, spec: object = {}): KubeObject =>
  object('apps/v1', 'DaemonSet', {
    spec,
    status: {
      observedGeneration: 2,
      desiredNumberScheduled: 2,
      currentNumberScheduled: 2,
      updatedNumberScheduled: 2,
      numberAvailable: 2,
      numberReady: 2,
      ...status,
    },
  });

const replicaSet = (status: object): KubeObject =>
  object('apps/v1', 'ReplicaSet', {
    spec: { replicas: 2 },
    status: { observedGeneration: 2, replicas: 2, fullyLabeledReplicas: 2, availableReplicas: 2, readyReplicas: 2, ...status },
  });

const waiting = (name: string, reason: string, message?: string) => ({
  name,
  state: { waiting: { reason, ...(message === undefined ? {} : { message }) } },
});
const pod = (status: object): KubeObject => object('v1', 'Pod', { status });
const job = (status: object, spec: object = {}): KubeObject => object('batch/v1', 'Job', { spec, status });
const crd = (...conditions: object[]): KubeObject =>
  object('apiextensions.k8s.io/v1', 'CustomResourceDefinition', { status: { conditions } });
const custom = (status: object): KubeObject => object('example.com/v1', 'Widget', { status });

const cases: readonly { name: string; object: KubeObject; health: Health; message?: string }[] = [
  { name: 'a ConfigMap is Current once it exists', object: object('v1', 'ConfigMap'), health: 'Current' },
  {
    name: 'an object being deleted is Terminating and names its finalizers',
    object: object('v1', 'ConfigMap', { metadata: { deletionTimestamp: '2026-11-01T00:00:00Z', finalizers: ['a.example/x', 'b'] } }),
    health: 'Terminating',
    message: 'being deleted, held by a.example/x, b',
  },

  { name: 'a Deployment that rolled out is Current', object: deployment({}, { conditions: rolledOut }), health: 'Current' },
  {
    name: 'a Deployment with an older observed generation is in progress',
    object: deployment({}, { observedGeneration: 1, conditions: rolledOut }),
    health: 'InProgress',
    message: 'its controller has not seen the newest change yet',
  },
  {
    name: 'a Deployment without status is in progress even with no replicas wanted',
    object: object('apps/v1', 'Deployment', { spec: { replicas: 0 } }),
    health: 'InProgress',
    message: 'its controller has not seen it yet',
  },
  {
    name: 'a Deployment counts its available pods',
    object: deployment({}, { availableReplicas: 1, readyReplicas: 1, conditions: rolledOut }),
    health: 'InProgress',
    message: '1 of 3 pods available',
  },
  {
    name: 'a Deployment counts its updated pods',
    object: deployment({}, { updatedReplicas: 2, conditions: rolledOut }),
    health: 'InProgress',
    message: '2 of 3 pods updated',
  },
  {
    name: 'a Deployment waits for its old pods to end',
    object: deployment({}, { replicas: 4, conditions: rolledOut }),
    health: 'InProgress',
    message: '1 old pods still there',
  },
  {
    name: 'a Deployment past its progress deadline has failed',
    object: deployment(
      {},
      {
        updatedReplicas: 1,
        conditions: [condition('Progressing', 'False', 'ProgressDeadlineExceeded', 'ReplicaSet "web-1" has timed out')],
      },
    ),
    health: 'Failed',
    message: 'no progress within 600 s: ReplicaSet "web-1" has timed out',
  },
  {
    name: 'a Deployment whose pods are refused says why',
    object: deployment({}, { updatedReplicas: 0, conditions: [condition('ReplicaFailure', 'True', 'FailedCreate', 'exceeded quota')] }),
    health: 'InProgress',
    message: 'pods cannot be created: exceeded quota',
  },
  {
    name: 'a paused Deployment says so',
    object: deployment({ paused: true }, { updatedReplicas: 0, conditions: rolledOut }),
    health: 'InProgress',
    message: 'the rollout is paused',
  },
  {
    name: 'a Deployment without a deadline needs no Progressing condition',
    object: deployment({ progressDeadlineSeconds: 2_147_483_647 }, { conditions: [condition('Available', 'True')] }),
    health: 'Current',
  },
  {
    name: 'a Deployment that is not Available is in progress',
    object: deployment({}, { conditions: [condition('Available', 'False', 'MinimumReplicasUnavailable', 'no minimum availability')] }),
    health: 'InProgress',
    message: 'no minimum availability',
  },
  {
    name: 'a Deployment scaled to zero and seen is Current',
    object: deployment({ replicas: 0 }, { replicas: 0, updatedReplicas: 0, availableReplicas: 0, readyReplicas: 0, conditions: rolledOut }),
    health: 'Current',
  },

  { name: 'a StatefulSet with all pods at one revision is Current', object: statefulSet({}, {}), health: 'Current' },
  {
    name: 'a StatefulSet counts its ready pods',
    object: statefulSet({}, { readyReplicas: 2 }),
    health: 'InProgress',
    message: '2 of 3 pods ready',
  },
  {
    name: 'a StatefulSet between two revisions is in progress',
    object: statefulSet({}, { updatedReplicas: 1, updateRevision: 'b' }),
    health: 'InProgress',
    message: '1 of 3 pods updated',
  },
  {
    name: 'a StatefulSet with a partition waits only for the pods above it',
    object: statefulSet({ updateStrategy: { rollingUpdate: { partition: 2 } } }, { updatedReplicas: 1, updateRevision: 'b' }),
    health: 'Current',
  },
  {
    name: 'a StatefulSet that updates on delete does not wait for a revision',
    object: statefulSet({ updateStrategy: { type: 'OnDelete' } }, { updatedReplicas: 0, updateRevision: 'b' }),
    health: 'Current',
  },
  { name: 'a StatefulSet without status is in progress', object: object('apps/v1', 'StatefulSet', { spec: {} }), health: 'InProgress' },

  { name: 'a DaemonSet on all its nodes is Current', object: daemonSet({}), health: 'Current' },
  { name: 'a DaemonSet that wants no node is Current', object: daemonSet({ desiredNumberScheduled: 0 }), health: 'Current' },
  {
    name: 'a DaemonSet counts its available pods',
    object: daemonSet({ numberAvailable: 1 }),
    health: 'InProgress',
    message: '1 of 2 pods available',
  },
  {
    name: 'a DaemonSet counts its updated pods',
    object: daemonSet({ updatedNumberScheduled: 0 }),
    health: 'InProgress',
    message: '0 of 2 pods updated',
  },
  {
    name: 'a DaemonSet that updates on delete does not wait for updates',
    object: daemonSet({ updatedNumberScheduled: 0 }, { updateStrategy: { type: 'OnDelete' } }),
    health: 'Current',
  },

  { name: 'a ReplicaSet with all pods is Current', object: replicaSet({}), health: 'Current' },
  {
    name: 'a ReplicaSet counts its available pods',
    object: replicaSet({ availableReplicas: 0 }),
    health: 'InProgress',
    message: '0 of 2 pods available',
  },

  { name: 'a ready Pod is Current', object: pod({ phase: 'Running', conditions: [condition('Ready', 'True')] }), health: 'Current' },
  { name: 'a Pod that succeeded is Current', object: pod({ phase: 'Succeeded' }), health: 'Current' },
  {
    name: 'a Pod that failed has failed',
    object: pod({ phase: 'Failed', reason: 'Evicted', message: 'low on memory' }),
    health: 'Failed',
    message: 'low on memory',
  },
  {
    name: 'a Pod in a crash loop has failed and names the container',
    object: pod({ phase: 'Running', containerStatuses: [{ name: 'log', state: { running: {} } }, waiting('app', 'CrashLoopBackOff')] }),
    health: 'Failed',
    message: 'crash loop of container app',
  },
  {
    name: 'a Pod that cannot pull its image says which',
    object: pod({ phase: 'Pending', containerStatuses: [waiting('app', 'ImagePullBackOff', 'no such tag')] }),
    health: 'InProgress',
    message: 'container app: ImagePullBackOff: no such tag',
  },
  {
    name: 'a Pod without a node says why',
    object: pod({ phase: 'Pending', conditions: [condition('PodScheduled', 'False', 'Unschedulable', '0/3 nodes are available')] }),
    health: 'InProgress',
    message: 'cannot be scheduled: 0/3 nodes are available',
  },
  {
    name: 'a Pod whose containers are being created is pending',
    object: pod({ phase: 'Pending', containerStatuses: [waiting('app', 'ContainerCreating')] }),
    health: 'InProgress',
    message: 'pending',
  },

  { name: 'a completed Job is Current', object: job({ conditions: [condition('Complete', 'True')] }), health: 'Current' },
  {
    name: 'a failed Job says why',
    object: job({ conditions: [condition('Failed', 'True', 'BackoffLimitExceeded', 'too many retries')] }),
    health: 'Failed',
    message: 'too many retries',
  },
  {
    name: 'a running Job is in progress',
    object: job({ startTime: 'x', succeeded: 1 }, { completions: 4 }),
    health: 'InProgress',
    message: '1 of 4 completions',
  },
  { name: 'a Job that has not started is in progress', object: job({}), health: 'InProgress', message: 'not started' },
  {
    name: 'a Job suspended on purpose is Current',
    object: job({ conditions: [condition('Suspended', 'True')] }, { suspend: true }),
    health: 'Current',
  },
  { name: 'a CronJob is Current', object: object('batch/v1', 'CronJob'), health: 'Current' },

  {
    name: 'a claim that is not bound is in progress',
    object: object('v1', 'PersistentVolumeClaim', { status: { phase: 'Pending' } }),
    health: 'InProgress',
    message: 'not bound to a volume',
  },
  { name: 'a bound claim is Current', object: object('v1', 'PersistentVolumeClaim', { status: { phase: 'Bound' } }), health: 'Current' },
  { name: 'a lost claim has failed', object: object('v1', 'PersistentVolumeClaim', { status: { phase: 'Lost' } }), health: 'Failed' },
  {
    name: 'an available volume is Current',
    object: object('v1', 'PersistentVolume', { status: { phase: 'Available' } }),
    health: 'Current',
  },
  {
    name: 'a volume that failed has failed',
    object: object('v1', 'PersistentVolume', { status: { phase: 'Failed', message: 'deleting disk' } }),
    health: 'Failed',
    message: 'deleting disk',
  },
  { name: 'a Service is Current', object: object('v1', 'Service', { spec: { type: 'ClusterIP' } }), health: 'Current' },
  {
    name: 'a Service of type LoadBalancer needs a cluster IP',
    object: object('v1', 'Service', { spec: { type: 'LoadBalancer' } }),
    health: 'InProgress',
    message: 'no cluster IP yet',
  },
  {
    name: 'a Service of type LoadBalancer does not wait for an address outside',
    object: object('v1', 'Service', { spec: { type: 'LoadBalancer', clusterIP: '10.0.0.1' }, status: { loadBalancer: {} } }),
    health: 'Current',
  },
  {
    name: 'a Service of another group is judged by its Ready condition',
    object: object('serving.knative.dev/v1', 'Service', { status: { conditions: [condition('Ready', 'False', '', 'no revision')] } }),
    health: 'InProgress',
    message: 'no revision',
  },
  { name: 'an active Namespace is Current', object: object('v1', 'Namespace', { status: { phase: 'Active' } }), health: 'Current' },
  {
    name: 'a disruption budget is Current',
    object: object('policy/v1', 'PodDisruptionBudget', { status: { conditions: [condition('DisruptionAllowed', 'False')] } }),
    health: 'Current',
  },

  {
    name: 'an established CRD is Current',
    object: crd(condition('NamesAccepted', 'True'), condition('Established', 'True')),
    health: 'Current',
  },
  { name: 'a CRD without conditions is in progress', object: crd(), health: 'InProgress', message: 'not yet established' },
  {
    name: 'a CRD that is installing is in progress',
    object: crd(condition('Established', 'False', 'Installing', 'the initial names have been accepted')),
    health: 'InProgress',
  },
  {
    name: 'a CRD with conflicting names has failed',
    object: crd(condition('NamesAccepted', 'False', 'PluralConflict', '"widgets" is in use')),
    health: 'Failed',
    message: 'names not accepted: "widgets" is in use',
  },
  {
    name: 'an APIService that is down is in progress and says why',
    object: object('apiregistration.k8s.io/v1', 'APIService', {
      status: { conditions: [condition('Available', 'False', 'FailedDiscoveryCheck', 'connection refused')] },
    }),
    health: 'InProgress',
    message: 'not available: connection refused',
  },

  { name: 'a custom object without conditions is Current', object: custom({}), health: 'Current' },
  { name: 'a custom object that is Ready is Current', object: custom({ conditions: [condition('Ready', 'True')] }), health: 'Current' },
  {
    name: 'a custom object that is not Ready is in progress with its message',
    object: custom({ conditions: [condition('Ready', 'Unknown', 'Checking')] }),
    health: 'InProgress',
    message: 'Checking',
  },
  {
    name: 'Stalled means failed, whatever Ready says',
    object: custom({ conditions: [condition('Ready', 'True'), condition('Stalled', 'True', 'Bad', 'cannot parse')] }),
    health: 'Failed',
    message: 'cannot parse',
  },
  {
    name: 'Reconciling means in progress',
    object: custom({ conditions: [condition('Reconciling', 'True', '', 'step 2')] }),
    health: 'InProgress',
    message: 'step 2',
  },
  { name: 'a generation that was not observed is in progress', object: custom({ observedGeneration: 1 }), health: 'InProgress' },
  { name: 'malformed status is no information about failure', object: custom({ conditions: 'none' }), health: 'Current' },
];

for (const { name, object, health, message } of cases) {
  test(`healthOf: ${name}`, () => {
    const got = healthOf(object);
    assert.equal(got.health, health, got.message);
    if (message !== undefined) assert.equal(got.message, message);
    if (health === 'Current') assert.equal(got.message, '');
    else assert.notEqual(got.message, '');
  });
}
