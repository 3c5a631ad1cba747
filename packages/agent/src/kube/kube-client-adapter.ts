import type { Clock, JsonObject, Logger, ObjectRef, Random } from '@drover/contract';
import { DroverError, groupOf, parseJson, showRef, versionOf } from '@drover/contract';
import { Agent, request as send } from 'undici';
import type { Dispatcher } from 'undici';
import type { Credentials } from './credentials-adapter.ts';
import type { ApiIndex } from './discovery.ts';
import { DISCOVERY_TYPE, allKinds, lookupKind, readDiscovery } from './discovery.ts';
import type { Asked, Failure } from './failure.ts';
import { connectionFailure, failureOf, isTlsFailure, outcomeUnknown } from './failure.ts';
import { linesOf } from './lines.ts';
import { apiVersionOf, collectionPath, objectPath, showResource } from './paths.ts';
import { retryVerdict } from './retry.ts';
import { createSlots } from './slots.ts';
import type { ApplyOptions, DeleteOptions, Kube, KindInfo, KindLookup, ListOptions, ListPage, LiveObject, WatchEvent } from './types.ts';

export interface KubeClientDeps {
  readonly credentials: Credentials;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Header `User-Agent`: tells the agents of one cluster apart in its audit log. */
  readonly userAgent?: string;
  /** Most writes in flight; 16. */
  readonly maxWrites?: number;
  /** Objects in one page of a list; 100: a page is held in memory at once. */
  readonly pageSize?: number;
  /** A watch without event or bookmark for this long ends; 90 s: bookmarks come about once a minute, where there is news. */
  readonly watchSilenceMs?: number;
  /** Time that a watch asks for at least, up to twice of it; 5 minutes. */
  readonly watchMs?: number;
}

export interface KubeClient extends Kube, AsyncDisposable {}

/** An API server may call several webhooks, each for up to 30 s, before it answers. */
const ANSWER_TIMEOUT_MS = 65_000;
const MAX_EVENT_BYTES = 8 * 1024 * 1024;
const MAX_RESTARTED_LISTS = 3;
const MIN_DISCOVERY_AGE_MS = 1_000;

interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With query. */
  readonly path: string;
  readonly accept?: string;
  readonly contentType?: string;
  readonly body?: string;
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly warnings: readonly string[];
}

/** The Kubernetes API over HTTPS; see {@link Kube} for what it promises. */
export function createKubeClient(deps: KubeClientDeps): KubeClient {
  const { credentials, clock, random, pageSize = 100, watchSilenceMs = 90_000, watchMs = 300_000, userAgent = 'drover-agent' } = deps;
  const log = deps.log.child({ server: credentials.server });
  const slots = createSlots(deps.maxWrites ?? 16);
  const closed = new AbortController();
  let agents: Promise<{ readonly calls: Agent; readonly watches: Agent }> | undefined;
  let discovered: { readonly at: number; readonly index: Promise<ApiIndex> } | undefined;

  /** Two pools, as only watches may stay silent for long. */
  async function openAgents(): Promise<{ readonly calls: Agent; readonly watches: Agent }> {
    const connect = { ...(await credentials.tls()), timeout: 10_000 };
    // Without HTTP/2: aborting a PUT there makes undici 8.12 send empty frames for ever, until memory ends (verified).
    const shared = { connect, pipelining: 1, headersTimeout: ANSWER_TIMEOUT_MS, allowH2: false };
    return {
      calls: new Agent({ ...shared, connections: 32, bodyTimeout: ANSWER_TIMEOUT_MS, keepAliveTimeout: 30_000 }),
      watches: new Agent({ ...shared, bodyTimeout: 0, keepAliveTimeout: 1_000 }),
    };
  }

  /** Certificates may have been renewed on disk: the next request reads them again. */
  function dropAgents(): void {
    const old = agents;
    agents = undefined;
    old?.then(({ calls, watches }) => Promise.all([calls.close(), watches.close()])).catch(() => undefined);
  }

  async function once(pool: 'calls' | 'watches', call: Call, refused: boolean, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    agents ??= openAgents();
    const { [pool]: dispatcher } = await agents.catch((thrown: unknown) => {
      agents = undefined;
      throw thrown;
    });
    const authorization = await credentials.authorization(refused);
    return await send(`${credentials.server}${call.path}`, {
      dispatcher,
      method: call.method,
      signal,
      // A DELETE with a body would cost its connection otherwise.
      reset: false,
      headers: {
        accept: call.accept ?? 'application/json',
        'user-agent': userAgent,
        ...(authorization === undefined ? {} : { authorization }),
        ...(call.contentType === undefined ? {} : { 'content-type': call.contentType }),
      },
      ...(call.body === undefined ? {} : { body: call.body }),
    });
  }

  async function attempt(asked: Asked, call: Call, refused: boolean, signal: AbortSignal): Promise<Answer | Failure> {
    try {
      const { statusCode, headers, body } = await once('calls', call, refused, signal);
      const text = await body.text();
      if (statusCode < 300) return { status: statusCode, text, warnings: warningsOf(headers['warning']) };
      const retryAfter = headers['retry-after'];
      return failureOf(asked, { status: statusCode, text, ...(typeof retryAfter === 'string' ? { retryAfter } : {}) });
    } catch (thrown) {
      signal.throwIfAborted();
      if (thrown instanceof DroverError) return { error: thrown, outcome: 'Final' };
      if (isTlsFailure(thrown)) dropAgents();
      return connectionFailure(asked, thrown);
    }
  }

  async function ask(asked: Asked, call: Call, given: AbortSignal): Promise<Answer> {
    const signal = AbortSignal.any([given, closed.signal]);
    const write = call.method !== 'GET';
    let refused = false;
    for (let sent = 1; ; sent += 1) {
      const run = (): Promise<Answer | Failure> => attempt(asked, call, refused, signal);
      const result = write ? await slots.run(run, signal) : await run();
      if (!('error' in result)) return result;
      const { error } = result;
      // A refused token is read anew once; after that the server means it.
      if (error.code === 'KUBE_FORBIDDEN' && refused) throw error;
      refused = error.code === 'KUBE_FORBIDDEN';
      const verdict = retryVerdict(asked, result, sent, random.fraction());
      if (verdict.type === 'unknown') throw outcomeUnknown(asked, result);
      if (verdict.type === 'give-up') throw error;
      log.debug({ verb: asked.verb, subject: asked.subject, code: error.code, afterMs: verdict.afterMs }, 'request is sent again');
      await clock.sleep(verdict.afterMs, signal);
    }
  }

  function read(answer: Answer): JsonObject {
    return parseJson(answer.text) as JsonObject;
  }

  async function discover(maxAgeMs: number, signal: AbortSignal): Promise<ApiIndex> {
    const now = clock.monotonic();
    if (discovered === undefined || now - discovered.at > maxAgeMs) {
      // One read serves all who wait, so it must not end with the first of them.
      const index = readIndex(closed.signal);
      index.catch(() => {
        if (discovered?.index === index) discovered = undefined;
      });
      discovered = { at: now, index };
    }
    return await settled(discovered.index, signal);
  }

  async function readIndex(signal: AbortSignal): Promise<ApiIndex> {
    const documents = await Promise.all(
      ['/api', '/apis'].map(async (path) => {
        const asked: Asked = { verb: 'get', subject: 'discovery', resource: path, secret: false };
        return read(await ask(asked, { method: 'GET', path, accept: DISCOVERY_TYPE }, signal));
      }),
    );
    return readDiscovery(documents);
  }

  async function lookup(apiVersion: string, kind: string, signal: AbortSignal, fresh = false): Promise<KindLookup> {
    const group = groupOf(apiVersion);
    const version = versionOf(apiVersion);
    try {
      const known = lookupKind(await discover(fresh ? MIN_DISCOVERY_AGE_MS : Infinity, signal), group, version, kind);
      // What was not there may have come since: a miss is always judged by what the server says now.
      const found =
        known.type === 'served' || fresh ? known : lookupKind(await discover(MIN_DISCOVERY_AGE_MS, signal), group, version, kind);
      return found.type === 'unlisted' ? await lookupRegistration(group, signal) : found;
    } catch (thrown) {
      signal.throwIfAborted();
      return { type: 'unavailable', message: DroverError.from(thrown, 'discovery').message };
    }
  }

  /** A group that discovery does not list may be one that it has not read yet: what is registered decides. */
  async function lookupRegistration(group: string, signal: AbortSignal): Promise<KindLookup> {
    const asked: Asked = { verb: 'list', subject: 'discovery', resource: 'apiservices.apiregistration.k8s.io', secret: false };
    const { items } = listPage(
      asked,
      read(await ask(asked, { method: 'GET', path: '/apis/apiregistration.k8s.io/v1/apiservices' }, signal)),
    );
    const registered = (items as readonly { readonly spec?: { readonly group?: string } }[]).some(
      ({ spec }) => (spec?.group ?? '') === group,
    );
    return registered ? { type: 'unavailable', message: `${group} is registered, but discovery does not list it yet` } : { type: 'absent' };
  }

  async function getObject(kind: KindInfo, ref: ObjectRef, signal: AbortSignal): Promise<LiveObject | undefined> {
    try {
      return live(read(await ask(about('get', kind, ref), { method: 'GET', path: objectPath(kind, ref) }, signal)), kind);
    } catch (thrown) {
      if (thrown instanceof DroverError && thrown.code === 'NOT_FOUND') return undefined;
      throw thrown;
    }
  }

  async function scan(kind: KindInfo, options: ListOptions, visit: (object: LiveObject) => void, signal: AbortSignal): Promise<string> {
    const asked = aboutKind('list', kind);
    for (let restarts = 0; ; restarts += 1) {
      try {
        return await scanOnce(asked, kind, options, visit, signal);
      } catch (thrown) {
        // Its snapshot has expired between two pages: pages of two snapshots make no list.
        const expired = thrown instanceof DroverError && thrown.code === 'KUBE_WATCH_EXPIRED';
        if (!expired || restarts === MAX_RESTARTED_LISTS) throw thrown;
      }
    }
  }

  async function scanOnce(
    asked: Asked,
    kind: KindInfo,
    options: ListOptions,
    visit: (object: LiveObject) => void,
    signal: AbortSignal,
  ): Promise<string> {
    let version = '';
    let next = '';
    do {
      const query = new URLSearchParams({ limit: String(pageSize) });
      if (options.labelSelector !== undefined) query.set('labelSelector', options.labelSelector);
      if (next !== '') query.set('continue', next);
      const path = `${collectionPath(kind, options.namespace)}?${query.toString()}`;
      const page = listPage(asked, read(await ask(asked, { method: 'GET', path }, signal)));
      for (const item of page.items) visit(live(item, kind));
      ({ version, next } = page);
    } while (next !== '');
    return version;
  }

  async function write(
    kind: KindInfo,
    ref: ObjectRef,
    verb: 'create' | 'update' | 'patch',
    call: Call,
    signal: AbortSignal,
  ): Promise<LiveObject> {
    return live(read(await ask(about(verb, kind, ref), call, signal)), kind);
  }

  async function* watch(
    kind: KindInfo,
    options: { readonly labelSelector?: string; readonly resourceVersion: string },
    given: AbortSignal,
  ): AsyncGenerator<WatchEvent, void> {
    const asked = aboutKind('watch', kind);
    const lasts = Math.round(watchMs * (1 + random.fraction()));
    const query = new URLSearchParams({
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: options.resourceVersion,
      timeoutSeconds: String(Math.ceil(lasts / 1000)),
    });
    if (options.labelSelector !== undefined) query.set('labelSelector', options.labelSelector);
    const silence = new AbortController();
    const signal = AbortSignal.any([given, closed.signal, silence.signal]);
    const opened = clock.monotonic();
    let heard = opened;
    guardSilence(() => heard, silence, AbortSignal.any([given, closed.signal]));
    try {
      const response = await once(
        'watches',
        { method: 'GET', path: `${collectionPath(kind, undefined)}?${query.toString()}` },
        false,
        signal,
      );
      if (response.statusCode !== 200) {
        const { error } = failureOf(asked, { status: response.statusCode, text: await response.body.text() });
        if (response.statusCode === 401) await credentials.authorization(true);
        throw error;
      }
      for await (const line of linesOf(response.body as AsyncIterable<Uint8Array>, MAX_EVENT_BYTES)) {
        heard = clock.monotonic();
        yield eventOf(asked, kind, line);
      }
    } catch (thrown) {
      if (given.aborted || closed.signal.aborted) return;
      // A quiet kind and a stalled connection look alike; opening it again from the same version tells them apart.
      if (silence.signal.aborted) return;
      if (thrown instanceof DroverError) throw thrown;
      if (isTlsFailure(thrown)) dropAgents();
      throw new DroverError('KUBE_WATCH_FAILED', asked.subject, connectionFailure(asked, thrown).error.what, { cause: thrown });
    } finally {
      silence.abort();
    }
    if (clock.monotonic() - opened < lasts - 1_000)
      throw new DroverError('KUBE_WATCH_FAILED', asked.subject, 'the server ended it before its time');
  }

  /** Aborts `silence` once nothing was heard for too long; ends when `silence` is aborted by anybody. */
  function guardSilence(heard: () => number, silence: AbortController, outer: AbortSignal): void {
    const signal = AbortSignal.any([outer, silence.signal]);
    const wait = async (): Promise<void> => {
      for (;;) {
        const left = heard() + watchSilenceMs - clock.monotonic();
        if (left <= 0) return silence.abort();
        await clock.sleep(left, signal);
      }
    };
    wait().catch(() => undefined);
  }

  return {
    async version(signal) {
      const asked: Asked = { verb: 'get', subject: 'version', resource: '/version', secret: false };
      const { gitVersion } = read(await ask(asked, { method: 'GET', path: '/version' }, signal));
      return typeof gitVersion === 'string' ? gitVersion : '';
    },
    lookup,
    async kinds(signal) {
      try {
        return allKinds(await discover(MIN_DISCOVERY_AGE_MS, signal));
      } catch (thrown) {
        signal.throwIfAborted();
        log.warn({ err: thrown }, 'discovery could not be read');
        return undefined;
      }
    },
    get: getObject,
    async list(kind, options, signal): Promise<ListPage> {
      const items = new Map<string, LiveObject>();
      const resourceVersion = await scan(kind, options, (object) => items.set(object.metadata.uid, object), signal);
      return { items: [...items.values()], resourceVersion };
    },
    scan,
    async revision(kind, signal) {
      const asked = aboutKind('list', kind);
      return listPage(asked, read(await ask(asked, { method: 'GET', path: `${collectionPath(kind, undefined)}?limit=1` }, signal))).version;
    },
    async apply(kind, ref, json, options: ApplyOptions, signal) {
      const query = new URLSearchParams({
        fieldManager: options.fieldManager,
        force: String(options.force),
        fieldValidation: options.fieldValidation ?? 'Strict',
        ...(options.dryRun === true ? { dryRun: 'All' } : {}),
      });
      const path = `${objectPath(kind, ref)}?${query.toString()}`;
      const call: Call = { method: 'PATCH', path, contentType: 'application/apply-patch+yaml', body: json };
      const answer = await ask(about('apply', kind, ref), call, signal);
      return { object: live(read(answer), kind), created: answer.status === 201, warnings: answer.warnings };
    },
    create(kind, namespace, json, signal) {
      const ref: ObjectRef = { group: kind.group, kind: kind.kind, name: nameIn(json), ...(namespace === undefined ? {} : { namespace }) };
      const call: Call = {
        method: 'POST',
        path: `${collectionPath(kind, namespace)}?fieldValidation=Strict`,
        contentType: 'application/json',
        body: json,
      };
      return write(kind, ref, 'create', call, signal);
    },
    replace(kind, ref, json, signal) {
      const call: Call = { method: 'PUT', path: objectPath(kind, ref), contentType: 'application/json', body: json };
      return write(kind, ref, 'update', call, signal);
    },
    patch(kind, ref, json, signal) {
      const call: Call = { method: 'PATCH', path: objectPath(kind, ref), contentType: 'application/json-patch+json', body: json };
      return write(kind, ref, 'patch', call, signal);
    },
    async delete(kind, ref, options: DeleteOptions, signal) {
      const { uid, resourceVersion, propagation } = options;
      const body = JSON.stringify({
        apiVersion: 'v1',
        kind: 'DeleteOptions',
        preconditions: { uid, resourceVersion },
        propagationPolicy: propagation,
      });
      try {
        await ask(
          about('delete', kind, ref),
          { method: 'DELETE', path: objectPath(kind, ref), contentType: 'application/json', body },
          signal,
        );
        return 'accepted';
      } catch (thrown) {
        if (thrown instanceof DroverError && thrown.code === 'NOT_FOUND') return 'gone';
        throw thrown;
      }
    },
    watch,
    async [Symbol.asyncDispose]() {
      closed.abort(new DroverError('KUBE_UNREACHABLE', credentials.server, 'the client is closed'));
      const open = await agents?.catch(() => undefined);
      await Promise.all([open?.calls.destroy(), open?.watches.destroy()]);
    },
  };
}

function about(verb: Asked['verb'], kind: KindInfo, ref: ObjectRef): Asked {
  return { verb, subject: showRef(ref), resource: showResource(kind), secret: isSecret(kind), name: ref.name };
}

function aboutKind(verb: Asked['verb'], kind: KindInfo): Asked {
  return { verb, subject: showResource(kind), resource: showResource(kind), secret: isSecret(kind) };
}

function isSecret(kind: KindInfo): boolean {
  return kind.group === '' && kind.kind === 'Secret';
}

/** Items of lists come without their kind. */
function live(object: object, kind: KindInfo): LiveObject {
  return { apiVersion: apiVersionOf(kind), kind: kind.kind, ...object } as LiveObject;
}

function listPage(asked: Asked, value: JsonObject): { readonly items: readonly object[]; readonly version: string; readonly next: string } {
  const { items } = value;
  const { resourceVersion, continue: next } = (value['metadata'] ?? {}) as {
    readonly resourceVersion?: unknown;
    readonly continue?: unknown;
  };
  // An answer that is no list would read as an empty one.
  if (!(Array.isArray(items) || items === null) || typeof resourceVersion !== 'string') {
    throw new DroverError('KUBE_BUSY', asked.subject, 'the answer to a list is no list');
  }
  return { items: (items ?? []) as object[], version: resourceVersion, next: typeof next === 'string' ? next : '' };
}

const EVENT_TYPES: Readonly<Record<string, 'Added' | 'Modified' | 'Deleted' | undefined>> = {
  ADDED: 'Added',
  MODIFIED: 'Modified',
  DELETED: 'Deleted',
};

function eventOf(asked: Asked, kind: KindInfo, line: string): WatchEvent {
  const { type, object } = parseJson(line) as unknown as {
    readonly type: string;
    readonly object: LiveObject & { readonly code?: number };
  };
  if (type === 'BOOKMARK') return { type: 'Bookmark', resourceVersion: object.metadata.resourceVersion };
  const known = EVENT_TYPES[type];
  if (known !== undefined) return { type: known, object: live(object, kind) };
  const { error } = failureOf(asked, { status: object.code ?? 500, text: JSON.stringify(object) });
  throw error.code === 'KUBE_WATCH_EXPIRED' ? error : new DroverError('KUBE_WATCH_FAILED', asked.subject, error.what, { cause: error });
}

function warningsOf(header: string | string[] | undefined): readonly string[] {
  const found: string[] = [];
  for (const line of [header ?? []].flat()) {
    for (const [, text = ''] of line.matchAll(/299 \S+ "((?:[^"\\]|\\.)*)"/g)) found.push(text.replace(/\\(.)/g, '$1'));
  }
  return found;
}

function nameIn(json: string): string {
  const { metadata } = JSON.parse(json) as { readonly metadata?: { readonly name?: string } };
  return metadata?.name ?? '';
}

/** Waits for a shared promise, but no longer than the signal lets. */
async function settled<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  return await new Promise<T>((resolve, reject) => {
    const stop = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
