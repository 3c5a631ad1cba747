import { DroverError } from '@drover/contract';

/** The keys of a source's secret, as bytes; undefined when there is no such secret. */
export interface SourceSecrets {
  read(namespace: string, name: string): Promise<ReadonlyMap<string, Uint8Array> | undefined>;
}

/** What git needs to know of a secret. */
export interface GitCredentials {
  /** Value of the header `Authorization`. */
  readonly authorization?: string;
  /** Certificates in PEM that are trusted instead of the system's. */
  readonly caCertificate?: string;
  /** Texts that must never be shown. */
  readonly secrets: readonly string[];
}

export const NO_CREDENTIALS: GitCredentials = { secrets: [] };

const MAX_SECRET = 64 * 1024;

/**
 * Reads `bearerToken`, or `username` and `password`, and `ca.crt`; one line end at their end is not theirs. A password
 * alone is a token: hosts take any user name beside it.
 *
 * @throws DroverError SECRET_MISSING when nothing of these is there, or what is there cannot be sent
 */
export function gitCredentials(subject: string, secret: ReadonlyMap<string, Uint8Array>): GitCredentials {
  const text = (key: string): string | undefined => {
    const bytes = secret.get(key);
    if (bytes === undefined) return undefined;
    if (bytes.length > MAX_SECRET) throw new DroverError('SECRET_MISSING', subject, `key ${key} holds more than ${MAX_SECRET} bytes`);
    return Buffer.from(bytes)
      .toString('utf8')
      .replace(/\r?\n$/, '');
  };
  const line = (key: string): string | undefined => {
    const value = text(key);
    if (value === undefined || value === '') return undefined;
    // A line end in a header would start another one.
    // oxlint-disable-next-line no-control-regex -- these are what is refused
    if (/[\u0000-\u001f\u007f]/.test(value)) throw new DroverError('SECRET_MISSING', subject, `key ${key} holds a control character`);
    return value;
  };
  const token = line('bearerToken');
  const password = line('password');
  const username = line('username') ?? 'git';
  const caCertificate = text('ca.crt');
  if (token === undefined && password === undefined && caCertificate === undefined) {
    // A public repository may still have a webhook.
    if (secret.has('webhook')) return NO_CREDENTIALS;
    const kept = [...secret.keys()].sort().join(', ') || 'nothing';
    throw new DroverError('SECRET_MISSING', subject, `it holds ${kept}; wanted is bearerToken, or username and password, or ca.crt`);
  }
  const basic = Buffer.from(`${username}:${password}`).toString('base64');
  const authorization = token !== undefined ? `Bearer ${token}` : password !== undefined ? `Basic ${basic}` : undefined;
  return {
    ...(authorization === undefined ? {} : { authorization }),
    ...(caCertificate === undefined ? {} : { caCertificate }),
    secrets: [token, password, ...(password === undefined ? [] : [basic])].filter((value) => value !== undefined),
  };
}

/** The configuration that sends the header to this URL's host alone. */
export function credentialConfig(url: string, credentials: GitCredentials): readonly (readonly [string, string])[] {
  if (credentials.authorization === undefined) return [];
  return [[`http.${new URL(url).origin}/.extraHeader`, `Authorization: ${credentials.authorization}`]];
}
