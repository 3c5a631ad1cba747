import { DroverError } from '@drover/contract';
import type { GitRepository } from '#config/types.ts';
import type { GitCredentials } from './credentials.ts';
import { credentialConfig } from './credentials.ts';
import type { Git, GitOptions, GitResult } from './git.ts';
import { checkRefName, protocolOf } from './refusals.ts';

/** The remote of a source, spoken to by native git. */
export interface Remote {
  /** Fetches one ref, or a pattern, into a ref of ours; one process, and one or two round trips when nothing is new. */
  fetch(gitDirectory: string, from: string, to: string, signal: AbortSignal): Promise<GitResult>;
  /** Short name of the branch that HEAD stands for; undefined when the remote does not tell. */
  headName(gitDirectory: string, signal: AbortSignal): Promise<string | undefined>;
  /** True when the remote answers and has neither branch nor tag. */
  isEmpty(gitDirectory: string, signal: AbortSignal): Promise<boolean>;
}

/** @param caFile where the certificates of the credentials were written */
export function createRemote(git: Git, spec: GitRepository, credentials: GitCredentials, caFile: string | undefined): Remote {
  const { url, timeoutMs } = spec;
  const config = [...credentialConfig(url, credentials), ...(caFile === undefined ? [] : [['http.sslCAInfo', caFile] as const])];
  const options = (gitDirectory: string): GitOptions => ({
    gitDirectory,
    protocol: protocolOf(url),
    config,
    timeoutMs,
    secrets: credentials.secrets,
  });
  return {
    async fetch(gitDirectory, from, to, signal) {
      const command = ['fetch', '--quiet', '--no-tags', '--no-write-fetch-head', '--no-recurse-submodules'];
      // Of a pattern, branches that are gone may stand in the way of new ones.
      if (from.endsWith('/*')) command.push('--prune');
      const result = await git([...command, '--end-of-options', url, `+${from}:${to}`], options(gitDirectory), signal);
      if (result.ok || result.failure.code !== 'GIT_AUTH') return result;
      // Git only tells that it cannot ask a person.
      const refused = spec.secretRef === undefined ? 'access without credentials' : `the credentials of secret ${spec.secretRef}`;
      return { ...result, error: new DroverError('GIT_AUTH', result.error.subject, `the remote refuses ${refused}: ${result.error.what}`) };
    },

    async headName(gitDirectory, signal) {
      const listed = await git(['ls-remote', '--quiet', '--symref', '--end-of-options', url, 'HEAD'], options(gitDirectory), signal);
      const name = listed.ok ? /^ref: refs\/heads\/(\S+)\tHEAD$/m.exec(listed.stdout)?.[1] : undefined;
      return name !== undefined && checkRefName(name) === undefined ? name : undefined;
    },

    async isEmpty(gitDirectory, signal) {
      try {
        const listed = await git(['ls-remote', '--quiet', '--heads', '--tags', '--end-of-options', url], options(gitDirectory), signal);
        return listed.ok && listed.stdout.trim() === '';
      } catch (error) {
        if (error instanceof DroverError && error.code === 'RENDER_LIMIT') return false;
        throw error;
      }
    },
  };
}
