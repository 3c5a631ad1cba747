import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Clock } from '@drover/contract';
import { DroverError } from '@drover/contract';

/** Material of TLS, PEM. */
export interface TlsMaterial {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
  readonly rejectUnauthorized: boolean;
}

/** How to reach the API server, and as whom. Everything is read again when it may have been renewed. */
export interface Credentials {
  /** Base URL without trailing slash. */
  readonly server: string;
  /** Namespace of the context or of the pod. */
  readonly namespace: string | undefined;
  tls(): Promise<TlsMaterial>;
  /**
   * Value of the header `Authorization`; undefined where a client certificate is used.
   *
   * @param refused the server has just refused the last value
   */
  authorization(refused: boolean): Promise<string | undefined>;
}

const POD_FILES = '/var/run/secrets/kubernetes.io/serviceaccount';
/** The kubelet renews a token long before it expires; reading it once a minute follows every renewal. */
const TOKEN_AGE_MS = 60_000;

export interface InClusterOptions {
  /** `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT`. */
  readonly host: string;
  readonly port: string;
  readonly clock: Clock;
  /** Where the pod's files are mounted. */
  readonly dir?: string;
}

/** @throws DroverError USAGE when the pod has no service account mounted */
export async function inClusterCredentials({ host, port, clock, dir = POD_FILES }: InClusterOptions): Promise<Credentials> {
  const read = async (name: string): Promise<string> => {
    try {
      return (await readFile(`${dir}/${name}`, 'utf8')).trim();
    } catch (thrown) {
      throw new DroverError('USAGE', `${dir}/${name}`, 'cannot be read: mount a service account into the pod', { cause: thrown });
    }
  };
  const namespace = await read('namespace');
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    namespace,
    tls: async () => ({ ca: await read('ca.crt'), rejectUnauthorized: true }),
    authorization: tokenReader(() => read('token'), clock),
  };
}

export interface KubeconfigOptions {
  readonly path: string;
  /** Name of the context; the current one without it. */
  readonly context?: string;
  readonly clock: Clock;
}

/**
 * Credentials of a kubeconfig. A file in JSON with a token or a client certificate is read here; YAML, exec plug-ins and
 * OIDC take `@kubernetes/client-node`, which is loaded only then (87 MiB).
 *
 * @throws DroverError USAGE when the file, the context or what it names is missing
 */
export async function kubeconfigCredentials(options: KubeconfigOptions): Promise<Credentials> {
  let text: string;
  try {
    text = await readFile(options.path, 'utf8');
  } catch (thrown) {
    throw new DroverError('USAGE', options.path, 'this kubeconfig cannot be read', { cause: thrown });
  }
  const plain = plainConfig(text);
  if (plain === undefined) return await throughClientNode(options);
  const name = options.context ?? plain['current-context'] ?? '';
  const context = named(plain.contexts, name)?.context;
  const cluster = named(plain.clusters, context?.cluster)?.cluster;
  const user = named(plain.users, context?.user)?.user ?? {};
  if (context === undefined || cluster?.server === undefined) throw contextMissing(options.path, name);
  if (user.exec !== undefined || user['auth-provider'] !== undefined) return await throughClientNode(options);
  if (user.username !== undefined)
    throw new DroverError('USAGE', options.path, 'user name and password are not accepted by Kubernetes any more');
  if (cluster['proxy-url'] !== undefined) throw new DroverError('FIELD_NOT_YET', options.path, 'proxy-url of a cluster');

  const file = (path: string): Promise<string> => readFile(resolve(dirname(options.path), path), 'utf8');
  const material = async (data: string | undefined, path: string | undefined): Promise<string | undefined> =>
    data !== undefined ? Buffer.from(data, 'base64').toString('utf8') : path === undefined ? undefined : await file(path);
  const { token, tokenFile } = user;
  return {
    server: cluster.server.replace(/\/+$/, ''),
    namespace: context.namespace,
    tls: async () =>
      tlsMaterial(
        await material(cluster['certificate-authority-data'], cluster['certificate-authority']),
        await material(user['client-certificate-data'], user['client-certificate']),
        await material(user['client-key-data'], user['client-key']),
        cluster['tls-server-name'],
        cluster['insecure-skip-tls-verify'] === true,
      ),
    authorization:
      tokenFile !== undefined
        ? tokenReader(async () => (await file(tokenFile)).trim(), options.clock)
        : async () => (token === undefined ? undefined : `Bearer ${token}`),
  };
}

async function throughClientNode({ path, context }: KubeconfigOptions): Promise<Credentials> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  try {
    config.loadFromFile(path);
  } catch (thrown) {
    throw new DroverError('USAGE', path, `this kubeconfig cannot be read: ${Error.isError(thrown) ? thrown.message : String(thrown)}`, {
      cause: thrown,
    });
  }
  if (context !== undefined) config.setCurrentContext(context);
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw contextMissing(path, config.getCurrentContext());
  const applied = async (): Promise<AppliedOptions> => {
    const request: AppliedOptions = {};
    await config.applyToHTTPSOptions(request as Parameters<typeof config.applyToHTTPSOptions>[0]);
    return request;
  };
  return {
    server: cluster.server.replace(/\/+$/, ''),
    namespace: config.getContextObject(config.getCurrentContext())?.namespace,
    tls: async () => {
      const { ca, cert, key, servername, rejectUnauthorized } = await applied();
      return tlsMaterial(ca?.toString(), cert?.toString(), key?.toString(), servername, rejectUnauthorized === false);
    },
    authorization: async () => (await applied()).headers?.['Authorization'],
  };
}

/** What client-node writes into the options of a request. */
interface AppliedOptions {
  ca?: string | Buffer;
  cert?: string | Buffer;
  key?: string | Buffer;
  servername?: string;
  rejectUnauthorized?: boolean;
  headers?: Record<string, string>;
}

function tokenReader(read: () => Promise<string>, clock: Clock): Credentials['authorization'] {
  let known: { readonly value: string; readonly at: number } | undefined;
  return async (refused) => {
    if (known === undefined || refused || clock.monotonic() - known.at > TOKEN_AGE_MS) {
      known = { value: `Bearer ${await read()}`, at: clock.monotonic() };
    }
    return known.value;
  };
}

function tlsMaterial(
  ca: string | undefined,
  cert: string | undefined,
  key: string | undefined,
  servername: string | undefined,
  insecure: boolean,
): TlsMaterial {
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(servername === undefined ? {} : { servername }),
    rejectUnauthorized: !insecure,
  };
}

interface PlainConfig {
  readonly 'current-context'?: string;
  readonly contexts?: readonly {
    readonly name: string;
    readonly context: { readonly cluster: string; readonly user: string; readonly namespace?: string };
  }[];
  readonly clusters?: readonly {
    readonly name: string;
    readonly cluster: {
      readonly server?: string;
      readonly 'certificate-authority'?: string;
      readonly 'certificate-authority-data'?: string;
      readonly 'insecure-skip-tls-verify'?: boolean;
      readonly 'tls-server-name'?: string;
      readonly 'proxy-url'?: string;
    };
  }[];
  readonly users?: readonly {
    readonly name: string;
    readonly user: {
      readonly token?: string;
      readonly tokenFile?: string;
      readonly 'client-certificate'?: string;
      readonly 'client-certificate-data'?: string;
      readonly 'client-key'?: string;
      readonly 'client-key-data'?: string;
      readonly username?: string;
      readonly exec?: unknown;
      readonly 'auth-provider'?: unknown;
    };
  }[];
}

function plainConfig(text: string): PlainConfig | undefined {
  try {
    return JSON.parse(text) as PlainConfig;
  } catch {
    return undefined;
  }
}

function named<T extends { readonly name: string }>(list: readonly T[] | undefined, name: string | undefined): T | undefined {
  return list?.find((entry) => entry.name === name);
}

function contextMissing(path: string, name: string): DroverError {
  return new DroverError(
    'USAGE',
    path,
    name === '' ? 'no context is given and the kubeconfig has no current one' : `context ${name} is not complete there`,
  );
}
