import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock, Logger, Random } from '@drover/contract';
import { backoffMs, DroverError } from '@drover/contract';
import type { NatsConf } from '#identity/nats-conf.ts';
import { natsConf } from '#identity/nats-conf.ts';
import { findProgram, pathDirectories } from './find-program-adapter.ts';

/** nats-server as a child of the hub: started, kept running, and ended with it, however the hub ends. */
export interface NatsChild extends AsyncDisposable {
  readonly port: number;
  /** Undefined between an end and the next start. */
  readonly pid: number | undefined;
  /** What keeps it from running; undefined while it runs. */
  readonly problem: string | undefined;
}

export interface NatsServerOptions {
  /** Path given by flag or DROVER_NATS_SERVER; without it DROVER_SERVERS and PATH are searched. */
  readonly program?: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Everything but the addresses of this child; `port` 0 takes any free one and keeps it. */
  readonly conf: Omit<NatsConf, 'directory' | 'logFile' | 'accountJwt'>;
  /** Absolute; holds configuration, claims, streams and log. */
  readonly directory: string;
  /** The claim as it is at each start: revocations included. */
  readonly accountJwt: () => Promise<string>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

const READY_MS = 20_000;
const GRACE_MS = 5000;
const POLL_MS = 15;

/** @throws DroverError NATS_UNREACHABLE when the program is missing or does not start */
export async function startNatsServer(options: NatsServerOptions, signal: AbortSignal): Promise<NatsChild> {
  const { directory, log, clock, random, environment } = options;
  const program = findServer(options);
  // util-linux; the kernel then ends the server with the hub, SIGKILL included.
  const setpriv = findProgram('setpriv', pathDirectories(environment['PATH']));
  const closing = new AbortController();
  const files = { conf: join(directory, 'nats.conf'), log: join(directory, 'nats-server.log'), pid: join(directory, 'nats-server.pid') };
  let port = options.conf.port === 0 ? -1 : options.conf.port;
  let child: ChildProcess | undefined;
  let problem: string | undefined;

  await mkdir(directory, { recursive: true, mode: 0o700 });
  await endStale(files.pid, files.conf, log);

  async function start(): Promise<void> {
    const conf = natsConf({ ...options.conf, port, directory, logFile: files.log, accountJwt: await options.accountJwt() });
    await writeFile(`${files.conf}.tmp`, conf, { mode: 0o600 });
    await rename(`${files.conf}.tmp`, files.conf);
    await removePortsFiles(directory);
    const args = ['-c', files.conf, '-P', files.pid];
    const command = setpriv === undefined ? [program, ...args] : [setpriv, '--pdeathsig', 'KILL', '--', program, ...args];
    const started = spawn(command[0] ?? '', command.slice(1), {
      cwd: directory,
      env: { PATH: environment['PATH'] },
      // A group of its own: Ctrl-C is for the hub, which ends its child after it has published.
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    started.stderr?.on('data', (bytes: Buffer) => {
      said = `${said}${bytes.toString()}`.slice(-2000);
    });
    const ended = new Promise<string>((resolve) => {
      started.once('error', (error) => resolve(error.message));
      started.once('exit', (code, by) => resolve(`it ended with ${by ?? code}`));
    });
    try {
      port = await ready(started, ended, () => said);
    } catch (thrown) {
      started.kill('SIGKILL');
      throw thrown;
    }
    child = started;
    problem = undefined;
    log.info({ pid: started.pid, port }, 'nats-server started');
    void ended.then((how) => (closing.signal.aborted ? undefined : restart(how)));
  }

  async function ready(started: ChildProcess, ended: Promise<string>, said: () => string): Promise<number> {
    let over: string | undefined;
    void ended.then((how) => (over = how));
    const ends = clock.monotonic() + READY_MS;
    for (;;) {
      const found = started.pid === undefined ? undefined : await portOf(directory, started.pid);
      if (found !== undefined) return found;
      const why = over ?? (clock.monotonic() > ends ? `not ready within ${READY_MS} ms` : undefined);
      if (why !== undefined) {
        const tail = said() || (await readFile(files.log, 'utf8').catch(() => '')).slice(-1000);
        throw new DroverError('NATS_UNREACHABLE', program, `${why}: ${tail.trim().split('\n').slice(-3).join(' ')}`);
      }
      await delay(POLL_MS);
    }
  }

  async function restart(how: string): Promise<void> {
    child = undefined;
    for (let failures = 1; !closing.signal.aborted; failures++) {
      problem = `nats-server: ${how}`;
      log.error({ how, failures }, 'nats-server is started again');
      try {
        await clock.sleep(backoffMs(failures, random.fraction()), closing.signal);
        await start();
        return;
      } catch (thrown) {
        if (closing.signal.aborted) return;
        how = DroverError.from(thrown, 'nats-server').what;
      }
    }
  }

  signal.throwIfAborted();
  await start();
  return {
    get port() {
      return port;
    },
    get pid() {
      return child?.pid;
    },
    get problem() {
      return problem;
    },
    async [Symbol.asyncDispose]() {
      closing.abort();
      const last = child;
      if (last === undefined || last.exitCode !== null || last.signalCode !== null) return;
      const gone = new Promise((resolve) => last.once('exit', resolve));
      last.kill('SIGTERM');
      const patience = setTimeout(() => last.kill('SIGKILL'), GRACE_MS);
      await gone;
      clearTimeout(patience);
      await rm(files.pid, { force: true });
    },
  };
}

function findServer({ program, environment }: NatsServerOptions): string {
  const given = program ?? environment['DROVER_NATS_SERVER'];
  if (given !== undefined && given !== '') return given;
  const found = findProgram('nats-server', [environment['DROVER_SERVERS'], ...pathDirectories(environment['PATH'])]);
  if (found !== undefined) return found;
  throw new DroverError(
    'NATS_UNREACHABLE',
    'nats-server',
    'the program is not in PATH; name it by DROVER_NATS_SERVER, or a running server by --nats',
  );
}

/** A process that is killed leaves its file behind, and another may get its number. */
async function removePortsFiles(directory: string): Promise<void> {
  for (const name of await readdir(directory)) if (/^nats-server_\d+\.ports$/.test(name)) await rm(join(directory, name), { force: true });
}

/** The file is named after the process: what it says is about our own child. */
async function portOf(directory: string, pid: number): Promise<number | undefined> {
  try {
    const { nats } = JSON.parse(await readFile(join(directory, `nats-server_${pid}.ports`), 'utf8')) as {
      readonly nats?: readonly string[];
    };
    return nats?.[0] === undefined ? undefined : Number(new URL(nats[0]).port);
  } catch {
    return undefined;
  }
}

/**
 * Ends a server that a killed hub left behind on this directory: two on one store would destroy it. Whoever has a pid
 * now that we wrote down earlier is ours only if it runs with our configuration.
 */
async function endStale(pidFile: string, confFile: string, log: Logger): Promise<void> {
  const pid = Number(await readFile(pidFile, 'utf8').catch(() => ''));
  if (!Number.isSafeInteger(pid) || pid <= 1 || !runsWith(pid, confFile)) return;
  log.warn({ pid }, 'nats-server of an earlier hub is ended');
  process.kill(pid, 'SIGKILL');
  while (runsWith(pid, confFile)) await delay(POLL_MS);
}

function runsWith(pid: number, confFile: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(confFile);
  } catch {
    return false;
  }
}
