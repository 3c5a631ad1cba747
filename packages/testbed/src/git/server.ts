// Repositories over smart HTTP: git's own server behind basic auth, which tells a webhook of every push and can be made
// to misbehave.

import { spawn } from 'node:child_process';
import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createGunzip } from 'node:zlib';

import { tempDir } from '../temp.ts';
import { cloneRepository } from './clone.ts';
import type { WorkingClone } from './clone.ts';
import { GIT_ENV, git } from './git.ts';

export interface GitServerOptions {
  /** Where the bare repositories are; it stays. Without it a temporary folder, removed at the end. */
  readonly dir?: string;
  /** Basic auth for everything; without it everybody may read and push. */
  readonly auth?: { readonly user: string; readonly password: string };
  readonly webhook?: Webhook;
  /** A free one by default. */
  readonly port?: number;
}

/**
 * Called after each push, once for each ref, by POST with the body `{ repository, ref, before, after }` and the header
 * `X-Signature: sha256=<hex of the HMAC of the body>`.
 */
export interface Webhook {
  readonly url: string;
  readonly secret: string;
}

export type GitFault =
  /** Takes the request and never answers. */
  | { readonly type: 'stall' }
  | { readonly type: 'status'; readonly status: number }
  /** Breaks the connection after this many bytes of the body. */
  | { readonly type: 'truncate'; readonly bytes: number };

/** `read`: fetching and cloning, their advertisement included; `write`: pushing. */
export type GitService = 'read' | 'write';

export interface GitServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly dir: string;
  /** Requests so far, by what they were for. */
  readonly requests: Readonly<Record<GitService, number>>;
  /** Makes an empty repository whose default branch is `main`. */
  createRepository(name: string): Promise<ServedRepository>;
  setWebhook(webhook: Webhook | undefined): void;
  setAuth(auth: GitServerOptions['auth']): void;
  /** Every request of the service behaves so until the next call; undefined ends it, and what stalls is cut off. */
  setFault(fault: GitFault | undefined, service?: GitService): void;
}

export interface ServedRepository {
  readonly name: string;
  /** Without credentials. */
  readonly url: string;
  /** With them, where the server asks for some. */
  readonly authUrl: string;
  /** The bare repository. */
  readonly path: string;
  clone(dir?: string): Promise<WorkingClone>;
  remove(): Promise<void>;
  rename(name: string): Promise<ServedRepository>;
}

const HOOK = '#!/bin/sh\nexec cat >>"$DROVER_TESTBED_PUSHED"\n';

export async function startGitServer(options: GitServerOptions = {}): Promise<GitServer> {
  const own = await tempDir('git');
  const dir = options.dir ?? join(own.path, 'repositories');
  await mkdir(dir, { recursive: true, mode: 0o700 });
  let { auth, webhook } = options;
  const faults = new Map<GitService, GitFault>();
  const stalled = new Map<GitService, Set<ServerResponse>>([
    ['read', new Set()],
    ['write', new Set()],
  ]);
  const requests = { read: 0, write: 0 };
  const calls = new Set<Promise<void>>();

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      if (!response.headersSent) response.writeHead(500);
      response.end(String(error));
    });
  });
  server.requestTimeout = 0;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const service: GitService = `${url.pathname}${url.search}`.includes('git-receive-pack') ? 'write' : 'read';
    requests[service] += 1;
    const fault = faults.get(service);
    if (fault?.type === 'stall') {
      stalled.get(service)?.add(response);
      return;
    }
    if (fault?.type === 'status') {
      response.writeHead(fault.status, { 'content-type': 'text/plain' }).end('injected by the testbed\n');
      return;
    }
    if (auth !== undefined && !isAuthorized(request.headers.authorization, auth)) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="testbed"' }).end();
      return;
    }
    const pushed = join(own.path, randomUUID());
    await serve(request, response, { url, dir, user: auth?.user, pushed, truncateAt: fault?.bytes });
    const lines = await readFile(pushed, 'utf8').catch(() => '');
    await rm(pushed, { force: true });
    for (const line of lines.split('\n')) {
      const [before, after, ref] = line.split(' ');
      if (before === undefined || after === undefined || ref === undefined || webhook === undefined) continue;
      const repository = decodeURIComponent(url.pathname.split('/')[1] ?? '').replace(/\.git$/, '');
      const call = notify(webhook, { repository, ref, before, after }).finally(() => calls.delete(call));
      calls.add(call);
    }
  }

  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;

  function served(name: string): ServedRepository {
    const path = join(dir, `${name}.git`);
    const repository: ServedRepository = {
      name,
      path,
      url: `${url}/${name}.git`,
      get authUrl() {
        const withUser = new URL(repository.url);
        withUser.username = auth?.user ?? '';
        withUser.password = auth?.password ?? '';
        return withUser.toString();
      },
      clone: (to) => cloneRepository(repository.authUrl, to),
      remove: () => rm(path, { recursive: true, force: true }),
      async rename(to) {
        await rename(path, join(dir, `${to}.git`));
        return served(to);
      },
    };
    return repository;
  }

  return {
    url,
    port,
    dir,
    requests,
    async createRepository(name) {
      const repository = served(name);
      await git(dir, 'init', '--quiet', '--bare', '--initial-branch=main', repository.path);
      await git(repository.path, 'config', 'http.receivepack', 'true');
      await git(repository.path, 'config', 'uploadpack.allowReachableSHA1InWant', 'true');
      await git(repository.path, 'config', 'uploadpack.allowFilter', 'true');
      await git(repository.path, 'config', 'gc.auto', '0');
      await mkdir(join(repository.path, 'hooks'), { recursive: true });
      await writeFile(join(repository.path, 'hooks', 'post-receive'), HOOK, { mode: 0o755 });
      return repository;
    },
    setWebhook(next) {
      webhook = next;
    },
    setAuth(next) {
      auth = next;
    },
    setFault(fault, service) {
      for (const one of service === undefined ? (['read', 'write'] as const) : [service]) {
        if (fault === undefined) faults.delete(one);
        else faults.set(one, fault);
        for (const response of stalled.get(one) ?? []) response.destroy();
        stalled.get(one)?.clear();
      }
    },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await Promise.all(calls);
      await own[Symbol.asyncDispose]();
    },
  };
}

function isAuthorized(header: string | undefined, auth: { user: string; password: string }): boolean {
  const wanted = Buffer.from(`Basic ${Buffer.from(`${auth.user}:${auth.password}`).toString('base64')}`);
  const given = Buffer.from(header ?? '');
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

interface Served {
  readonly url: URL;
  readonly dir: string;
  readonly user: string | undefined;
  /** The hook appends a line for each ref here. */
  readonly pushed: string;
  readonly truncateAt: number | undefined;
}

/** One request through git's CGI program. */
async function serve(request: IncomingMessage, response: ServerResponse, served: Served): Promise<void> {
  const child = spawn('git', ['http-backend'], {
    env: {
      ...GIT_ENV,
      GIT_PROJECT_ROOT: served.dir,
      GIT_HTTP_EXPORT_ALL: '1',
      DROVER_TESTBED_PUSHED: served.pushed,
      PATH_INFO: decodeURIComponent(served.url.pathname),
      QUERY_STRING: served.url.search.slice(1),
      REQUEST_METHOD: request.method ?? 'GET',
      REMOTE_ADDR: '127.0.0.1',
      REMOTE_USER: served.user ?? '',
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const closed = once(child, 'close');
  child.stdin.on('error', () => undefined);
  const body = request.headers['content-encoding'] === 'gzip' ? request.pipe(createGunzip()) : request;
  body.on('error', () => child.kill());
  body.pipe(child.stdin);
  response.on('close', () => child.kill());
  let head: Buffer | undefined = Buffer.alloc(0);
  let left = served.truncateAt ?? Number.POSITIVE_INFINITY;
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
    let rest = chunk;
    if (head !== undefined) {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) continue;
      writeHead(response, head.subarray(0, end).toString('latin1'));
      rest = head.subarray(end + 4);
      head = undefined;
    }
    response.write(rest.subarray(0, left));
    left -= rest.length;
    if (left <= 0) {
      // Let what was written reach the client before the line breaks.
      response.socket?.end();
      return;
    }
  }
  await closed;
  if (head !== undefined) response.writeHead(502);
  response.end();
}

function writeHead(response: ServerResponse, text: string): void {
  let status = 200;
  for (const line of text.split('\r\n')) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1).trim();
    if (name.toLowerCase() === 'status') status = Number.parseInt(value, 10);
    else response.appendHeader(name, value);
  }
  response.writeHead(status);
}

/** A hub that is down misses the call, as it would from any forge; polling finds the push later. */
async function notify(webhook: Webhook, event: { repository: string; ref: string; before: string; after: string }): Promise<void> {
  const body = JSON.stringify(event);
  const signature = createHmac('sha256', webhook.secret).update(body).digest('hex');
  try {
    const answer = await fetch(webhook.url, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json', 'x-signature': `sha256=${signature}` },
      signal: AbortSignal.timeout(10_000),
    });
    await answer.arrayBuffer();
  } catch {
    // See above.
  }
}
