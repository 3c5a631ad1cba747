import type { Problem } from '@drover/contract';
import { DroverError, unitName } from '@drover/contract';
import type { Delivery } from '#config/types.ts';
import { selects } from '#config/selector.ts';

/** A joined and accepted cluster, as targeting sees it. */
export interface TargetCluster {
  readonly uid: string;
  readonly name: string;
  /** Held at the hub: token, configuration, `drover.dev/name`; never what an agent reports. */
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * The clusters that a Delivery selects. With `targeting: path` that is every accepted cluster; whether its path exists
 * is for the render to tell.
 *
 * @returns a problem where a Flux Kustomization names no cluster
 */
export function targetsOf<C extends TargetCluster>(
  delivery: Delivery,
  clusters: readonly C[],
): { readonly targets: readonly C[]; readonly problem?: Problem } {
  const { targeting } = delivery;
  switch (targeting.type) {
    case 'path':
      return { targets: clusters };
    case 'selector':
      return { targets: clusters.filter((cluster) => selects(targeting.selector, cluster.labels)) };
    case 'flux': {
      const segments = delivery.path.split('/');
      const named = clusters.filter((cluster) => segments.includes(cluster.name));
      if (named.length === 1) return { targets: named };
      if (named.length === 0 && clusters.length === 1) return { targets: clusters };
      if (clusters.length === 0) return { targets: [] };
      const what =
        named.length === 0
          ? `path ${delivery.path} names no cluster, and ${clusters.length} have joined`
          : `path ${delivery.path} names ${named.length} clusters`;
      const subject = `Kustomization ${unitName(delivery.namespace, delivery.name)}`;
      const problem = new DroverError(
        'CONFIG_REFERENCE',
        subject,
        `${what}; say which with the annotation drover.dev/clusters`,
      ).toProblem();
      return { targets: [], problem };
    }
  }
}
