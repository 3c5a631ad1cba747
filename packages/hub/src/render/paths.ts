import { posix } from 'node:path';

/** Paths here are relative to the repository's root, `/`-separated, without `.` or `..`; `''` is the root. */

/** Joins by the letters alone, links not looked at; undefined when it leads out of the repository. */
export function joinPath(directory: string, path: string): string | undefined {
  const joined = posix.normalize(posix.join(directory === '' ? '.' : directory, path)).replace(/\/+$/, '');
  if (joined === '.' || joined === '') return '';
  if (joined === '..' || joined.startsWith('../') || joined.startsWith('/')) return undefined;
  return joined;
}

export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}

export function baseOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** How `to` is written in a file of directory `from`: `../base`, `.` for itself. */
export function relativePath(from: string, to: string): string {
  const relative = posix.relative(`/${from}`, `/${to}`);
  return relative === '' ? '.' : relative;
}

/** True when `inner` is `outer` or lies below it. */
export function isWithin(inner: string, outer: string): boolean {
  return outer === '' || inner === outer || inner.startsWith(`${outer}/`);
}

/**
 * The likeliest of `names` for a name that is not there; undefined when none is near.
 */
export function nearest(wanted: string, names: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  for (const name of names) {
    if (Math.abs(name.length - wanted.length) >= bestDistance) continue;
    const distance = editDistance(wanted.toLowerCase(), name.toLowerCase());
    if (distance >= bestDistance) continue;
    best = name;
    bestDistance = distance;
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
