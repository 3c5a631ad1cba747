import { DroverError } from '@drover/contract';
import type { Position, Problem } from '@drover/contract';
import { surveyDocuments } from '#yaml/read.ts';
import { readDocument } from './document.ts';
import type { ReadDocument } from './document.ts';
import { checkReferences } from './references.ts';
import { drop, nameOf } from './draft.ts';
import type { Draft, Entry } from './draft.ts';
import type { Configuration } from './types.ts';
import { ZERO_DELIVERY, zeroSource } from './zero.ts';
import type { SourceFlags } from './zero.ts';

export interface ConfigurationFile {
  /** As it is named in errors. */
  readonly path: string;
  readonly bytes: string | Uint8Array;
}

/**
 * Reads configuration files. A document with a problem is left out and named in `refused`; the others are in force.
 * What two documents configure is refused as a whole, for nothing tells which of them is meant.
 *
 * @param flags of `--source`: makes GitRepository `drover/fleet`, and, while the files speak of no Delivery, Delivery
 *   `drover/fleet`
 */
export function parseConfiguration(files: readonly ConfigurationFile[], flags?: SourceFlags): Configuration {
  const given = flags === undefined ? undefined : zeroSource(flags);
  const draft: Draft = {
    sources: new Map(),
    deliveries: new Map(),
    clusters: new Map(),
    given: new Set(given === undefined ? [] : [`GitRepository/${nameOf(given)}`]),
    dropped: new Set(),
    problems: [],
    refused: new Set(),
    unreadable: new Set(),
  };
  for (const file of files) readFile(draft, file);
  checkReferences(draft);
  const inForce = <T>(entries: ReadonlyMap<string, Entry<T>>): readonly T[] =>
    [...entries.values()]
      .filter(({ key }) => !draft.dropped.has(key))
      .map(({ value, document }) => ({ ...value, position: document.position }));
  const inForceKeys = new Set(
    [...draft.sources.values(), ...draft.deliveries.values(), ...draft.clusters.values()]
      .map(({ key }) => key)
      .filter((key) => !draft.dropped.has(key)),
  );
  const sources = inForce(draft.sources);
  const deliveries = inForce(draft.deliveries);
  const ownDelivery = given !== undefined && speaksOfNoDelivery(draft);
  // while no Delivery of the files could be read, the one they replace keeps its last good form
  if (given !== undefined && !ownDelivery && deliveries.length === 0) draft.refused.add(`Delivery/${nameOf(ZERO_DELIVERY)}`);
  return {
    sources: given === undefined ? sources : [given, ...sources],
    deliveries: ownDelivery ? [ZERO_DELIVERY] : deliveries,
    clusters: inForce(draft.clusters),
    problems: draft.problems.map((problem) => problem.toProblem()).sort(byPlace),
    // a good document may stand beside a bad one of the same name, or of a misspelt kind
    refused: [...draft.refused].filter((name) => !inForceKeys.has(name)).sort(),
    unreadable: [...draft.unreadable].sort(),
    warnings: [],
  };
}

function speaksOfNoDelivery({ deliveries, refused, unreadable }: Draft): boolean {
  return deliveries.size === 0 && unreadable.size === 0 && ![...refused].some((name) => /^(?:Delivery|Kustomization)\//.test(name));
}

function readFile(draft: Draft, { path, bytes }: ConfigurationFile): void {
  try {
    const { documents, problems } = surveyDocuments(bytes, { file: path });
    if (problems.length > 0) draft.unreadable.add(path);
    draft.problems.push(...problems);
    for (const document of documents) {
      const read = readDocument(path, document);
      if ('configured' in read) {
        add(draft, read);
        continue;
      }
      draft.problems.push(...read.problems);
      if (read.names === undefined) draft.unreadable.add(path);
      else for (const name of read.names) draft.refused.add(name);
    }
  } catch (error) {
    if (!(error instanceof DroverError)) throw error;
    draft.unreadable.add(path);
    draft.problems.push(error);
  }
}

function add(draft: Draft, document: ReadDocument): void {
  const { configured } = document;
  switch (configured.type) {
    case 'source':
      return enter(draft, draft.sources, `GitRepository/${nameOf(configured.value)}`, configured.value, document);
    case 'delivery':
      return enter(draft, draft.deliveries, `Delivery/${nameOf(configured.value)}`, configured.value, document);
    case 'cluster':
      // a cluster's name is its own over all namespaces
      return enter(draft, draft.clusters, `Cluster/${nameOf(configured.value)}`, configured.value, document, configured.value.name);
  }
}

function enter<T>(draft: Draft, entries: Map<string, Entry<T>>, key: string, value: T, document: ReadDocument, id = key): void {
  const first = entries.get(id);
  const subject = key.replace('/', ' ');
  if (draft.given.has(key)) {
    draft.problems.push(
      new DroverError('CONFIG_DUPLICATE', subject, '--source makes it; give it another name', { position: document.position }),
    );
    return;
  }
  if (first === undefined) {
    entries.set(id, { key, value, document });
    return;
  }
  for (const name of [key, first.key]) drop(draft, name);
  draft.problems.push(
    new DroverError('CONFIG_DUPLICATE', subject, `it is configured twice, first at ${show(first.document.position)}`, {
      position: document.position,
    }),
  );
}

function show({ file, line, column }: Position): string {
  return `${file}:${line}:${column}`;
}

function byPlace(left: Problem, right: Problem): number {
  const [a, b] = [left.position, right.position];
  return (
    (a?.file ?? '').localeCompare(b?.file ?? '') ||
    (a?.line ?? 0) - (b?.line ?? 0) ||
    (a?.column ?? 0) - (b?.column ?? 0) ||
    left.message.localeCompare(right.message)
  );
}
