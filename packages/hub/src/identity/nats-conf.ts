import type { NatsKeys } from './nats-keys.ts';

export interface NatsConf {
  readonly keys: Pick<NatsKeys, 'operatorJwt' | 'systemAccount' | 'systemAccountJwt' | 'account'>;
  /** Claim of the fleet's account as it is now, revocations included. */
  readonly accountJwt: string;
  readonly host: string;
  /** -1 takes any free one; the ports file tells which. */
  readonly port: number;
  /** Absolute: below it lie the streams, the resolver's claims and the ports file. */
  readonly directory: string;
  /** The log, where it is not written to stderr. */
  readonly logFile?: string;
  /** PEM files of the server certificate; agents and hub verify it against the fleet's CA. */
  readonly tls?: { readonly certificateFile: string; readonly keyFile: string };
  readonly maxFileStoreBytes: number;
}

/**
 * Configuration of a nats-server that carries one fleet: operator mode, one TLS listener and no other, every limit
 * explicit, and each write synced before it is acknowledged.
 *
 * @see https://docs.nats.io/running-a-nats-service/configuration
 */
export function natsConf(conf: NatsConf): string {
  const { keys, tls } = conf;
  const lines = [
    'server_name: drover',
    `host: ${quoted(conf.host)}`,
    `port: ${conf.port}`,
    `ports_file_dir: ${quoted(conf.directory)}`,
    ...(conf.logFile === undefined ? [] : [`log_file: ${quoted(conf.logFile)}`, 'logfile_size_limit: 4MB', 'logfile_max_num: 3']),
    'max_payload: 1MB',
    'max_connections: 65536',
    'write_deadline: "30s"',
    'ping_interval: "30s"',
    ...(tls === undefined
      ? []
      : [
          'tls {',
          `  cert_file: ${quoted(tls.certificateFile)}`,
          `  key_file: ${quoted(tls.keyFile)}`,
          '  min_version: "1.3"',
          '  timeout: 10',
          '}',
        ]),
    `operator: ${keys.operatorJwt}`,
    `system_account: ${keys.systemAccount}`,
    'resolver {',
    '  type: full',
    `  dir: ${quoted(`${conf.directory}/claims`)}`,
    '  allow_delete: false',
    '  limit: 100',
    '}',
    'resolver_preload {',
    `  ${keys.systemAccount}: ${keys.systemAccountJwt}`,
    `  ${keys.account}: ${conf.accountJwt}`,
    '}',
    'jetstream {',
    `  store_dir: ${quoted(`${conf.directory}/store`)}`,
    `  max_file_store: ${conf.maxFileStoreBytes}`,
    '  max_memory_store: 0',
    '  sync_interval: always',
    '}',
  ];
  return `${lines.join('\n')}\n`;
}

/** The configuration's strings take the escapes of JSON. */
function quoted(text: string): string {
  return JSON.stringify(text);
}
