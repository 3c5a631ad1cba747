import { DroverError } from '@drover/contract';
import type { Run } from '#ports';
import type { GitEnvironmentOptions } from './git-environment.ts';
import { gitEnvironment } from './git-environment.ts';
import type { GitFailure } from './git-failure.ts';
import { classifyGitFailure } from './git-failure.ts';
import { gitSaid } from './redact.ts';

export interface GitOptions extends Omit<GitEnvironmentOptions, 'searchPath' | 'home'> {
  readonly gitDirectory: string;
  readonly timeoutMs: number;
  /** Texts that must not come out. */
  readonly secrets?: readonly string[];
  readonly maxOutputBytes?: number;
}

/** A git command that ended. */
export type GitResult =
  | { readonly ok: true; readonly stdout: string }
  | { readonly ok: false; readonly failure: GitFailure; readonly error: DroverError; readonly exitCode: number; readonly stderr: string };

export interface Git {
  /**
   * Runs one git command in the closed environment.
   *
   * @param args without a shell; `--end-of-options` stands before whatever a user wrote
   * @throws DroverError GIT_TIMEOUT, GIT_FAILED when it could not be started, RENDER_LIMIT when it wrote too much; the signal's reason
   */
  (args: readonly string[], options: GitOptions, signal: AbortSignal): Promise<GitResult>;
}

const MAX_OUTPUT_BYTES = 256 * 1024;

export function createGit(deps: { readonly run: Run; readonly searchPath: string; readonly home: string; readonly subject: string }): Git {
  return async (args, options, signal) => {
    const env = { ...gitEnvironment({ ...options, searchPath: deps.searchPath, home: deps.home }), GIT_DIR: options.gitDirectory };
    const limits = {
      cwd: options.gitDirectory,
      env,
      timeoutMs: options.timeoutMs,
      maxOutputBytes: options.maxOutputBytes ?? MAX_OUTPUT_BYTES,
    };
    const command = `git ${args[0] ?? ''}`;
    try {
      const { exitCode, stdout, stderr } = await deps.run('git', args, limits, signal);
      if (exitCode === 0) return { ok: true, stdout: stdout.toString('utf8') };
      const failure = classifyGitFailure(stderr);
      const what = gitSaid(stderr, options.secrets ?? []) || `${command} ended with ${exitCode}`;
      return { ok: false, failure, exitCode, stderr, error: new DroverError(failure.code, deps.subject, what) };
    } catch (thrown) {
      signal.throwIfAborted();
      if (thrown instanceof DroverError) throw thrown;
      const { code, message } = thrown as NodeJS.ErrnoException;
      if (code === 'ETIMEDOUT') throw new DroverError('GIT_TIMEOUT', deps.subject, `${command} did not end within ${options.timeoutMs} ms`);
      const what = code === 'ENOENT' ? 'git could not be started: is it installed and on PATH?' : `${command}: ${message}`;
      throw new DroverError('GIT_FAILED', deps.subject, what, { cause: thrown });
    }
  };
}
