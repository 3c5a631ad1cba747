// An API server that misbehaves: a proxy in front of a real one that answers, delays, cuts off or holds back what a rule
// matches, and lists every request that went through.

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Agent, createServer, request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import type { KubeTarget, WatchEvent } from '../cluster/client.ts';
import { writeKubeconfig } from '../cluster/files.ts';
import { tempDir } from '../temp.ts';

/** What the request does, in the words of Kubernetes; `apply` is a patch by server-side apply. */
export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'apply' | 'delete' | 'deletecollection';

export type FaultAction =
  /** Answered without asking the server. */
  | {
      readonly type: 'status';
      readonly status: number;
      readonly reason?: string;
      readonly message?: string;
      readonly retryAfterSeconds?: number;
    }
  | { readonly type: 'delay'; readonly ms: number }
  /** Waits for `release()`, then goes on. */
  | { readonly type: 'hold' }
  /** The connection breaks; `after`: the server has done it and the answer is lost. */
  | { readonly type: 'reset'; readonly when: 'before' | 'after' }
  /** Watches: matching events are swallowed, or kept until `release()` and sent then. Without `event`: all of them. */
  | { readonly type: 'drop-events' | 'hold-events'; readonly event?: (event: WatchEvent) => boolean }
  /** Watches: ends the stream in the middle of its next event. */
  | { readonly type: 'cut-event' }
  /** Any change of your own to a successful answer that is not a watch. */
  | { readonly type: 'rewrite'; readonly body: (text: string) => string };

export interface FaultRule {
  readonly verb?: Verb | readonly Verb[];
  /** Tested against path and query. */
  readonly path?: RegExp;
  /** Only this one of the requests that match, counted from 1; or a judgement of the number. Without it: all. */
  readonly call?: number | ((nth: number) => boolean);
  /** Tested against the `User-Agent`. */
  readonly userAgent?: RegExp;
  readonly action: FaultAction;
}

export interface InjectedFault extends Disposable {
  /** Requests that verb, path and agent matched, whether or not their number did. */
  readonly matched: number;
  /** How often it acted: once a request, for events once an event. */
  readonly acted: number;
  /** Ends the rule and lets everything it holds go on. */
  release(): void;
}

export interface RecordedRequest {
  readonly verb: Verb;
  /** Path and query. */
  readonly path: string;
  readonly userAgent: string;
  /** 0 until it was answered, and when it never was. */
  readonly status: number;
}

export interface FaultProxyOptions {
  readonly target: KubeTarget & { readonly name: string; readonly keyFile: string };
  readonly port?: number;
}

export interface FaultProxy extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Works with a `kubeClient` too: same token and authority as the cluster's. */
  readonly token: string;
  readonly caFile: string;
  /** Of the same context name as the cluster's, but through the proxy. */
  readonly kubeconfig: string;
  readonly requests: readonly RecordedRequest[];
  clearRequests(): void;
  /** The first rule that acts wins. */
  inject(rule: FaultRule): InjectedFault;
  /** Ends all rules. */
  clear(): void;
  /** Resets every open connection: watches end, and whoever waits for an answer gets none. */
  resetConnections(): void;
}

interface Active extends InjectedFault {
  readonly action: FaultAction;
  matches(verb: Verb, path: string, userAgent: string): boolean;
  /** Counts a request that matched and tells whether the action is for it. */
  due(): boolean;
  act(): void;
  readonly released: Promise<void>;
}

export async function startFaultProxy({ target, port: wanted = 0 }: FaultProxyOptions): Promise<FaultProxy> {
  // The cluster's own certificate names the loopback address, so the proxy is trusted by whoever trusts the cluster.
  const [certificate, key] = await Promise.all([readFile(target.caFile), readFile(target.keyFile)]);
  const own = await tempDir('proxy');
  const agent = new Agent({ keepAlive: true, ca: certificate });
  const rules = new Set<Active>();
  let requests: { verb: Verb; path: string; userAgent: string; status: number }[] = [];

  const server = createServer({ cert: certificate, key }, (request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  server.requestTimeout = 0;
  server.on('clientError', (_error, socket) => socket.destroy());

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '/';
    const userAgent = request.headers['user-agent'] ?? '';
    const verb = verbOf(request);
    const record = { verb, path, userAgent, status: 0 };
    requests.push(record);
    response.on('error', () => undefined);
    const body = await readAll(request);
    const rule = [...rules].filter((one) => one.matches(verb, path, userAgent)).find((one) => one.due());
    const action = rule?.action;
    const aboutEvents = action?.type === 'drop-events' || action?.type === 'hold-events' || action?.type === 'cut-event';
    if (!aboutEvents) rule?.act();
    if (action?.type === 'status') {
      record.status = action.status;
      answerStatus(response, action);
      return;
    }
    if (action?.type === 'delay') await new Promise((done) => setTimeout(done, action.ms));
    if (action?.type === 'hold') await rule?.released;
    if (action?.type === 'reset' && action.when === 'before') {
      reset(response);
      return;
    }
    const upstream = await forward(request, response, body);
    if (action?.type === 'reset') {
      await readAll(upstream);
      reset(response);
      return;
    }
    record.status = upstream.statusCode ?? 0;
    upstream.on('error', () => response.destroy());
    const headers = { ...upstream.headers };
    if (action?.type === 'rewrite') {
      const text = (await readAll(upstream)).toString('utf8');
      delete headers['content-length'];
      response.writeHead(record.status, headers).end(record.status < 300 ? action.body(text) : text);
      return;
    }
    response.writeHead(record.status, headers);
    response.flushHeaders();
    if (verb === 'watch' && record.status === 200) await relayEvents(upstream, response, path, userAgent);
    else upstream.pipe(response);
  }

  function forward(request: IncomingMessage, response: ServerResponse, body: Buffer): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const { host: _host, connection: _connection, 'transfer-encoding': _encoding, ...headers } = request.headers;
      // Events have to be readable here.
      delete headers['accept-encoding'];
      const upstream = httpsRequest(
        new URL(request.url ?? '/', target.url),
        { method: request.method ?? 'GET', agent, headers: { ...headers, ...(body.length > 0 ? { 'content-length': body.length } : {}) } },
        resolve,
      );
      upstream.on('error', reject);
      response.on('close', () => upstream.destroy());
      upstream.end(body);
    });
  }

  /** Rules are asked for each event, so that a fault can be put on a watch that is open already. */
  async function relayEvents(upstream: IncomingMessage, response: ServerResponse, path: string, userAgent: string): Promise<void> {
    for await (const line of createInterface({ input: upstream })) {
      const event = JSON.parse(line) as WatchEvent;
      const rule = [...rules].find((one) => {
        const { action } = one;
        if (!one.matches('watch', path, userAgent)) return false;
        if (action.type === 'cut-event') return true;
        return (action.type === 'drop-events' || action.type === 'hold-events') && (action.event?.(event) ?? true);
      });
      rule?.act();
      if (rule?.action.type === 'drop-events') continue;
      if (rule?.action.type === 'hold-events') await rule.released;
      if (rule?.action.type === 'cut-event') {
        response.write(line.slice(0, line.length / 2));
        setImmediate(() => reset(response));
        return;
      }
      response.write(`${line}\n`);
    }
    response.end();
  }

  server.listen(wanted, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const url = `https://127.0.0.1:${port}`;
  const kubeconfig = join(own.path, 'kubeconfig');
  await writeKubeconfig(kubeconfig, { name: target.name, url, token: target.token, caFile: target.caFile });

  function clear(): void {
    for (const rule of rules) rule.release();
  }

  return {
    url,
    port,
    token: target.token,
    caFile: target.caFile,
    kubeconfig,
    get requests() {
      return requests;
    },
    clearRequests() {
      requests = [];
    },
    inject(rule) {
      const active = activate(rule, () => rules.delete(active));
      rules.add(active);
      return active;
    },
    clear,
    resetConnections: () => server.closeAllConnections(),
    async [Symbol.asyncDispose]() {
      clear();
      server.closeAllConnections();
      const closed = once(server, 'close');
      server.close();
      await closed;
      agent.destroy();
      await own[Symbol.asyncDispose]();
    },
  };
}

function activate(rule: FaultRule, remove: () => void): Active {
  const { promise: released, resolve } = Promise.withResolvers<void>();
  const verbs = rule.verb === undefined ? undefined : [rule.verb].flat();
  let matched = 0;
  let acted = 0;
  const release = (): void => {
    remove();
    resolve();
  };
  return {
    action: rule.action,
    released,
    get matched() {
      return matched;
    },
    get acted() {
      return acted;
    },
    matches: (verb, path, userAgent) =>
      (verbs?.includes(verb) ?? true) && (rule.path?.test(path) ?? true) && (rule.userAgent?.test(userAgent) ?? true),
    due() {
      matched += 1;
      return rule.call === undefined || (typeof rule.call === 'number' ? rule.call === matched : rule.call(matched));
    },
    act() {
      acted += 1;
    },
    release,
    [Symbol.dispose]: release,
  };
}

const WRITES: Readonly<Record<string, Verb>> = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' };

function verbOf(request: IncomingMessage): Verb {
  const url = new URL(request.url ?? '/', 'https://localhost');
  const collection = isCollection(url.pathname);
  const write = WRITES[request.method ?? ''];
  if (write === 'patch') return /apply-patch/.test(request.headers['content-type'] ?? '') ? 'apply' : 'patch';
  if (write === 'delete') return collection ? 'deletecollection' : 'delete';
  if (write !== undefined) return write;
  if (/^(true|1)$/.test(url.searchParams.get('watch') ?? '')) return 'watch';
  return collection ? 'list' : 'get';
}

/** Whether a path names a collection: `/api/v1[/namespaces/x]/things`, `/apis/group/v1[/namespaces/x]/things`. */
function isCollection(path: string): boolean {
  const parts = path.split('/').slice(1);
  const rest = parts[0] === 'api' ? parts.slice(2) : parts[0] === 'apis' ? parts.slice(3) : [];
  if (rest[0] === 'namespaces' && rest.length > 2) return rest.length === 3;
  return rest.length === 1;
}

function answerStatus(response: ServerResponse, action: Extract<FaultAction, { type: 'status' }>): void {
  const { status, reason = '', message = 'injected by the testbed', retryAfterSeconds } = action;
  if (retryAfterSeconds !== undefined) response.setHeader('retry-after', retryAfterSeconds);
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', message, reason, code: status }));
}

function reset(response: ServerResponse): void {
  response.socket?.destroy();
}

async function readAll(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
