import { DEFAULT_NAMESPACE } from '@drover/contract';
import type { Converted } from './git-repository.ts';
import type { ClusterDocument } from './schema/cluster.ts';
import type { ClusterSpec } from './types.ts';

const NAME_LABEL = 'drover.dev/name';

export function convertCluster({ metadata, spec = {} }: ClusterDocument): Converted<ClusterSpec> {
  const { labels = {} } = metadata;
  if (Object.hasOwn(labels, NAME_LABEL) && labels[NAME_LABEL] !== metadata.name) {
    return {
      issues: [
        {
          code: 'CONFIG_INVALID',
          path: ['metadata', 'labels', NAME_LABEL],
          at: 'value',
          message: `must be ${metadata.name}: every cluster carries its name`,
        },
      ],
    };
  }
  return {
    value: {
      namespace: metadata.namespace ?? DEFAULT_NAMESPACE,
      name: metadata.name,
      labels,
      vars: spec.vars ?? {},
      ...(spec.mode === undefined ? {} : { mode: spec.mode }),
      suspend: spec.suspend ?? false,
    },
  };
}
