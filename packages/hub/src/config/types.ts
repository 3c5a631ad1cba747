import type { DriftPolicy, Mode, Position, Problem } from '@drover/contract';

/**
 * What a hub is told, after parsing, validation and defaults. Durations in ms. Namespaces are never empty
 * (`drover` when not written).
 */
export interface Named {
  readonly namespace: string;
  readonly name: string;
}

export interface SourceRef extends Named {
  readonly kind: 'GitRepository';
}

export type GitRef =
  | { readonly type: 'head' }
  | { readonly type: 'branch'; readonly name: string }
  | { readonly type: 'tag'; readonly name: string }
  | { readonly type: 'commit'; readonly sha: string; readonly branch?: string };

export interface GitRepository extends Named {
  /** https or http; `file` only for `--source` on loopback. Without credentials. */
  readonly url: string;
  readonly ref: GitRef;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly insecure: boolean;
  readonly secretRef?: string;
  /** gitignore syntax. */
  readonly ignore?: string;
  readonly forcePush: 'Follow' | 'Hold';
  readonly suspend: boolean;
  /** Where it is written; absent for what a flag makes. */
  readonly position?: Position;
}

export interface Requirement {
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  readonly values: readonly string[];
}

/** A LabelSelector: all must hold; `{}` selects every cluster. */
export interface LabelSelector {
  readonly matchLabels: Readonly<Record<string, string>>;
  readonly matchExpressions: readonly Requirement[];
}

export interface Patch {
  readonly patch: string;
  readonly target?: Readonly<Record<string, string>>;
}

export interface Image {
  readonly name: string;
  readonly newName?: string;
  readonly newTag?: string;
  readonly digest?: string;
}

export interface HealthCheck {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
}

/** Beyond any (`max`, `maxPercent`: a unit; `maxTotal`: a release) a removal is held. */
export interface DeleteBudget {
  readonly max: number;
  readonly maxPercent: number;
  readonly maxTotal: number;
  readonly protectedKinds: readonly string[];
}

export const DEFAULT_DELETES: DeleteBudget = {
  max: 10,
  maxPercent: 50,
  maxTotal: 100,
  protectedKinds: ['Namespace', 'CustomResourceDefinition', 'PersistentVolume', 'PersistentVolumeClaim', 'StatefulSet'],
};

/** How a Delivery's clusters are found. */
export type Targeting =
  | { readonly type: 'selector'; readonly selector: LabelSelector }
  /** `clusters` absent: every accepted cluster whose path exists. */
  | { readonly type: 'path' }
  /** A Flux Kustomization without annotation: the joined cluster whose name is a segment of its path, or the only joined one. */
  | { readonly type: 'flux' };

export interface Delivery extends Named {
  readonly sourceRef: SourceRef;
  /** May hold `${cluster.*}`. */
  readonly path: string;
  readonly targeting: Targeting;
  readonly mode: Mode;
  readonly prune: boolean;
  readonly intervalMs: number;
  readonly retryIntervalMs: number;
  readonly timeoutMs: number;
  readonly dependsOn: readonly Named[];
  readonly wait: boolean;
  readonly healthChecks: readonly HealthCheck[];
  /** Absent: manifests are not substituted. */
  readonly postBuild?: { readonly substitute: Readonly<Record<string, string>>; readonly strategy: 'Strict' | 'Loose' };
  readonly patches: readonly Patch[];
  readonly images: readonly Image[];
  readonly components: readonly string[];
  readonly namePrefix: string;
  readonly nameSuffix: string;
  readonly targetNamespace?: string;
  readonly commonMetadata: { readonly labels: Readonly<Record<string, string>>; readonly annotations: Readonly<Record<string, string>> };
  readonly drift: DriftPolicy;
  readonly allowEmpty: boolean;
  readonly untargeted: 'Hold' | 'Leave';
  readonly deletionPolicy: 'Orphan' | 'Delete';
  readonly deletes: DeleteBudget;
  readonly suspend: boolean;
  /** Where it is written; absent for what zero configuration makes. */
  readonly position?: Position;
}

export interface ClusterSpec extends Named {
  readonly labels: Readonly<Record<string, string>>;
  readonly vars: Readonly<Record<string, string>>;
  /** Absent: as set by `enforce` or the token. */
  readonly mode?: Mode;
  readonly suspend: boolean;
  readonly position?: Position;
}

export interface Configuration {
  readonly sources: readonly GitRepository[];
  readonly deliveries: readonly Delivery[];
  readonly clusters: readonly ClusterSpec[];
  /** Documents that were refused. A document with a problem is left out; what it configured before stays in force. */
  readonly problems: readonly Problem[];
  /** `kind/namespace/name` of refused documents, as far as they could be told: these keep their last good form. */
  readonly refused: readonly string[];
  /**
   * Files with a document whose name cannot be told. While there are any, nothing that is absent counts as removed: it
   * may stand in one of them.
   */
  readonly unreadable: readonly string[];
  readonly warnings: readonly Problem[];
  /** Where it was read: the source's configuration directory, `--config`, or flags alone. */
  readonly from?: 'tree' | 'directory' | 'flags';
}
