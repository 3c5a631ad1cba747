import { relative } from 'node:path';
import type { Delivery } from '#config/types.ts';
import { DEFAULT_DELETES } from '#config/types.ts';
import type { HubPorts } from '#ports';
import { createDirectoryTree } from './directory-tree-adapter.ts';
import { createKustomize } from './kustomize-adapter.ts';
import { createMemoryCache } from './memory-cache.ts';
import { createRenderer } from './renderer.ts';
import { realDirectory, repositoryRoot } from './repository-root-adapter.ts';
import type { RenderCluster, RenderResult } from './types.ts';

export interface RenderDirectoryOptions {
  /** Absolute path. */
  readonly directory: string;
  /** What paths may not leave; by default the repository that holds the directory. */
  readonly root?: string;
  readonly cluster: RenderCluster;
  /** Fields of a Delivery other than the defaults; `path` is replaced by the directory. */
  readonly delivery?: Partial<Delivery>;
  /** Path of the kustomize program. */
  readonly kustomize: string;
  readonly ports: Pick<HubPorts, 'run' | 'files' | 'effect'>;
}

/** Renders files on disk by the hub's own code, with no hub. Rejects as {@link createRenderer}'s `render`. */
export async function renderDirectory(options: RenderDirectoryOptions, signal: AbortSignal): Promise<RenderResult> {
  const { directory, cluster, delivery, kustomize, ports } = options;
  const start = await realDirectory(directory);
  const root = options.root === undefined ? await repositoryRoot(start) : await realDirectory(options.root);
  const renderer = createRenderer({ engine: createKustomize(ports, { program: kustomize }), cache: createMemoryCache() });
  const path = relative(root, start) || '.';
  return await renderer.render(createDirectoryTree(root), { ...defaultDelivery(), ...delivery, path }, cluster, signal);
}

/** A Delivery with nothing written in it. */
export function defaultDelivery(): Delivery {
  return {
    namespace: 'drover',
    name: 'default',
    sourceRef: { kind: 'GitRepository', namespace: 'drover', name: 'default' },
    path: '.',
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
}
