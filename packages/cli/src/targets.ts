import { DEFAULT_NAMESPACE, DroverError, parseUnit } from '@drover/contract';

/** What a command is about, and where the API has it. */
export interface Target {
  readonly path: string;
  /** Query that lists its units; undefined for a source. */
  readonly units: Readonly<Record<string, string>> | undefined;
}

const NOUNS: Readonly<Record<string, 'unit' | 'delivery' | 'cluster' | 'source'>> = {
  unit: 'unit',
  units: 'unit',
  delivery: 'delivery',
  deliveries: 'delivery',
  dlv: 'delivery',
  cluster: 'cluster',
  clusters: 'cluster',
  drc: 'cluster',
  source: 'source',
  sources: 'source',
  gitrepository: 'source',
  drgit: 'source',
};

/**
 * Reads `shop@prod-eu`, `delivery shop`, `cluster prod-eu`, `source fleet`, also with a slash: `cluster/prod-eu`; a
 * name alone is a Delivery.
 *
 * @throws DroverError USAGE
 */
export function readTarget(words: readonly string[], namespace: string = DEFAULT_NAMESPACE): Target {
  const [first = '', second] = words;
  if (words.length > 2) throw usage(`${words.join(' ')} is more than one target`);
  if (second !== undefined) {
    const noun = NOUNS[first.toLowerCase()];
    if (noun === undefined) throw usage(`${first} is none of unit, delivery, cluster, source`);
    return ofNoun(noun, second, namespace);
  }
  if (first.includes('@')) return ofNoun('unit', first, namespace);
  const slash = first.indexOf('/');
  const noun = NOUNS[first.slice(0, slash).toLowerCase()];
  return noun === undefined ? ofNoun('delivery', first, namespace) : ofNoun(noun, first.slice(slash + 1), namespace);
}

function ofNoun(noun: 'unit' | 'delivery' | 'cluster' | 'source', name: string, namespace: string): Target {
  if (noun === 'unit') {
    const unit = unitOf(name, namespace);
    return { path: unitPath(unit), units: { delivery: `${unit.namespace}/${unit.delivery}`, cluster: unit.cluster } };
  }
  if (noun === 'cluster') return { path: `/v1/clusters/${encodeURIComponent(name)}`, units: { cluster: name } };
  const named = inNamespace(name, namespace);
  const path = `${encodeURIComponent(named.namespace)}/${encodeURIComponent(named.name)}`;
  if (noun === 'source') return { path: `/v1/sources/GitRepository/${path}`, units: undefined };
  return { path: `/v1/deliveries/${path}`, units: { delivery: `${named.namespace}/${named.name}` } };
}

export interface UnitParts {
  readonly namespace: string;
  readonly delivery: string;
  readonly cluster: string;
}

/** @throws DroverError USAGE when it is no unit */
export function unitOf(text: string, namespace: string = DEFAULT_NAMESPACE): UnitParts {
  const unit = parseUnit(text.includes('/') || namespace === DEFAULT_NAMESPACE ? text : `${namespace}/${text}`);
  if (unit === undefined) throw usage(`${text} is no unit: write <delivery>@<cluster>, such as shop@prod-eu`);
  return unit;
}

export function unitPath(unit: UnitParts): string {
  return `/v1/units/${encodeURIComponent(unit.namespace)}/${encodeURIComponent(unit.delivery)}/${encodeURIComponent(unit.cluster)}`;
}

/** `shop` or `team-a/shop`. */
export function inNamespace(text: string, namespace: string = DEFAULT_NAMESPACE): { readonly namespace: string; readonly name: string } {
  const slash = text.indexOf('/');
  return slash < 0 ? { namespace, name: text } : { namespace: text.slice(0, slash), name: text.slice(slash + 1) };
}

export function usage(what: string): DroverError {
  return new DroverError('USAGE', 'drover', what);
}

/** `1h30m` as ms. @throws DroverError USAGE */
export function readDuration(text: string): number {
  const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
  if (!/^(?:\d{1,9}(?:ms|s|m|h|d))+$/.test(text)) throw usage(`${text} is no duration such as 30s, 5m or 2h`);
  return [...text.matchAll(/(\d+)(ms|s|m|h|d)/g)].reduce((all, [, amount, unit = '']) => all + Number(amount) * (units[unit] ?? 0), 0);
}

/** `k=v` pairs. @throws DroverError USAGE */
export function readPairs(pairs: readonly string[], flag: string): Record<string, string> {
  return Object.fromEntries(
    pairs
      .flatMap((text) => text.split(','))
      .map((pair) => {
        const equals = pair.indexOf('=');
        if (equals <= 0) throw usage(`${flag} ${pair}: write key=value`);
        return [pair.slice(0, equals), pair.slice(equals + 1)];
      }),
  );
}
