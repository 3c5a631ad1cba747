import Type from 'typebox';
import type { Static } from 'typebox';
import { DEFAULT_DELETES } from '../types.ts';
import {
  choice,
  duration,
  flag,
  labelSelector,
  metadata,
  name,
  namespace,
  notYet,
  NOT_YET_VALUES,
  object,
  path,
  postBuild,
  rendering,
} from './fields.ts';

const { protectedKinds } = DEFAULT_DELETES;

export const DeliverySpec = object(
  {
    sourceRef: object(
      {
        kind: Type.Unsafe<'GitRepository'>({
          type: 'string',
          enum: ['GitRepository'],
          [NOT_YET_VALUES]: ['OCIRepository', 'Bucket', 'HelmRepository'],
          description: 'Kind of the source.',
        }),
        name: name('Its name.'),
        namespace: Type.Optional(namespace('Its namespace; the same as here when absent.')),
      },
      'Where the manifests come from.',
    ),
    path: Type.Optional(
      path('Directory in the source; may hold `${cluster.name}`, `${cluster.labels["k"]}`, `${cluster.vars.k}`.', { default: '' }),
    ),
    overlays: notYet('Several directories, each built by itself, merged in order.', [[]]),
    clusters: Type.Optional(
      labelSelector('Clusters by the labels that the hub holds; `{}` is all. Absent: every accepted cluster whose path exists.'),
    ),
    mode: choice(['Enforce', 'Observe'], 'Observe: report what is same, differs or is missing, and write nothing.', 'Enforce'),
    prune: flag('Delete what is no longer rendered.', true),
    interval: Type.Optional(
      duration('Full verification against the API server; commits and drift do not wait for it.', { default: '10m' }),
    ),
    retryInterval: Type.Optional(duration('Pause before a failure is tried again.', { default: '1m' })),
    timeout: Type.Optional(duration('For one attempt of apply and health.', { default: '5m' })),
    wait: flag('Ready only when every object is healthy.', true),
    ...rendering,
    postBuild,
    decryption: notYet('SOPS secrets, opened in the cluster.'),
    force: notYet('Recreate an object when an immutable field changes.', [false]),
    drift: choice(['Correct', 'Warn', 'Ignore'], 'What happens to changes by others.', 'Correct'),
    ignore: notYet('Fields that are left to others.', [[]]),
    allowEmpty: flag('Accept a render without any object.', false),
    untargeted: choice(
      ['Hold', 'Leave'],
      'When the directory vanishes or the selector stops matching. Hold: the unit stays and waits for approval. Leave: it leaves.',
      'Hold',
    ),
    deletes: Type.Optional(
      object(
        {
          max: notYet('Deletions in a unit that need no approval.', [DEFAULT_DELETES.max]),
          maxPercent: notYet('Share of a unit that may go without approval; counts from the second deletion.', [
            DEFAULT_DELETES.maxPercent,
          ]),
          maxTotal: notYet('Deletions in a release that need no approval.', [DEFAULT_DELETES.maxTotal]),
          protectedKinds: notYet('Kinds that are never deleted without approval.', [protectedKinds]),
        },
        `Budget of deletions: ${DEFAULT_DELETES.max} or ${DEFAULT_DELETES.maxPercent} % of a unit, ${DEFAULT_DELETES.maxTotal} in a release; beyond any of them the ` +
          `unit keeps what it has and waits. Moves between units and superseded generator names do not count. Never deleted: ${protectedKinds.join(', ')}.`,
      ),
    ),
    deletionPolicy: choice(['Orphan', 'Delete'], 'What happens to the objects when the Delivery is removed.', 'Orphan'),
    suspend: flag('Hands off: neither applied, pruned nor corrected.', false),
    rollout: notYet('Stages, soak, gates; absent: one stage `all`.'),
    fluxObjects: notYet('What happens to Flux objects in rendered output.', ['Refuse']),
  },
  'A path of a source, the clusters that shall run it, and how it is rolled out.',
);

export const DeliveryKind = object(
  {
    apiVersion: Type.Literal('drover.dev/v1alpha1'),
    kind: Type.Literal('Delivery'),
    metadata: metadata(),
    spec: DeliverySpec,
    status: notYet('Kept by the hub.', [{}]),
  },
  'A path of a source, the clusters that shall run it, and how it is rolled out.',
);

export type DeliveryDocument = Static<typeof DeliveryKind>;
