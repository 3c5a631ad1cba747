import { open, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { join } from 'node:path';

import { tempDir } from '../temp.ts';
import { supervise } from './supervision.ts';
import type { Exit } from './supervision.ts';

export type { Exit } from './supervision.ts';

export interface ProgramOptions {
  readonly command: string;
  readonly args?: readonly string[];
  /** Added to the environment of this process; `undefined` takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** `false`: only what `env` names. */
  readonly inheritEnv?: boolean;
  readonly cwd?: string;
  /** Both outputs are appended here; without it they go to a file that lives as long as the program. */
  readonly logFile?: string;
  /** Ready when this appears in the output, or when the probe stops throwing and does not return false. */
  readonly readyWhen?: RegExp | ((program: Program) => unknown);
  readonly readyTimeoutMs?: number;
}

/** A child process that ends with this process, however this process ends. */
export interface Program extends AsyncDisposable {
  readonly pid: number;
  readonly logFile: string;
  /** Undefined while it runs. */
  readonly exit: Exit | undefined;
  /** Waits for the end; keeps the event loop alive. */
  awaitExit(): Promise<Exit>;
  /** What it has written to both outputs since this start. */
  output(): Promise<string>;
  /** Sends a signal, to the process alone or to its whole group; nothing happens when it has ended. */
  kill(signal: NodeJS.Signals, to?: 'process' | 'group'): void;
  /** Asks with a signal, SIGTERM by default, and after the grace period insists; ends what is left of the group. */
  stop(options?: { readonly signal?: NodeJS.Signals; readonly graceMs?: number }): Promise<Exit>;
}

/**
 * Starts a program and waits until it is ready.
 *
 * @throws Error with the end of its output when it exits, or is not ready in time; it is stopped then
 */
export async function startProgram(options: ProgramOptions): Promise<Program> {
  const own = options.logFile === undefined ? await tempDir('log') : undefined;
  const logFile = options.logFile ?? join(own?.path ?? '', 'output.log');
  const offset = await sizeOf(logFile);
  const inherited = options.inheritEnv === false ? {} : process.env;
  const child = await supervise({
    command: options.command,
    args: options.args ?? [],
    env: defined({ ...inherited, ...options.env }),
    cwd: options.cwd ?? process.cwd(),
    logFile,
  }).catch(async (cause: unknown) => {
    await own?.[Symbol.asyncDispose]();
    throw cause;
  });
  let exit: Exit | undefined;
  void child.exited.then((how) => {
    exit = how;
  });

  function kill(signal: NodeJS.Signals, to: 'process' | 'group' = 'process'): void {
    if (exit !== undefined && to === 'process') return;
    try {
      process.kill(to === 'group' ? -child.pid : child.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  const program: Program = {
    pid: child.pid,
    logFile,
    get exit() {
      return exit;
    },
    awaitExit: () => child.awaitExit(),
    output: () => readFrom(logFile, offset),
    kill,
    async stop({ signal = 'SIGTERM', graceMs = 10_000 } = {}) {
      if (exit === undefined) {
        kill(signal);
        // A stopped process takes no other signal before it continues.
        if (signal !== 'SIGKILL') kill('SIGCONT');
        const patience = setTimeout(() => kill('SIGKILL'), graceMs);
        exit = await child.awaitExit();
        clearTimeout(patience);
      }
      kill('SIGKILL', 'group');
      return exit;
    },
    async [Symbol.asyncDispose]() {
      await program.stop();
      await own?.[Symbol.asyncDispose]();
    },
  };
  try {
    await ready(program, options);
  } catch (error) {
    const tail = (await program.output().catch(() => '')).split('\n').slice(-15).join('\n');
    await program.stop({ signal: 'SIGKILL' });
    await own?.[Symbol.asyncDispose]();
    throw new Error(`${options.command} ${(options.args ?? []).slice(0, 3).join(' ')}: ${(error as Error).message}\n${tail}`, {
      cause: error,
    });
  }
  return program;
}

async function ready(program: Program, { readyWhen, readyTimeoutMs = 30_000 }: ProgramOptions): Promise<void> {
  if (readyWhen === undefined) return;
  const ends = performance.now() + readyTimeoutMs;
  let failure: unknown;
  for (;;) {
    if (program.exit !== undefined) {
      throw new Error(`ended before it was ready (${program.exit.signal ?? program.exit.code})`, { cause: failure });
    }
    try {
      const verdict = readyWhen instanceof RegExp ? readyWhen.test(await program.output()) : await readyWhen(program);
      if (verdict !== false) return;
    } catch (error) {
      failure = error;
    }
    if (performance.now() > ends) throw new Error(`not ready within ${readyTimeoutMs} ms`, { cause: failure });
    await delay(30);
  }
}

const defined = (env: Readonly<Record<string, string | undefined>>): Record<string, string> =>
  Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined));

async function sizeOf(path: string): Promise<number> {
  const text = await readFile(path).catch(() => Buffer.alloc(0));
  return text.byteLength;
}

async function readFrom(path: string, offset: number): Promise<string> {
  await using file = await open(path, 'r');
  const { size } = await file.stat();
  const buffer = Buffer.alloc(Math.max(0, size - offset));
  await file.read(buffer, 0, buffer.byteLength, offset);
  return buffer.toString('utf8');
}
