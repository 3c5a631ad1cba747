import type { KindInfo, KindLookup } from './types.ts';

export const DISCOVERY_TYPE = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

/** One version of a group: its kinds, or undefined when the server itself could not read them. */
type VersionKinds = ReadonlyMap<string, KindInfo> | undefined;

/** What discovery said, in full: group → version → kinds. */
export interface ApiIndex {
  readonly groups: ReadonlyMap<string, ReadonlyMap<string, VersionKinds>>;
}

/** `unlisted`: neither the group nor its absence was stated; whoever wants to know asks for its APIServices. */
export type IndexLookup = KindLookup | { readonly type: 'unlisted' };

/**
 * Reads the aggregated discovery documents of `/api` and `/apis`.
 *
 * @throws TypeError when one is not such a document, for example an older server's or a proxy's
 * @see https://kubernetes.io/docs/concepts/overview/kubernetes-api/#aggregated-discovery
 */
export function readDiscovery(documents: readonly unknown[]): ApiIndex {
  const groups = new Map<string, Map<string, VersionKinds>>();
  for (const document of documents) {
    const { kind, items } = (document ?? {}) as { kind?: unknown; items?: unknown };
    if (kind !== 'APIGroupDiscoveryList' || !Array.isArray(items)) throw new TypeError('no aggregated discovery document');
    for (const item of items as DiscoveredGroup[]) {
      const group = item.metadata?.name ?? '';
      const versions = new Map<string, VersionKinds>();
      for (const entry of item.versions ?? []) versions.set(entry.version, kindsOf(group, entry));
      groups.set(group, versions);
    }
  }
  return { groups };
}

export function lookupKind(index: ApiIndex, group: string, version: string, kind: string): IndexLookup {
  const versions = index.groups.get(group);
  if (versions === undefined) return { type: 'unlisted' };
  const info = versions.get(version)?.get(kind);
  if (info !== undefined) return { type: 'served', info };
  let elsewhere: KindInfo | undefined;
  for (const [other, kinds] of versions) {
    if (kinds === undefined)
      return { type: 'unavailable', message: `discovery of ${group}/${other} is stale: its API server does not answer` };
    elsewhere ??= kinds.get(kind);
  }
  return elsewhere === undefined ? { type: 'absent' } : { type: 'absent', elsewhere };
}

/** All kinds, preferred versions first within a group; undefined when any version could not be read. */
export function allKinds(index: ApiIndex): readonly KindInfo[] | undefined {
  const found: KindInfo[] = [];
  for (const versions of index.groups.values()) {
    for (const kinds of versions.values()) {
      if (kinds === undefined) return undefined;
      found.push(...kinds.values());
    }
  }
  return found;
}

interface DiscoveredGroup {
  readonly metadata?: { readonly name?: string };
  readonly versions?: readonly DiscoveredVersion[];
}

interface DiscoveredVersion {
  readonly version: string;
  readonly freshness?: string;
  readonly resources?: readonly {
    readonly resource: string;
    readonly responseKind?: { readonly kind?: string };
    readonly scope?: string;
    readonly verbs?: readonly string[];
  }[];
}

function kindsOf(group: string, entry: DiscoveredVersion): VersionKinds {
  if (entry.freshness !== 'Current') return undefined;
  const kinds = new Map<string, KindInfo>();
  for (const { resource, responseKind, scope, verbs = [] } of entry.resources ?? []) {
    const kind = responseKind?.kind;
    // Reviews and bindings can only be created: nothing to apply or to watch.
    if (kind === undefined || kind === '' || !verbs.includes('get')) continue;
    kinds.set(kind, { group, version: entry.version, kind, resource, namespaced: scope === 'Namespaced' });
  }
  return kinds;
}
