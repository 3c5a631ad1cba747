import { spawn } from 'node:child_process';
import type { StartBatch } from './object-store.ts';

const MAX_STDERR = 4096;

/** Starts `git cat-file --batch` as a child in a closed environment. */
export const startBatch: StartBatch = ({ gitDirectory, env }, listener) => {
  const child = spawn('git', ['cat-file', '--batch'], {
    cwd: gitDirectory,
    env: { ...env, GIT_DIR: gitDirectory },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let errors = '';
  let reported = false;
  const report = (why: string): void => {
    if (reported) return;
    reported = true;
    listener.ended(why);
  };
  child.stdout.on('data', (chunk: Buffer) => listener.output(chunk));
  child.stderr.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString('utf8')).slice(-MAX_STDERR);
  });
  // The end of the process says what is wrong; a broken pipe does not.
  child.stdin.on('error', () => undefined);
  child.on('error', (error) => report(error.message));
  child.on('close', () => report(errors));
  return {
    write: (text) => void child.stdin.write(text),
    kill() {
      child.kill('SIGKILL');
      child.stdin.destroy();
      child.stdout.destroy();
      child.stderr.destroy();
    },
  };
};
