import { sha256Hex } from '@drover/contract';
import type { GitRef } from '#config/types.ts';
import { checkCommit, checkRefName } from './refusals.ts';

/** Where a fetch puts what it got; the last good commit is kept apart, below {@link GOOD_REFS}. */
export const FETCHED_REF = 'refs/drover/fetched';
export const GOOD_REFS = 'refs/drover/good';

/** Names one thing that can be followed: commits are compared only with earlier ones of the same. */
export function refKey(ref: GitRef): string {
  return sha256Hex(JSON.stringify([ref.type, nameOf(ref), ref.type === 'commit' ? ref.sha : ''])).slice(0, 16);
}

export const goodRef = (key: string): string => `${GOOD_REFS}/${key}`;

/** Left side of the refspec. */
export function remoteRef(ref: GitRef): string {
  switch (ref.type) {
    case 'head':
      return 'HEAD';
    case 'branch':
      return `refs/heads/${ref.name}`;
    case 'tag':
      return `refs/tags/${ref.name}`;
    case 'commit':
      return ref.sha;
  }
}

/** `main@sha1:<hex>`; a pinned commit is `sha1:<hex>`, with its branch in front where that was given. */
export function revisionOf(ref: GitRef, headName: string | undefined, sha: string): string {
  const name = ref.type === 'head' ? (headName ?? 'HEAD') : nameOf(ref);
  return ref.type === 'commit' && ref.branch === undefined ? `sha1:${sha}` : `${name}@sha1:${sha}`;
}

/** What is wrong with a ref, before git sees it. */
export function checkRef(ref: GitRef): string | undefined {
  if (ref.type === 'head') return undefined;
  if (ref.type !== 'commit') return checkRefName(ref.name);
  return checkCommit(ref.sha) ?? (ref.branch === undefined ? undefined : checkRefName(ref.branch));
}

export function showGitRef(ref: GitRef): string {
  if (ref.type === 'head') return "the remote's HEAD";
  return ref.type === 'commit' ? `commit ${ref.sha}` : `${ref.type} ${ref.name}`;
}

function nameOf(ref: GitRef): string {
  if (ref.type === 'head') return '';
  if (ref.type === 'commit') return ref.branch ?? ref.sha;
  return ref.name;
}
