import { convertCluster } from './cluster.ts';
import { convertDelivery, convertKustomization } from './delivery.ts';
import { convertFluxGitRepository, convertGitRepository } from './git-repository.ts';
import type { Converted } from './git-repository.ts';
import { ClusterKind } from './schema/cluster.ts';
import { DeliveryKind } from './schema/delivery.ts';
import { FluxGitRepositoryKind } from './schema/flux-git-repository.ts';
import { FluxKustomizationKind } from './schema/flux-kustomization.ts';
import { GitRepositoryKind } from './schema/git-repository.ts';
import type { ClusterSpec, Delivery, GitRepository } from './types.ts';
import type { Json } from '@drover/contract';
import type { Static, TSchema } from 'typebox';
import { validate } from './validate.ts';
import type { Issue } from './validate.ts';
import type { NodePath } from '#yaml/locate.ts';

/** What a document configures. A Kustomization of Flux is a Delivery. */
export type Configured =
  | { readonly type: 'source'; readonly value: GitRepository }
  | { readonly type: 'delivery'; readonly value: Delivery }
  | { readonly type: 'cluster'; readonly value: ClusterSpec };

export type Read = { readonly configured: Configured } | { readonly issues: readonly Issue[] };

/** One kind of configuration. */
export interface Kind {
  readonly group: 'drover.dev' | 'source.toolkit.fluxcd.io' | 'kustomize.toolkit.fluxcd.io';
  readonly versions: readonly string[];
  readonly kind: string;
  readonly schema: TSchema;
  read(value: Json, textOf: (path: NodePath) => string | undefined): Read;
}

function kindOf<S extends TSchema, T extends Configured['type']>(
  group: Kind['group'],
  kind: string,
  schema: S,
  type: T,
  convert: (document: Static<S>) => Converted<Extract<Configured, { readonly type: T }>['value']>,
): Kind {
  return {
    group,
    versions: group === 'drover.dev' ? ['v1alpha1'] : ['v1', 'v1beta2', 'v1beta1'],
    kind,
    schema,
    read(value, textOf) {
      const validated = validate(schema, value, textOf);
      if (validated.value === undefined) return { issues: validated.issues };
      const converted = convert(validated.value);
      return 'issues' in converted ? converted : { configured: { type, value: converted.value } as Configured };
    },
  };
}

export const KINDS: readonly Kind[] = [
  kindOf('drover.dev', 'GitRepository', GitRepositoryKind, 'source', convertGitRepository),
  kindOf('drover.dev', 'Delivery', DeliveryKind, 'delivery', convertDelivery),
  kindOf('drover.dev', 'Cluster', ClusterKind, 'cluster', convertCluster),
  kindOf('source.toolkit.fluxcd.io', 'GitRepository', FluxGitRepositoryKind, 'source', convertFluxGitRepository),
  kindOf('kustomize.toolkit.fluxcd.io', 'Kustomization', FluxKustomizationKind, 'delivery', convertKustomization),
];

/** Kinds that come as their own work: of Drover, and of Flux. */
export const LATER_KINDS: ReadonlySet<string> = new Set([
  'HelmRepository',
  'HelmRelease',
  'HelmChart',
  'OCIRepository',
  'Bucket',
  'ExternalArtifact',
  'ArtifactGenerator',
  'Receiver',
  'Provider',
  'Alert',
  'ImageRepository',
  'ImagePolicy',
  'ImageUpdateAutomation',
  'RolloutStrategy',
  'Policy',
]);
