import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { eventually } from '../eventually.ts';
import { freePort } from '../ports.ts';
import { startProgram } from '../process/program.ts';
import type { Exit, Program } from '../process/program.ts';
import { droverCommand, hubPrograms } from './programs.ts';

export interface HubOptions {
  readonly dir: string;
  /** URL of the repository. */
  readonly source: string;
  readonly secrets: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface JoinToken {
  readonly cluster?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly enforce?: boolean;
  readonly maxUses?: number;
}

/** A hub as a child process; its addresses stay the same over restarts. */
export interface RunningHub extends AsyncDisposable {
  readonly url: string;
  readonly dataDir: string;
  readonly logFile: string;
  readonly natsPort: number;
  readonly program: Program;
  get<T>(path: string): Promise<T>;
  post<T>(path: string, body?: unknown): Promise<T>;
  createToken(token: JoinToken): Promise<string>;
  kill(signal?: NodeJS.Signals): Promise<void>;
  stop(): Promise<Exit>;
  /** Starts it again after it ended; `env` for this run alone. */
  start(env?: Readonly<Record<string, string>>): Promise<void>;
  /** Pid of the nats-server that the hub runs as its child. */
  natsPid(): Promise<number>;
}

const READY_MS = 30_000;

export async function startHub(options: HubOptions): Promise<RunningHub> {
  await mkdir(options.dir, { recursive: true, mode: 0o700 });
  const [api, enrolment, fleet, nats] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
  const url = `http://127.0.0.1:${api}`;
  const logFile = join(options.dir, 'hub.log');
  const dataDir = join(options.dir, 'data');
  const { command, args } = droverCommand([
    'hub',
    ...['--source', options.source, '--insecure', '--secrets', options.secrets, '--data-dir', dataDir],
    ...['--listen', `127.0.0.1:${api}`, '--enrolment-listen', `127.0.0.1:${enrolment}`, '--fleet-listen', `127.0.0.1:${fleet}`],
    ...['--nats-listen', `127.0.0.1:${nats}`, '--public-host', '127.0.0.1'],
    ...hubPrograms(),
    ...(options.args ?? []),
  ]);

  const run = (env: Readonly<Record<string, string>> = {}): Promise<Program> =>
    startProgram({
      command,
      args,
      env: { ...options.env, ...env },
      logFile,
      readyWhen: async () => (await fetch(`${url}/readyz`)).ok,
      readyTimeoutMs: READY_MS,
    });
  let program = await run();

  async function request<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(url + path, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  return {
    url,
    dataDir,
    logFile,
    natsPort: nats,
    get program() {
      return program;
    },
    get: (path) => request('GET', path),
    post: (path, body) => request('POST', path, body ?? {}),
    createToken: async (token) => (await request<{ token: string }>('POST', '/v1/tokens', { kind: 'join', ...token })).token,
    async kill(signal = 'SIGKILL') {
      program.kill(signal);
      await program.awaitExit();
    },
    stop: () => program.stop(),
    async start(env) {
      program = await run(env);
    },
    natsPid: () =>
      eventually(async () => {
        const info = await request<{ natsServer: { pid: number } | null }>('GET', '/v1/info');
        if (info.natsServer === null) throw new Error('the hub names no pid of nats-server');
        return info.natsServer.pid;
      }, 5_000),
    [Symbol.asyncDispose]: async () => {
      await program[Symbol.asyncDispose]();
    },
  };
}
