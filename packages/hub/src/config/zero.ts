import { DEFAULT_NAMESPACE } from '@drover/contract';
import type { Configuration, Delivery, GitRepository } from './types.ts';
import { DEFAULT_DELETES } from './types.ts';

/** What `--source` says. */
export interface SourceFlags {
  /** Judged by `checkUrl` before; `file:` for a local clone. */
  readonly url: string;
  readonly insecure: boolean;
  /** Name of its secret, where credentials are given. */
  readonly secretRef?: string;
}

/** Name of the source, and of the Delivery, that flags alone make. */
export const ZERO_NAME = 'fleet';

/** The GitRepository `drover/fleet` of `--source`: the remote's HEAD. */
export function zeroSource(flags: SourceFlags): GitRepository {
  return {
    namespace: DEFAULT_NAMESPACE,
    name: ZERO_NAME,
    url: flags.url,
    ref: { type: 'head' },
    intervalMs: 60_000,
    timeoutMs: 60_000,
    insecure: flags.insecure,
    ...(flags.secretRef === undefined ? {} : { secretRef: flags.secretRef }),
    forcePush: 'Follow',
    suspend: false,
  };
}

/** The Delivery `drover/fleet`: `clusters/<name>/` for each accepted cluster that has one. */
export const ZERO_DELIVERY: Delivery = {
  namespace: DEFAULT_NAMESPACE,
  name: ZERO_NAME,
  sourceRef: { kind: 'GitRepository', namespace: DEFAULT_NAMESPACE, name: ZERO_NAME },
  path: 'clusters/${cluster.name}',
  targeting: { type: 'path' },
  mode: 'Enforce',
  prune: true,
  intervalMs: 600_000,
  retryIntervalMs: 60_000,
  timeoutMs: 300_000,
  dependsOn: [],
  wait: true,
  healthChecks: [],
  patches: [],
  images: [],
  components: [],
  namePrefix: '',
  nameSuffix: '',
  commonMetadata: { labels: {}, annotations: {} },
  drift: 'Correct',
  allowEmpty: false,
  untargeted: 'Hold',
  deletionPolicy: 'Orphan',
  deletes: DEFAULT_DELETES,
  suspend: false,
};

/** Configuration by `--source` alone. */
export function zeroConfiguration(flags: SourceFlags): Configuration {
  return {
    sources: [zeroSource(flags)],
    deliveries: [ZERO_DELIVERY],
    clusters: [],
    problems: [],
    refused: [],
    unreadable: [],
    warnings: [],
  };
}
