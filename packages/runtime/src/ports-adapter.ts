import { randomBytes, randomUUID } from 'node:crypto';
import { kill, pid } from 'node:process';
import type { BasePorts, Clock, Effect, Logger, Random } from '@drover/contract';
import { pino, stdTimeFunctions } from 'pino';

/** The clock, chance, log and effects of the real world. */
export interface PortsOptions {
  readonly log: { readonly level: string; readonly format: 'json' | 'pretty' };
  /** `<point>[:before|after][:k]`: die by SIGKILL at the k-th effect of that name; for tests of crashes. */
  readonly crashAt?: string | undefined;
}

export function createPorts(options: PortsOptions): BasePorts {
  return { clock, random, effect: createEffect(options.crashAt), log: createLogger(options.log) };
}

export const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((done, fail) => {
      signal.throwIfAborted();
      const abort = (): void => {
        clearTimeout(timer);
        fail(signal.reason as Error);
      };
      const timer = setTimeout(
        () => {
          signal.removeEventListener('abort', abort);
          done();
        },
        Math.min(Math.max(0, ms), MAX_TIMER_MS),
      );
      signal.addEventListener('abort', abort, { once: true });
    }),
};

/** Beyond this a timer fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export const random: Random = {
  fraction: () => Math.random(),
  bytes: (length) => new Uint8Array(randomBytes(length)),
  uuid: () => randomUUID(),
};

/** @throws RangeError when `crashAt` is not of its form */
export function createEffect(crashAt: string | undefined): Effect {
  if (crashAt === undefined || crashAt === '') return (_point, run) => run();
  const match = /^([a-z-]+)(?::(before|after))?(?::([1-9]\d*))?$/.exec(crashAt);
  if (match === null) throw new RangeError(`DROVER_CRASH_AT=${crashAt}: write <point>[:before|after][:k]`);
  const [, wanted, moment = 'before', count = '1'] = match;
  let left = Number(count);
  return async (point, run) => {
    const now = point === wanted && --left === 0;
    if (now && moment === 'before') await die();
    const result = await run();
    if (now) await die();
    return result;
  };
}

/** Never resolves: nothing may happen between the signal and the end. */
function die(): Promise<never> {
  kill(pid, 'SIGKILL');
  return new Promise(() => {});
}

/** Names of fields that are never logged, wherever they stand up to three levels deep. */
const SECRET_FIELDS = [
  'token',
  'password',
  'secret',
  'authorization',
  'cookie',
  'privateKey',
  'privateKeyPem',
  'seed',
  'jwt',
  'natsJwt',
  'sealed',
  'data',
  'stringData',
];
const REDACTED = SECRET_FIELDS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);

export function createLogger(options: PortsOptions['log']): Logger {
  const settings = {
    level: options.level,
    base: null,
    timestamp: stdTimeFunctions.isoTime,
    redact: { paths: REDACTED, censor: '[redacted]' },
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: errorFields },
  };
  // Synchronous: the last line before a crash is the one that is needed.
  const destination =
    options.format === 'pretty'
      ? { write: (line: string) => void process.stdout.write(pretty(line)) }
      : pino.destination({ dest: 1, sync: true });
  return pino(settings, destination);
}

/** An error as fields; stacks only of what is a defect. */
function errorFields(thrown: unknown): unknown {
  if (!(thrown instanceof Error)) return String(thrown);
  const { code } = thrown as { readonly code?: unknown };
  const known = thrown.name === 'DroverError' && code !== 'UNEXPECTED';
  return {
    ...(code === undefined ? {} : { code }),
    message: thrown.message,
    ...(known ? {} : { stack: thrown.stack }),
    ...(thrown.cause instanceof Error ? { cause: thrown.cause.message } : {}),
  };
}

function pretty(line: string): string {
  const { time, level, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const rest = Object.entries(fields).map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return `${String(time).slice(11, 23)} ${String(level).toUpperCase().padEnd(5)} ${String(msg)}${rest.length === 0 ? '' : `  ${rest.join(' ')}`}\n`;
}
