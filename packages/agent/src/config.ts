import { parseArgs } from 'node:util';
import { DroverError } from '@drover/contract';

/** What one agent is started with; frozen. Flags come first, then `DROVER_*`, then the file, then defaults. */
export interface AgentConfig {
  /** URL of the hub's HTTP API; undefined: an agent that has joined goes on without it. */
  readonly hub: string | undefined;
  /** Join token: a secret. */
  readonly token: string | undefined;
  readonly tokenFile: string | undefined;
  /** Proposed name of the cluster; counts only where the token names none. */
  readonly name: string | undefined;
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
  /** A directory that lasts; undefined: the cache is mirrored into Secrets. */
  readonly cacheDir: string | undefined;
  /** Port for /livez, /readyz and /metrics; undefined: none. */
  readonly metricsPort: number | undefined;
  /** The agent's own limit, which the hub cannot raise. */
  readonly maxDeletesPerDay: number;
  readonly logLevel: string;
  readonly logFormat: 'json' | 'pretty';
  readonly printConfig: boolean;
  readonly help: boolean;
}

export const AGENT_HELP = `drover agent: pulls this cluster's bundle, applies it, and keeps it so

  drover agent --hub https://hub.example.com --token drover_…
  drover agent --hub https://hub.example.com --token-file F --kubeconfig K --cache-dir D

  --hub URL              the hub's HTTP API                                        DROVER_HUB
  --token TOKEN          join token; only needed until the cluster has joined      DROVER_JOIN_TOKEN
  --token-file FILE      the same, from a file                                     DROVER_TOKEN_FILE
  --name NAME            proposed name, where the token names no cluster           DROVER_NAME
  --kubeconfig FILE      default: the pod's account, $KUBECONFIG, ~/.kube/config   DROVER_KUBECONFIG
  --context NAME         context of the kubeconfig                                 DROVER_CONTEXT
  --cache-dir DIR        a directory that lasts; without it the cache is mirrored
                         into Secrets of the cluster                               DROVER_CACHE_DIR
  --max-deletes N        most deletes in any 24 hours [1000]                       DROVER_MAX_DELETES
  --metrics-port PORT    serve /livez, /readyz and /metrics                        DROVER_METRICS_PORT
  --log-level LEVEL      debug | info | warn | error [info]                        DROVER_LOG_LEVEL
  --log-format FORMAT    json | pretty [json]                                      DROVER_LOG_FORMAT
  --config FILE          JSON with these names as keys                             DROVER_CONFIG
  --print-config         show what is in force, secrets redacted
`;

const FLAGS = {
  hub: { type: 'string' },
  token: { type: 'string' },
  'token-file': { type: 'string' },
  name: { type: 'string' },
  kubeconfig: { type: 'string' },
  context: { type: 'string' },
  'cache-dir': { type: 'string' },
  'max-deletes': { type: 'string' },
  'metrics-port': { type: 'string' },
  'log-level': { type: 'string' },
  'log-format': { type: 'string' },
  config: { type: 'string' },
  'print-config': { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;
type Flag = keyof typeof FLAGS;

/** `DROVER_TOKEN` is the API token of the CLI: whoever has it set shall not join with it. */
const VARIABLES: Partial<Record<Flag, string>> = { token: 'DROVER_JOIN_TOKEN' };
const LEVELS = ['debug', 'info', 'warn', 'error', 'silent'];

/**
 * @param readFile of `--config`
 * @throws DroverError USAGE that names the flag or key, never its value where it is a secret
 */
export function parseAgentConfig(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  readFile: (path: string) => string,
): AgentConfig {
  const flags = parseFlags(argv);
  const file = parseFile(flags['config'] ?? env['DROVER_CONFIG'], readFile);
  const text = (flag: Flag): string | undefined => {
    const value = flags[flag] ?? env[VARIABLES[flag] ?? `DROVER_${flag.toUpperCase().replaceAll('-', '_')}`] ?? file.get(flag);
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const config: AgentConfig = {
    hub: hubUrl(text('hub')),
    token: text('token'),
    tokenFile: text('token-file'),
    name: text('name'),
    kubeconfig: text('kubeconfig'),
    context: text('context'),
    cacheDir: text('cache-dir'),
    metricsPort: number('metrics-port', text('metrics-port'), 65_535),
    maxDeletesPerDay: number('max-deletes', text('max-deletes'), 1_000_000) ?? 1000,
    logLevel: oneOf('log-level', text('log-level') ?? 'info', LEVELS),
    logFormat: oneOf('log-format', text('log-format') ?? 'json', ['json', 'pretty']) as 'json' | 'pretty',
    printConfig: flags['print-config'] === true,
    help: flags['help'] === true,
  };
  if (config.token !== undefined && config.tokenFile !== undefined) throw usage('--token', 'give it, or --token-file, not both');
  return Object.freeze(config);
}

/** What `--print-config` shows. */
export function showConfig(config: AgentConfig): string {
  const { printConfig: _print, help: _help, ...shown } = config;
  return JSON.stringify({ ...shown, token: config.token === undefined ? undefined : '[redacted]' }, undefined, 2);
}

function parseFlags(argv: readonly string[]): Partial<Record<string, string | boolean>> {
  try {
    return parseArgs({ args: [...argv], options: FLAGS, strict: true, allowPositionals: false }).values;
  } catch (thrown) {
    throw usage('drover agent', Error.isError(thrown) ? thrown.message.replace(/drover_\S+/g, '[redacted]') : 'wrong flags');
  }
}

function parseFile(path: string | boolean | undefined, readFile: (path: string) => string): ReadonlyMap<string, string> {
  if (typeof path !== 'string' || path === '') return new Map();
  let value: unknown;
  try {
    value = JSON.parse(readFile(path));
  } catch {
    throw usage('--config', `${path} cannot be read as JSON`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw usage('--config', `${path} is no JSON object`);
  const entries = Object.entries(value).map(([key, one]): readonly [string, string] => {
    if (!Object.hasOwn(FLAGS, key) || key === 'config' || key === 'help' || key === 'print-config')
      throw usage('--config', `${path}: unknown key ${key}`);
    if (typeof one !== 'string' && typeof one !== 'number') throw usage('--config', `${path}: ${key} has to be a string or a number`);
    return [key, String(one)];
  });
  return new Map(entries);
}

function hubUrl(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    throw usage('--hub', `${text} is no http:// or https:// URL`);
  if (url.username !== '' || url.password !== '') throw usage('--hub', 'leave credentials out of the URL');
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

function number(flag: string, text: string | undefined, max: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > max) throw usage(`--${flag}`, `${text} is no number from 0 to ${max}`);
  return value;
}

function oneOf(flag: string, text: string, words: readonly string[]): string {
  if (!words.includes(text)) throw usage(`--${flag}`, `${text} is none of ${words.join(', ')}`);
  return text;
}

function usage(subject: string, what: string): DroverError {
  return new DroverError('USAGE', subject, what);
}
