/** `main@sha1:9c1d04e` of `main@sha1:9c1d04e5a0…`. */
export function shortRevision(revision: string | null): string {
  return revision === null ? '-' : revision.replace(/((?:sha1|sha256):[0-9a-f]{7})[0-9a-f]+$/, '$1');
}

/** Six digits of a digest, as people tell two apart. */
export function shortDigest(digest: string | null): string {
  return digest === null ? '-' : digest.replace(/^[a-z0-9-]+:/, '').slice(0, 6);
}

/** `"web 1.3" (alice)` */
export function shortCommit(commit: { readonly subject: string; readonly author: string } | null): string {
  return commit === null ? '' : `"${commit.subject}" (${authorOf(commit)})`;
}

/** Without the address. */
export function authorOf(commit: { readonly author: string }): string {
  return commit.author.replace(/ <[^<>]*>$/, '');
}

/** `shop`, or `team-a/shop` outside the default namespace. */
export function inNamespace(namespace: string | null, name: string): string {
  return namespace === null || namespace === 'drover' ? name : `${namespace}/${name}`;
}

/** `1 unit`, `3 units`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** `shop-213 -> shop-214` where they differ. */
export function change(applied: string | null, wanted: string | null): string {
  if (applied === wanted || wanted === null) return applied ?? '-';
  return `${applied ?? 'nothing'} -> ${wanted}`;
}
