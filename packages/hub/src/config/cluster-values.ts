import { DroverError } from '@drover/contract';

/** What of a cluster may enter a path. */
export interface ClusterValues {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly vars: Readonly<Record<string, string>>;
}

/** `name`, or one label or variable. */
export type ClusterReference = { readonly from: 'name' } | { readonly from: 'labels' | 'vars'; readonly key: string };

const EXPRESSION = /\$\{([^}]*)\}/g;
const REFERENCE = /^cluster\.(?:(name)|(labels|vars|facts)(?:\.([A-Za-z0-9_-]+)|\["([^"\]]+)"\]))$/;
const PLAIN = /^[A-Za-z0-9._-]+$/;

/**
 * The references to the cluster in a text.
 *
 * @returns what is wrong with the text, as the end of a sentence, when it is a string
 */
export function clusterReferences(text: string): readonly ClusterReference[] | string {
  const references: ClusterReference[] = [];
  for (const [whole, inside = ''] of text.matchAll(EXPRESSION)) {
    const reference = parseReference(inside);
    if (reference === undefined) return `holds ${whole}; known are \${cluster.name}, \${cluster.labels["key"]} and \${cluster.vars.key}`;
    if (reference === 'facts') return `holds ${whole}; facts are not implemented yet`;
    references.push(reference);
  }
  return /\$\{/.test(text.replaceAll(EXPRESSION, '')) ? 'holds ${ without }' : references;
}

function parseReference(text: string): ClusterReference | 'facts' | undefined {
  const match = REFERENCE.exec(text.trim());
  if (match === null) return undefined;
  const [, name, from, word, quoted] = match;
  if (name !== undefined) return { from: 'name' };
  if (from === 'facts') return 'facts';
  return { from: from === 'labels' ? 'labels' : 'vars', key: word ?? quoted ?? '' };
}

/**
 * Resolves `${cluster.*}` in a path.
 *
 * @param onRead told of each value before it is judged; `undefined` when the cluster has none
 * @throws DroverError CLUSTER_VALUE_MISSING, CLUSTER_VALUE_REFUSED for a value that is not made of `[A-Za-z0-9._-]`, or
 *   where a segment would become `.` or `..`; FIELD_NOT_YET for facts; CONFIG_INVALID for anything else in `${}`
 */
export function resolveClusterValues(
  text: string,
  cluster: ClusterValues,
  onRead: (reference: ClusterReference, value: string | undefined) => void = () => {},
): string {
  const references = clusterReferences(text);
  if (typeof references === 'string') {
    throw new DroverError(references.includes('not implemented') ? 'FIELD_NOT_YET' : 'CONFIG_INVALID', `path ${text}`, `it ${references}`);
  }
  let next = 0;
  const resolved = text.replaceAll(EXPRESSION, (whole) => {
    const reference = references[next++] ?? { from: 'name' };
    const value = valueOf(cluster, reference);
    onRead(reference, value);
    if (value === undefined) throw new DroverError('CLUSTER_VALUE_MISSING', `cluster ${cluster.name}`, `it has no value for ${whole}`);
    if (!PLAIN.test(value))
      throw new DroverError('CLUSTER_VALUE_REFUSED', `cluster ${cluster.name}`, `the value of ${whole} cannot stand in a path`);
    return value;
  });
  if (references.length > 0 && resolved.split('/').some((segment) => segment === '..' || segment === '.')) {
    throw new DroverError('CLUSTER_VALUE_REFUSED', `cluster ${cluster.name}`, `path ${text} would climb by its values`);
  }
  return resolved;
}

function valueOf(cluster: ClusterValues, reference: ClusterReference): string | undefined {
  if (reference.from === 'name') return cluster.name;
  const values = cluster[reference.from];
  return Object.hasOwn(values, reference.key) ? values[reference.key] : undefined;
}
