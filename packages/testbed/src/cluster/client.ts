// A Kubernetes client for tests, on purpose not the product's: what the product did is judged through other code.

import { readFile } from 'node:fs/promises';
import { Agent, request as httpsRequest } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { StringDecoder } from 'node:string_decoder';

/** Any Kubernetes object, as the server sent it. Loosely typed: tests look into all of it. */
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    uid?: string;
    resourceVersion?: string;
    generation?: number;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    deletionTimestamp?: string;
    finalizers?: string[];
    managedFields?: { manager: string; operation: string; subresource?: string; fieldsV1?: unknown }[];
    [field: string]: unknown;
  };
  // oxlint-disable-next-line typescript/no-explicit-any -- a test reads whatever the server may have put there
  [field: string]: any;
}

export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: KubeObject;
}

export interface KubeResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** An answer that is not a success. */
export class KubeError extends Error {
  readonly status: number;
  /** Of the Status object, for example `AlreadyExists`; empty when the answer was none. */
  readonly reason: string;
  constructor(method: string, path: string, response: KubeResponse) {
    const said = parseStatus(response.text);
    super(`${method} ${path}: ${response.status} ${said.message ?? response.text.slice(0, 300)}`);
    this.name = 'KubeError';
    this.status = response.status;
    this.reason = said.reason ?? '';
  }
}

export interface RequestOptions {
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export interface DeleteOptions {
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
  readonly gracePeriodSeconds?: number;
}

/** Paths are those of the API server, as `/api/v1/namespaces/default/configmaps/a`. */
export interface KubeClient extends Disposable {
  /** Any request; a refusal is an answer here, not an exception. */
  request(method: string, path: string, body?: unknown, options?: RequestOptions): Promise<KubeResponse>;
  get(path: string): Promise<KubeObject>;
  /** Undefined when there is none. */
  find(path: string): Promise<KubeObject | undefined>;
  list(path: string): Promise<KubeObject[]>;
  create(collection: string, object: unknown): Promise<KubeObject>;
  replace(path: string, object: unknown): Promise<KubeObject>;
  /** Server-side apply, with force unless told otherwise; the manager is `testbed` by default. */
  apply(path: string, object: unknown, options?: { readonly manager?: string; readonly force?: boolean }): Promise<KubeObject>;
  patch(path: string, patch: unknown, type?: 'merge' | 'strategic' | 'json'): Promise<KubeObject>;
  /** True when something was deleted, false when there was nothing. */
  delete(path: string, options?: DeleteOptions): Promise<boolean>;
  /** Events as they come; ends when the server ends it or the signal aborts. */
  watch(path: string, signal: AbortSignal, resourceVersion?: string): AsyncGenerator<WatchEvent, void>;
}

const PATCH_TYPES = {
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  json: 'application/json-patch+json',
} as const;

export interface KubeTarget {
  readonly url: string;
  readonly token: string;
  readonly caFile: string;
}

export function kubeClient(target: KubeTarget): KubeClient {
  const agent = new Agent({ keepAlive: true });
  let ca: string | undefined;

  async function open(method: string, path: string, body: unknown, options: RequestOptions): Promise<IncomingMessage> {
    ca ??= await readFile(target.caFile, 'utf8');
    const trusted = ca;
    const sent = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
    return await new Promise((resolve, reject) => {
      const request = httpsRequest(
        new URL(path, target.url),
        {
          method,
          agent,
          ca: trusted,
          headers: {
            authorization: `Bearer ${target.token}`,
            accept: 'application/json',
            ...(sent === undefined
              ? {}
              : { 'content-type': options.contentType ?? 'application/json', 'content-length': Buffer.byteLength(sent) }),
            ...options.headers,
          },
          ...(options.signal === undefined ? {} : { signal: options.signal }),
        },
        resolve,
      );
      request.on('error', (error) => {
        // The server writes its certificate when it starts: it may have been read half written.
        ca = undefined;
        reject(error);
      });
      request.end(sent);
    });
  }

  async function request(method: string, path: string, body?: unknown, options: RequestOptions = {}): Promise<KubeResponse> {
    const response = await open(method, path, body, options);
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    return { status: response.statusCode ?? 0, headers: response.headers, text: Buffer.concat(chunks).toString('utf8') };
  }

  async function ask(method: string, path: string, body?: unknown, options?: RequestOptions): Promise<KubeObject> {
    const response = await request(method, path, body, options);
    if (response.status < 200 || response.status > 299) throw new KubeError(method, path, response);
    return JSON.parse(response.text) as KubeObject;
  }

  async function find(path: string): Promise<KubeObject | undefined> {
    try {
      return await ask('GET', path);
    } catch (error) {
      if (error instanceof KubeError && error.status === 404) return undefined;
      throw error;
    }
  }

  return {
    request,
    find,
    get: (path) => ask('GET', path),
    async list(path) {
      const { items } = (await ask('GET', path)) as unknown as { items: KubeObject[] };
      return items;
    },
    create: (collection, object) => ask('POST', collection, object),
    replace: (path, object) => ask('PUT', path, object),
    apply(path, object, { manager = 'testbed', force = true } = {}) {
      const query = `fieldManager=${encodeURIComponent(manager)}&force=${force}`;
      return ask('PATCH', `${path}?${query}`, object, { contentType: 'application/apply-patch+yaml' });
    },
    patch: (path, patch, type = 'merge') => ask('PATCH', path, patch, { contentType: PATCH_TYPES[type] }),
    async delete(path, options = {}) {
      const response = await request('DELETE', path, { apiVersion: 'v1', kind: 'DeleteOptions', ...options });
      if (response.status === 404) return false;
      if (response.status > 299) throw new KubeError('DELETE', path, response);
      return true;
    },
    async *watch(path, signal, resourceVersion) {
      const query = new URLSearchParams({ watch: 'true' });
      if (resourceVersion !== undefined) query.set('resourceVersion', resourceVersion);
      const url = `${path}${path.includes('?') ? '&' : '?'}${query.toString()}`;
      try {
        const response = await open('GET', url, undefined, { signal });
        if (response.statusCode !== 200) {
          const chunks: Buffer[] = [];
          for await (const chunk of response) chunks.push(chunk as Buffer);
          const text = Buffer.concat(chunks).toString('utf8');
          throw new KubeError('GET', url, { status: response.statusCode ?? 0, headers: response.headers, text });
        }
        // Not readline: it has nobody who hears of an abort while the taker is busy with a line.
        const decoder = new StringDecoder('utf8');
        let rest = '';
        for await (const chunk of response) {
          const lines = (rest + decoder.write(chunk as Buffer)).split('\n');
          rest = lines.pop() ?? '';
          for (const line of lines) if (line !== '') yield JSON.parse(line) as WatchEvent;
        }
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    },
    [Symbol.dispose]() {
      agent.destroy();
    },
  };
}

function parseStatus(text: string): { message?: string; reason?: string } {
  try {
    return JSON.parse(text) as { message?: string; reason?: string };
  } catch {
    return {};
  }
}
