import { DEFAULT_NAMESPACE } from '@drover/contract';
import { checkCommit, checkRefName, checkUrl } from '#sources/refusals.ts';
import { parseDuration } from './duration.ts';
import type { FluxGitRepositoryDocument } from './schema/flux-git-repository.ts';
import type { GitRepositoryDocument } from './schema/git-repository.ts';
import type { GitRef, GitRepository } from './types.ts';
import type { Issue } from './validate.ts';

/** What a document configures, or what is wrong beyond its schema. */
export type Converted<T> = { readonly value: T } | { readonly issues: readonly Issue[] };

export function convertGitRepository({ metadata, spec }: GitRepositoryDocument): Converted<GitRepository> {
  const insecure = spec.insecure === true;
  const ref = convertRef(spec.ref ?? {});
  const issues = [...checkSourceUrl(spec.url, insecure), ...('issues' in ref ? ref.issues : [])];
  if (issues.length > 0 || 'issues' in ref) return { issues };
  return {
    value: {
      namespace: metadata.namespace ?? DEFAULT_NAMESPACE,
      name: metadata.name,
      url: spec.url,
      ref: ref.value,
      intervalMs: ms(spec.interval),
      timeoutMs: ms(spec.timeout),
      insecure,
      ...(spec.secretRef === undefined ? {} : { secretRef: spec.secretRef.name }),
      ...(spec.ignore === undefined ? {} : { ignore: spec.ignore }),
      forcePush: spec.forcePush ?? 'Follow',
      suspend: spec.suspend === true,
    },
  };
}

/** Flux follows `master` when no ref is written, accepts http, and follows a rewritten branch. */
export function convertFluxGitRepository({ metadata, spec }: FluxGitRepositoryDocument): Converted<GitRepository> {
  const insecure = spec.url.startsWith('http://');
  const { branch, tag, commit } = spec.ref ?? {};
  const chosen =
    commit !== undefined
      ? { commit, ...(branch === undefined ? {} : { branch }) }
      : tag !== undefined
        ? { tag }
        : { branch: branch ?? 'master' };
  const ref = convertRef(chosen);
  const issues = [...checkSourceUrl(spec.url, insecure), ...('issues' in ref ? ref.issues : [])];
  if (issues.length > 0 || 'issues' in ref) return { issues };
  return {
    value: {
      namespace: metadata.namespace ?? DEFAULT_NAMESPACE,
      name: metadata.name,
      url: spec.url,
      ref: ref.value,
      intervalMs: ms(spec.interval),
      timeoutMs: ms(spec.timeout),
      insecure,
      ...(spec.secretRef === undefined ? {} : { secretRef: spec.secretRef.name }),
      ...(spec.ignore === undefined ? {} : { ignore: spec.ignore }),
      forcePush: 'Follow',
      suspend: spec.suspend === true,
    },
  };
}

function convertRef(ref: { readonly branch?: string; readonly tag?: string; readonly commit?: string }): Converted<GitRef> {
  const { branch, tag, commit } = ref;
  if (tag !== undefined && (branch !== undefined || commit !== undefined)) {
    return {
      issues: [
        { code: 'CONFIG_INVALID', path: ['spec', 'ref', 'tag'], at: 'key', message: 'stands alone; remove branch and commit, or the tag' },
      ],
    };
  }
  const issues: Issue[] = [];
  for (const [key, wrong] of [
    ['branch', branch === undefined ? undefined : checkRefName(branch)],
    ['tag', tag === undefined ? undefined : checkRefName(tag)],
    ['commit', commit === undefined ? undefined : checkCommit(commit)],
  ] as const) {
    if (wrong !== undefined) issues.push({ code: 'GIT_REF_REFUSED', path: ['spec', 'ref', key], at: 'value', message: `: ${wrong}` });
  }
  if (issues.length > 0) return { issues };
  if (commit !== undefined) return { value: { type: 'commit', sha: commit, ...(branch === undefined ? {} : { branch }) } };
  if (tag !== undefined) return { value: { type: 'tag', name: tag } };
  return { value: branch === undefined ? { type: 'head' } : { type: 'branch', name: branch } };
}

/** A plain ssh address; anything that looks like one and hides an option is refused as any other URL. */
const SSH =
  /^(?:ssh:\/\/(?:[a-z0-9_][a-z0-9_-]*@)?[a-z0-9][a-z0-9.-]*(?::\d+)?\/|[a-z0-9_][a-z0-9_-]*@[a-z0-9][a-z0-9.-]*:)[A-Za-z0-9._~/-]+$/i;

function checkSourceUrl(url: string, insecure: boolean): readonly Issue[] {
  const path = ['spec', 'url'];
  if (SSH.test(url))
    return [{ code: 'FIELD_NOT_YET', path, at: 'value', message: ': ssh is not implemented yet; write https://host/path' }];
  const wrong = checkUrl(url, { insecure, local: false });
  return wrong === undefined ? [] : [{ code: 'GIT_URL_REFUSED', path, at: 'value', message: `: ${wrong}` }];
}

/** Of a text that the schema accepted as a duration. */
export function ms(text: string | undefined): number {
  return parseDuration(text ?? '') ?? 0;
}
