import type { Read } from '#render/types.ts';

/**
 * Which units read which paths: what a commit changed tells what has to be rendered again, so that work grows with the
 * change and not with the fleet. A unit that is not in the index has never been rendered in this process.
 */
export interface ReadIndex {
  has(unit: string): boolean;
  set(unit: string, reads: readonly Read[]): void;
  delete(unit: string): void;
  /** Units that read a changed path, or a directory above one. */
  affected(changedPaths: readonly string[]): ReadonlySet<string>;
}

export function createReadIndex(): ReadIndex {
  const readers = new Map<string, Set<string>>();
  const paths = new Map<string, readonly string[]>();

  function remove(unit: string): void {
    for (const path of paths.get(unit) ?? []) {
      const units = readers.get(path);
      units?.delete(unit);
      if (units?.size === 0) readers.delete(path);
    }
    paths.delete(unit);
  }

  return {
    has: (unit) => paths.has(unit),
    set(unit, reads) {
      remove(unit);
      paths.set(
        unit,
        reads.map((read) => read.path),
      );
      for (const { path } of reads) {
        const units = readers.get(path);
        if (units === undefined) readers.set(path, new Set([unit]));
        else units.add(unit);
      }
    },
    delete: remove,
    affected(changedPaths) {
      const found = new Set<string>();
      const seen = new Set<string>();
      for (const changed of changedPaths) {
        // A read of `a/b` is affected by `a/b`, and, as a directory or an absent name, by `a/b/c/d`.
        for (let path = changed; !seen.has(path); path = path.slice(0, Math.max(0, path.lastIndexOf('/')))) {
          seen.add(path);
          for (const unit of readers.get(path) ?? []) found.add(unit);
          if (path === '') break;
        }
      }
      return found;
    },
  };
}
