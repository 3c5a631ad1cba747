import { isAbsolute, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { DroverError } from '@drover/contract';
import { checkTreePath, checkUrl } from '#sources/refusals.ts';

/** What one hub is started with; frozen. Flags come first, then `DROVER_*`, then defaults. */
export interface HubOptions {
  readonly source: string | undefined;
  /** http:// is accepted for `source`. */
  readonly insecure: boolean;
  readonly sourceTokenFile: string | undefined;
  readonly sourceUsername: string | undefined;
  readonly sourceToken: string | undefined;
  readonly configDirectory: string | undefined;
  /** Directory in the source that holds the configuration, if it exists. */
  readonly configPath: string;
  readonly secretsDirectory: string | undefined;
  readonly dataDirectory: string;
  /** URL of NATS; undefined: nats-server is started as a child. */
  readonly nats: string | undefined;
  readonly natsServer: string | undefined;
  readonly natsListen: Listen;
  readonly listen: Listen;
  readonly enrolmentListen: Listen;
  readonly fleetListen: Listen;
  /** Names and addresses in the certificate; the first is what agents are told. */
  readonly publicHosts: readonly string[];
  readonly tlsCertificate: string | undefined;
  readonly tlsKey: string | undefined;
  readonly kustomize: string;
  readonly logFormat: 'json' | 'pretty';
  readonly printConfig: boolean;
  readonly help: boolean;
}

export interface Listen {
  readonly host: string;
  readonly port: number;
}

export const HUB_HELP = `drover hub: fetches sources, renders, rolls out and publishes signed bundles

  drover hub --source https://git.example.com/fleet.git
  drover hub --source . --data-dir ./hub          a local clone, while the hub listens on loopback
  drover hub init --data-dir ./hub --public-host hub.example.com
  drover hub raise-epoch --data-dir ./hub         after the store was lost or restored: publish what it holds now

  --source URL             repository that is delivered: clusters/<name>/ for each cluster
  --insecure               accept http:// for --source
  --source-token-file F    token for --source (or DROVER_SOURCE_TOKEN); --source-username NAME for basic auth
  --config DIR             configuration, when the source has no directory drover/
  --config-path DIR        that directory's name in the source                        [drover]
  --secrets DIR            secrets of sources: DIR/<namespace>/<name>/<key>
  --data-dir DIR           database, blobs, mirrors and keys                          [./drover-data]
  --nats URL               NATS to use; without it nats-server is started as a child
  --nats-server FILE       its program                                                [nats-server]
  --nats-listen H:P        where the child listens                                    [0.0.0.0:4222]
  --listen H:P             HTTP API; other than loopback it needs TLS                 [127.0.0.1:7440]
  --tls-cert F --tls-key F certificate of the HTTP API
  --enrolment-listen H:P   where agents join                                          [0.0.0.0:7443]
  --fleet-listen H:P       where agents report                                        [0.0.0.0:7444]
  --public-host NAME       name in the certificates, may be repeated                  [localhost]
  --kustomize FILE         kustomize 5.8                                              [kustomize]
  --log-format json|pretty
  --print-config           show what is in force, secrets redacted
`;

const FLAGS = {
  source: { type: 'string' },
  insecure: { type: 'boolean' },
  'source-token-file': { type: 'string' },
  'source-username': { type: 'string' },
  config: { type: 'string' },
  'config-path': { type: 'string' },
  secrets: { type: 'string' },
  'data-dir': { type: 'string' },
  nats: { type: 'string' },
  'nats-server': { type: 'string' },
  'nats-listen': { type: 'string' },
  listen: { type: 'string' },
  'enrolment-listen': { type: 'string' },
  'fleet-listen': { type: 'string' },
  'public-host': { type: 'string', multiple: true },
  'tls-cert': { type: 'string' },
  'tls-key': { type: 'string' },
  kustomize: { type: 'string' },
  'log-format': { type: 'string' },
  'print-config': { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** @throws DroverError USAGE that names the flag */
export function parseHubOptions(argv: readonly string[], env: Readonly<Record<string, string | undefined>>, cwd: string): HubOptions {
  const values = ((): Record<string, unknown> => {
    try {
      return parseArgs({ args: [...argv], options: FLAGS, strict: true, allowPositionals: false }).values;
    } catch (thrown) {
      throw new DroverError('USAGE', 'drover hub', Error.isError(thrown) ? thrown.message : 'wrong flags');
    }
  })();
  const text = (flag: keyof typeof FLAGS): string | undefined => {
    const value = values[flag] ?? env[`DROVER_${flag.toUpperCase().replaceAll('-', '_')}`];
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const path = (value: string | undefined): string | undefined =>
    value === undefined ? undefined : isAbsolute(value) ? value : resolve(cwd, value);
  const hosts =
    (values['public-host'] as string[] | undefined) ??
    env['DROVER_PUBLIC_HOST']
      ?.split(',')
      .map((host) => host.trim())
      .filter((host) => host !== '');
  const logFormat = text('log-format') ?? 'json';
  if (logFormat !== 'json' && logFormat !== 'pretty')
    throw new DroverError('USAGE', '--log-format', `${logFormat} is neither json nor pretty`);
  const listen = parseListen('--listen', text('listen') ?? '127.0.0.1:7440');
  const options: HubOptions = {
    source: sourceUrl(text('source'), cwd),
    insecure: values['insecure'] === true || env['DROVER_INSECURE'] === 'true',
    sourceTokenFile: path(text('source-token-file')),
    sourceUsername: text('source-username'),
    sourceToken: env['DROVER_SOURCE_TOKEN'],
    configDirectory: path(text('config')),
    configPath: (text('config-path') ?? 'drover').replace(/^\.?\/+|\/+$/g, ''),
    secretsDirectory: path(text('secrets')),
    dataDirectory: path(text('data-dir')) ?? resolve(cwd, 'drover-data'),
    nats: text('nats'),
    natsServer: text('nats-server'),
    natsListen: parseListen('--nats-listen', text('nats-listen') ?? '0.0.0.0:4222'),
    listen,
    enrolmentListen: parseListen('--enrolment-listen', text('enrolment-listen') ?? '0.0.0.0:7443'),
    fleetListen: parseListen('--fleet-listen', text('fleet-listen') ?? '0.0.0.0:7444'),
    publicHosts: hosts === undefined || hosts.length === 0 ? ['localhost'] : hosts,
    tlsCertificate: path(text('tls-cert')),
    tlsKey: path(text('tls-key')),
    kustomize: text('kustomize') ?? 'kustomize',
    logFormat,
    printConfig: values['print-config'] === true,
    help: values['help'] === true,
  };
  if (!isLoopback(listen.host) && (options.tlsCertificate === undefined || options.tlsKey === undefined)) {
    throw new DroverError('USAGE', '--listen', `${listen.host} is not loopback: give --tls-cert and --tls-key`);
  }
  if (options.source?.startsWith('/') === true && !isLoopback(listen.host)) {
    throw new DroverError('USAGE', '--source', 'a local clone is served only while the hub listens on loopback');
  }
  refuseSource(options);
  const directory = checkTreePath(options.configPath);
  if (directory !== undefined) throw new DroverError('USAGE', '--config-path', directory);
  if (/^[a-z+]+:\/\/[^/]*@/i.test(options.nats ?? ''))
    throw new DroverError('USAGE', '--nats', 'the URL holds credentials; the hub has its own');
  return Object.freeze(options);
}

/** What is wrong with the URL is said before anything starts; it is never repeated, as it may hold credentials. */
function refuseSource({ source, insecure, listen }: HubOptions): void {
  if (source === undefined) return;
  const wrong = checkUrl(isAbsolute(source) ? `file://${source}` : source, { insecure, local: isLoopback(listen.host) });
  if (wrong !== undefined) throw new DroverError('USAGE', '--source', wrong);
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}

/** What `--print-config` shows. */
export function showOptions(options: HubOptions): string {
  return JSON.stringify({ ...options, sourceToken: options.sourceToken === undefined ? undefined : '[redacted]' }, undefined, 2);
}

function sourceUrl(source: string | undefined, cwd: string): string | undefined {
  if (source === undefined || /^[a-z][a-z0-9+.-]*:/i.test(source)) return source;
  return isAbsolute(source) ? source : resolve(cwd, source);
}

function parseListen(flag: string, text: string): Listen {
  const match = /^(?:\[([0-9a-f:]+)\]|([^:]*)):(\d{1,5})$/i.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) throw new DroverError('USAGE', flag, `${text} is not host:port`);
  const host = match[1] ?? match[2] ?? '';
  return { host: host === '' ? '0.0.0.0' : host, port };
}
