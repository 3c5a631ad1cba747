import type { Delivery } from '#config/types.ts';
import type { Tree } from '#sources/types.ts';

const CLUSTER_NAME = '${cluster.name}';
const MAX_SHOWN = 100;

/**
 * Names that do not meet, for Deliveries that find their clusters by path: directories where a cluster's would be,
 * without a cluster of that name, and clusters that have no directory in any of them.
 */
export async function unmatchedNames(
  deliveries: readonly Delivery[],
  clusters: readonly string[],
  treeOf: (source: Delivery['sourceRef']) => Tree | undefined,
  signal: AbortSignal,
): Promise<{ readonly directories: readonly string[]; readonly clusters: readonly string[] }> {
  const names = new Set(clusters);
  const met = new Set<string>();
  const directories = new Set<string>();
  let looked = false;
  for (const delivery of deliveries) {
    const path = delivery.path.replace(/^(?:\.?\/)+/, '').replace(/\/+$/, '');
    const parts = path.split('/');
    const index = parts.findIndex((part) => part.includes(CLUSTER_NAME));
    // Other parts that are the cluster's cannot be told without one.
    if (delivery.targeting.type !== 'path' || index < 0 || parts.slice(0, index).some((part) => part.includes('${'))) continue;
    const parent = parts.slice(0, index).join('/');
    const [before = '', after = ''] = (parts[index] ?? '').split(CLUSTER_NAME);
    const entries = await treeOf(delivery.sourceRef)?.list(parent, signal);
    if (entries === undefined) continue;
    looked = true;
    for (const entry of entries) {
      if (entry.type !== 'directory') continue;
      if (!entry.name.startsWith(before) || !entry.name.endsWith(after)) continue;
      const name = entry.name.slice(before.length, entry.name.length - after.length);
      if (names.has(name)) met.add(name);
      else if (index === parts.length - 1) directories.add(parent === '' ? entry.name : `${parent}/${entry.name}`);
    }
  }
  const lonely = looked ? clusters.filter((name) => !met.has(name)) : [];
  return { directories: [...directories].sort().slice(0, MAX_SHOWN), clusters: lonely.slice(0, MAX_SHOWN) };
}
