import { IGNORE_FILES } from './ignore-rules.ts';
import type { ParsedTree } from './git-objects.ts';
import type { TreeEntry } from './types.ts';

const MAX_CHANGED_PATHS = 10_000;

/**
 * The paths of files, links and submodules that differ between two root trees; only directories that differ are read.
 *
 * @returns undefined when there are more than 10,000, or when what they mean cannot be told: a changed ignore file
 *   shows or hides other paths, a refused entry has no path
 */
export async function changedPaths(
  readTree: (oid: string) => Promise<ParsedTree>,
  from: string,
  to: string,
): Promise<readonly string[] | undefined> {
  const changed: string[] = [];
  const todo: { readonly path: string; readonly from: string | undefined; readonly to: string | undefined }[] = [{ path: '', from, to }];
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    if (next.from === next.to) continue;
    const before = next.from === undefined ? NOTHING : await readTree(next.from);
    const after = next.to === undefined ? NOTHING : await readTree(next.to);
    if (before.refused.length > 0 || after.refused.length > 0) return undefined;
    const prefix = next.path === '' ? '' : `${next.path}/`;
    for (const [name, was, is] of paired(before.entries, after.entries)) {
      if (was?.oid === is?.oid && was?.type === is?.type) continue;
      const path = prefix + name;
      // A file that becomes a directory differs as both.
      if ((was !== undefined && was.type !== 'directory') || (is !== undefined && is.type !== 'directory')) changed.push(path);
      const [fromDirectory, toDirectory] = [directoryOf(was), directoryOf(is)];
      if (fromDirectory !== undefined || toDirectory !== undefined) todo.push({ path, from: fromDirectory, to: toDirectory });
      if (changed.length > MAX_CHANGED_PATHS) return undefined;
    }
  }
  if (IGNORE_FILES.some((file) => changed.includes(file))) return undefined;
  return changed.sort();
}

const NOTHING: ParsedTree = { entries: [], refused: [] };

const directoryOf = (entry: TreeEntry | undefined): string | undefined => (entry?.type === 'directory' ? entry.oid : undefined);

/** Merges two lists in order of their names. */
function* paired(
  before: readonly TreeEntry[],
  after: readonly TreeEntry[],
): Generator<readonly [name: string, was: TreeEntry | undefined, is: TreeEntry | undefined]> {
  let i = 0;
  let j = 0;
  while (i < before.length || j < after.length) {
    const was = before[i];
    const is = after[j];
    const name = was === undefined ? is?.name : is === undefined || was.name < is.name ? was.name : is.name;
    if (name === undefined) return;
    const left = was?.name === name ? was : undefined;
    const right = is?.name === name ? is : undefined;
    if (left !== undefined) i += 1;
    if (right !== undefined) j += 1;
    yield [name, left, right];
  }
}
