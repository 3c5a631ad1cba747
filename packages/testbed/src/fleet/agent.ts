import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { startProgram } from '../process/program.ts';
import type { Exit, Program } from '../process/program.ts';
import { droverCommand } from './programs.ts';

export interface AgentOptions {
  readonly name: string;
  readonly dir: string;
  readonly hub: string;
  readonly token: string;
  readonly kubeconfig: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** An agent as a child process, beside its cluster. */
export interface RunningAgent extends AsyncDisposable {
  readonly name: string;
  readonly cacheDir: string;
  readonly logFile: string;
  readonly program: Program;
  kill(signal?: NodeJS.Signals): Promise<void>;
  stop(): Promise<Exit>;
  /** Starts it again after it ended; `env` for this run alone. */
  start(env?: Readonly<Record<string, string>>): Promise<void>;
  /** Removes its cache directory; it has to be stopped. */
  wipeDisk(): Promise<void>;
}

export async function startAgent(options: AgentOptions): Promise<RunningAgent> {
  await mkdir(options.dir, { recursive: true, mode: 0o700 });
  const tokenFile = join(options.dir, 'token');
  await writeFile(tokenFile, options.token, { mode: 0o600 });
  const cacheDir = join(options.dir, 'cache');
  const logFile = join(options.dir, 'agent.log');
  const { command, args } = droverCommand([
    'agent',
    ...['--hub', options.hub, '--token-file', tokenFile, '--kubeconfig', options.kubeconfig, '--cache-dir', cacheDir],
    ...(options.args ?? []),
  ]);
  const run = (env: Readonly<Record<string, string>> = {}): Promise<Program> =>
    startProgram({ command, args, env: { ...options.env, ...env }, logFile });
  let program = await run();
  return {
    name: options.name,
    cacheDir,
    logFile,
    get program() {
      return program;
    },
    async kill(signal = 'SIGKILL') {
      program.kill(signal);
      await program.awaitExit();
    },
    stop: () => program.stop(),
    async start(env) {
      program = await run(env);
    },
    wipeDisk: () => rm(cacheDir, { recursive: true, force: true }),
    [Symbol.asyncDispose]: async () => {
      await program[Symbol.asyncDispose]();
    },
  };
}
