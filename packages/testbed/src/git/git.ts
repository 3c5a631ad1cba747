import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Nothing of the user's configuration reaches the testbed, and nothing waits for a password. */
export const GIT_ENV: Readonly<Record<string, string>> = {
  PATH: process.env['PATH'] ?? '',
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_TERMINAL_PROMPT: '0',
  GIT_AUTHOR_NAME: 'Testbed',
  GIT_AUTHOR_EMAIL: 'testbed@example.com',
  GIT_COMMITTER_NAME: 'Testbed',
  GIT_COMMITTER_EMAIL: 'testbed@example.com',
};

/** Runs git and returns what it printed, without the last line end. */
export async function git(cwd: string, ...args: string[]): Promise<string> {
  const { stdout } = await run('git', args, { cwd, env: GIT_ENV, maxBuffer: 64 * 1024 * 1024 });
  return stdout.trimEnd();
}
