import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { startProgram } from './process/program.ts';
import type { Program } from './process/program.ts';
import { serverPath } from './servers.ts';
import { tempDir } from './temp.ts';

export interface NatsOptions {
  /** Text of a configuration file, without addresses and ports: those are chosen here. */
  readonly config?: string;
  /** Where it keeps configuration, log and store; it stays. Without it a temporary folder, removed at the end. */
  readonly dir?: string;
  /** On by default; the store is `storeDir`, unless the configuration has a `jetstream` block of its own. */
  readonly jetstream?: boolean;
  readonly extraArgs?: readonly string[];
}

export interface NatsServer extends AsyncDisposable {
  /** `nats://127.0.0.1:<port>` */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly dir: string;
  readonly storeDir: string;
  kill(signal: NodeJS.Signals): void;
  /** Address and store stay for `start`. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  start(): Promise<void>;
  /** Removes the JetStream store; the server must be stopped. */
  wipeStore(): Promise<void>;
}

export async function startNats(options: NatsOptions = {}): Promise<NatsServer> {
  const own = options.dir === undefined ? await tempDir('nats') : undefined;
  const dir = options.dir ?? own?.path ?? '';
  const storeDir = join(dir, 'store');
  const configFile = join(dir, 'testbed.conf');
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await writeFile(configFile, options.config ?? '', { mode: 0o600 });
  let port = -1;
  let program: Program | undefined;

  /** The file is named after the process, so what it says is about our own child. */
  async function portOf(pid: number): Promise<number> {
    const text = await readFile(join(dir, `nats-server_${pid}.ports`), 'utf8');
    const { nats } = JSON.parse(text) as { nats?: string[] };
    return Number(new URL(nats?.[0] ?? '').port);
  }

  async function start(): Promise<void> {
    const args = ['-c', configFile, '-a', '127.0.0.1', '-p', String(port), '--ports_file_dir', dir];
    if (options.jetstream !== false && !/^\s*jetstream\b/m.test(options.config ?? '')) args.push('-js', '-sd', storeDir);
    program = await startProgram({
      command: serverPath('nats-server'),
      args: [...args, ...(options.extraArgs ?? [])],
      logFile: join(dir, 'nats-server.log'),
      readyWhen: async (child) => {
        if (!/Server is ready/.test(await child.output())) return false;
        port = await portOf(child.pid);
        return true;
      },
    });
  }

  const server: NatsServer = {
    get url() {
      return `nats://127.0.0.1:${port}`;
    },
    get port() {
      return port;
    },
    get pid() {
      return program?.pid ?? 0;
    },
    dir,
    storeDir,
    kill: (signal) => program?.kill(signal),
    async stop(signal = 'SIGTERM') {
      await program?.stop({ signal, graceMs: 5_000 });
    },
    start,
    wipeStore: () => rm(storeDir, { recursive: true, force: true }),
    async [Symbol.asyncDispose]() {
      await program?.stop({ signal: own === undefined ? 'SIGTERM' : 'SIGKILL', graceMs: 5_000 });
      await own?.[Symbol.asyncDispose]();
    },
  };
  try {
    await start();
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
  return server;
}
