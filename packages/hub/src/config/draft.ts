import type { DroverError } from '@drover/contract';
import type { ReadDocument } from './document.ts';
import type { ClusterSpec, Delivery, GitRepository } from './types.ts';

/** A document in force, by the name under which it is refused. */
export interface Entry<T> {
  readonly key: string;
  readonly value: T;
  /** Places for errors found later. */
  readonly document: ReadDocument;
}

/** Everything that could be read, and what is wrong. */
export interface Draft {
  readonly sources: Map<string, Entry<GitRepository>>;
  readonly deliveries: Map<string, Entry<Delivery>>;
  readonly clusters: Map<string, Entry<ClusterSpec>>;
  /** Keys of entries that are not put in force. */
  readonly dropped: Set<string>;
  /** Names that exist without a document. */
  readonly given: ReadonlySet<string>;
  readonly problems: DroverError[];
  readonly refused: Set<string>;
  readonly unreadable: Set<string>;
}

/** Leaves out what was read; it keeps its last good form. */
export function drop(draft: Draft, key: string): void {
  draft.dropped.add(key);
  draft.refused.add(key);
}

export function nameOf({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}/${name}`;
}
