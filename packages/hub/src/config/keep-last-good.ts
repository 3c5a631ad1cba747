import type { Configuration } from './types.ts';

/**
 * Puts back what a newly read configuration could not read: sources, Deliveries and clusters whose document was
 * refused keep their form, and while a file is unreadable whatever is absent may stand in it.
 *
 * @param previous what was in force before
 */
export function keepLastGood(previous: Pick<Configuration, 'sources' | 'deliveries' | 'clusters'>, next: Configuration): Configuration {
  const refused = new Set(next.refused);
  const keep = <T extends { readonly namespace: string; readonly name: string }>(
    before: readonly T[],
    now: readonly T[],
    kinds: readonly string[],
  ): readonly T[] => {
    const known = new Set(now.map(keyOf));
    return [
      ...now,
      ...before.filter(
        (one) => !known.has(keyOf(one)) && (next.unreadable.length > 0 || kinds.some((kind) => refused.has(`${kind}/${keyOf(one)}`))),
      ),
    ];
  };
  return {
    ...next,
    sources: keep(previous.sources, next.sources, ['GitRepository']),
    deliveries: keep(previous.deliveries, next.deliveries, ['Delivery', 'Kustomization']),
    clusters: keep(previous.clusters, next.clusters, ['Cluster']),
  };
}

function keyOf({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}/${name}`;
}
