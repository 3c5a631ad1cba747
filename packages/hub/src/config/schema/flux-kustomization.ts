import Type from 'typebox';
import type { Static } from 'typebox';
import {
  duration,
  flag,
  LEADING_SLASH,
  metadata,
  name,
  namespace,
  notYet,
  NOT_YET_VALUES,
  object,
  path,
  postBuild,
  rendering,
  text,
} from './fields.ts';

/**
 * Flux's Kustomization with Flux's defaults; fields of all served versions.
 *
 * @see https://fluxcd.io/flux/components/kustomize/kustomizations/
 */
export const FluxKustomizationSpec = object(
  {
    sourceRef: object(
      {
        apiVersion: Type.Optional(text('API version of the source.')),
        kind: Type.Unsafe<'GitRepository'>({
          type: 'string',
          enum: ['GitRepository'],
          description: 'Kind of the source.',
          [NOT_YET_VALUES]: ['OCIRepository', 'Bucket', 'ExternalArtifact'],
        }),
        name: name('Its name.'),
        namespace: Type.Optional(namespace('Its namespace; the same as here when absent.')),
      },
      'Where the manifests come from.',
    ),
    interval: duration('Full verification against the API server.'),
    prune: Type.Boolean({ description: 'Delete what is no longer rendered.' }),
    path: Type.Optional(path('Directory in the source; its root when absent.', { default: '', [LEADING_SLASH]: true })),
    retryInterval: Type.Optional(duration('Pause before a failure is tried again; `interval` when absent.')),
    timeout: Type.Optional(duration('For one attempt of apply and health; `interval` when absent.')),
    wait: flag('Ready only when every object is healthy.', false),
    ...rendering,
    postBuild,
    deletionPolicy: Type.Optional(
      Type.Unsafe<'MirrorPrune' | 'Delete' | 'Orphan'>({
        type: 'string',
        enum: ['MirrorPrune', 'Delete', 'Orphan'],
        [NOT_YET_VALUES]: ['WaitForTermination'],
        description: 'What happens to the objects when it is removed; MirrorPrune: Delete if it prunes, else Orphan.',
        default: 'MirrorPrune',
      }),
    ),
    suspend: flag('Hands off: neither applied, pruned nor corrected.', false),
    force: notYet('Recreate an object when an immutable field changes.', [false]),
    decryption: notYet('SOPS secrets, opened in the cluster.'),
    kubeConfig: notYet('Another cluster; here the annotation drover.dev/clusters says which.'),
    ignoreMissingComponents: notYet('Components that may be absent.', [false]),
    buildMetadata: notYet('Origin annotations.', [[]]),
    validation: notYet('Validation before apply.', ['none', 'client', 'server']),
    patchesStrategicMerge: notYet('Patches; write them as `patches`.', [[]]),
    patchesJson6902: notYet('Patches; write them as `patches`.', [[]]),
  },
  'A path of a source that is applied.',
);

export const CLUSTERS_ANNOTATION = 'drover.dev/clusters';

export const FluxKustomizationKind = object(
  {
    apiVersion: Type.Unsafe<string>({
      type: 'string',
      enum: ['v1', 'v1beta2', 'v1beta1'].map((version) => `kustomize.toolkit.fluxcd.io/${version}`),
    }),
    kind: Type.Literal('Kustomization'),
    metadata: metadata({
      annotations: `Annotations; \`${CLUSTERS_ANNOTATION}: env=prod\` selects the clusters. Without it: the joined cluster whose name is a segment of the path, or the only one.`,
    }),
    spec: FluxKustomizationSpec,
    status: notYet('Kept by Flux.', [{}]),
  },
  "Flux's Kustomization: a Delivery in its words.",
);

export type FluxKustomizationDocument = Static<typeof FluxKustomizationKind>;
