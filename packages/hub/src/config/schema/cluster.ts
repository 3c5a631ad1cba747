import Type from 'typebox';
import type { Static } from 'typebox';
import { choice, flag, metadata, notYet, object, record } from './fields.ts';

export const ClusterSpecSchema = object(
  {
    vars: Type.Optional(record('Values for `${cluster.vars.k}`; text.', 'cluster-variable')),
    varsFrom: notYet('ConfigMaps of the cluster that hold values.', [[]]),
    mode: choice(['Enforce', 'Observe'], 'Observe: nothing is written in the cluster. Absent: as `drover enforce` or the token said.'),
    suspend: flag('Hands off the whole cluster.', false),
  },
  'A cluster of the fleet.',
);

export const ClusterKind = object(
  {
    apiVersion: Type.Literal('drover.dev/v1alpha1'),
    kind: Type.Literal('Cluster'),
    metadata: metadata(),
    spec: Type.Optional(ClusterSpecSchema),
    status: notYet('Kept by the hub.', [{}]),
  },
  'A cluster of the fleet; made by joining, may be declared beforehand. Its labels are what selectors select by.',
);

export type ClusterDocument = Static<typeof ClusterKind>;
