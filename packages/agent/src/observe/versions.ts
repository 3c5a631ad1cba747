/**
 * Order of resource versions: positive when `a` is newer, 0 when equal, undefined when the server's are no numbers and
 * so cannot be compared.
 *
 * @see https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
 */
export function compareVersions(a: string, b: string): number | undefined {
  if (a === b) return 0;
  if (!/^\d+$/.test(a) || !/^\d+$/.test(b)) return undefined;
  const [left, right] = [a.replace(/^0+/, ''), b.replace(/^0+/, '')];
  if (left.length !== right.length) return left.length - right.length;
  return left < right ? -1 : left > right ? 1 : 0;
}

/** The server's store has gone back in time, as after a restore: what was learned from it no longer holds. */
export function wentBack(before: string | undefined, now: string): boolean {
  return before !== undefined && (compareVersions(now, before) ?? 0) < 0;
}
