import { spawn } from 'node:child_process';
import { DroverError } from '@drover/contract';
import type { Run, RunOptions, RunResult } from './ports.ts';

const MAX_STDERR_BYTES = 64 * 1024;

/**
 * The {@link Run} port over child processes: no shell, argument arrays, nothing inherited but what is named. A program
 * leads a process group of its own, and the whole group is killed past the time limit, the output cap or an abort.
 */
export function createRun(): Run {
  return async (program, args, options, signal) => {
    signal.throwIfAborted();
    const ended = Promise.withResolvers<RunResult>();
    const child = spawn(program, [...args], {
      cwd: options.cwd ?? '/',
      env: { ...options.env },
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const out = collect(options.maxOutputBytes);
    const errors = collect(MAX_STDERR_BYTES);

    /** The first reason counts; the process is waited for in any case, so that nothing of it lives on. */
    let failure: { readonly reason: unknown } | undefined;
    const stop = (reason: unknown): void => {
      failure ??= { reason };
      killGroup(child.pid);
      // A descendant that left the group may hold the pipes open for ever.
      child.stdout.destroy();
      child.stderr.destroy();
    };
    const onAbort = (): void => stop(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const timer = setTimeout(() => stop(timedOut(program, options)), options.timeoutMs);

    child.stdout.on('data', (chunk: Buffer) => {
      if (!out.add(chunk)) stop(tooMuch(program, options));
    });
    child.stderr.on('data', (chunk: Buffer) => void errors.add(chunk));
    // A program need not read its input to the end.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input);
    child.on('error', (error) => {
      if (child.pid === undefined) ended.reject(error);
    });
    child.on('close', (code, killedBy) => {
      if (failure !== undefined) ended.reject(failure.reason as Error);
      else if (code === null) ended.reject(new Error(`${program} was killed by ${killedBy ?? 'a signal'}`));
      else ended.resolve({ exitCode: code, stdout: out.bytes(), stderr: errors.bytes().toString('utf8') });
    });
    try {
      return await ended.promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    }
  };
}

function collect(limit: number): { add(chunk: Buffer): boolean; bytes(): Buffer } {
  const chunks: Buffer[] = [];
  let size = 0;
  return {
    /** False beyond the limit; what fits is kept. */
    add(chunk) {
      const fits = chunk.subarray(0, limit - size);
      size += fits.length;
      chunks.push(fits);
      return fits.length === chunk.length;
    },
    bytes: () => Buffer.concat(chunks),
  };
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // The group has ended by itself.
  }
}

function timedOut(program: string, options: RunOptions): Error {
  return Object.assign(new Error(`${program} did not end within ${options.timeoutMs} ms`), { code: 'ETIMEDOUT' });
}

function tooMuch(program: string, options: RunOptions): DroverError {
  return new DroverError('RENDER_LIMIT', program, `it wrote more than ${options.maxOutputBytes} bytes`);
}
