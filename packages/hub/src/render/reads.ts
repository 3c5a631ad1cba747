import type { Read } from './types.ts';

/** What one render looked at, in the order of first sight. */
export interface ReadLog {
  add(path: string, oid: string | null): void;
  /** A value of the cluster, kept among the reads of the cache under a path that git cannot have. */
  input(name: string, value: string | null): void;
  list(): readonly Read[];
  /** Paths alone: what a caller compares with changed paths. */
  paths(): readonly Read[];
}

/** Begins the path of a read that is no file but a value of the cluster; no path of git has an empty first name. */
const INPUT_PREFIX = '//';

export function createReadLog(): ReadLog {
  const seen = new Map<string, string | null>();
  return {
    add(path, oid) {
      if (!seen.has(path)) seen.set(path, oid);
    },
    input(name, value) {
      const path = INPUT_PREFIX + name;
      if (!seen.has(path)) seen.set(path, value);
    },
    list: () => Array.from(seen, ([path, oid]) => ({ path, oid })),
    paths: () => pathsOnly(Array.from(seen, ([path, oid]) => ({ path, oid }))),
  };
}

export function inputOf(read: Read): string | undefined {
  return read.path.startsWith(INPUT_PREFIX) ? read.path.slice(INPUT_PREFIX.length) : undefined;
}

export function pathsOnly(reads: readonly Read[]): readonly Read[] {
  return reads.some((read) => inputOf(read) !== undefined) ? reads.filter((read) => inputOf(read) === undefined) : reads;
}
