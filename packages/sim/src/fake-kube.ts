import type { ObjectKey, ObjectRef } from '@drover/contract';
import { DroverError, keyOf } from '@drover/contract';
import type { KindInfo, Kube, LiveObject, WatchEvent } from '@drover/agent/sim';
import type { FakeServer } from './fake-server.ts';
import { selects } from './fake-server.ts';

/** What happens to one request on its way. */
export type Fate = 'Done' | 'Refused' | 'ReplyLost';

export interface FakeKubeDeps {
  readonly server: FakeServer;
  /** Waits for the request's place in the order of events; a client that died never comes back from it. */
  turn(): Promise<void>;
  /** Draws what happens to a request; `Done` without faults. */
  fate(request: Request): Fate;
  /** Told of every write that is about to take effect. */
  onWrite?(request: Request): void;
  /** Told after it took effect. */
  onWritten?(request: Request): void;
  /** Ends the waits of watches when it is time to look again. */
  changed(): Promise<void>;
}

export interface Request {
  readonly verb: 'get' | 'list' | 'apply' | 'dry-run' | 'create' | 'replace' | 'patch' | 'delete' | 'discover' | 'watch';
  readonly key: ObjectKey;
  readonly body?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
}

const MANAGER = 'drover-agent';

/** A client of the fake server that keeps the promises of {@link Kube}. */
export function createFakeKube(deps: FakeKubeDeps): Kube {
  const { server } = deps;

  async function ask<T>(request: Request, signal: AbortSignal, run: () => T): Promise<T> {
    signal.throwIfAborted();
    await deps.turn();
    signal.throwIfAborted();
    const fate = deps.fate(request);
    const write = WRITES.has(request.verb);
    if (fate === 'Refused') throw new DroverError('KUBE_UNREACHABLE', request.key, 'connection refused');
    if (fate === 'ReplyLost' && !write) throw new DroverError('KUBE_UNREACHABLE', request.key, 'connection reset');
    if (write) deps.onWrite?.(request);
    let result: T;
    try {
      result = run();
    } finally {
      if (write) deps.onWritten?.(request);
    }
    await deps.turn();
    // An apply is repeated by the client until it has an answer; nothing else that writes is.
    if (fate === 'ReplyLost') {
      if (request.verb === 'apply') return run();
      throw new DroverError('KUBE_OUTCOME_UNKNOWN', request.key, 'the reply was lost');
    }
    return result;
  }

  function refKey(ref: ObjectRef): ObjectKey {
    return keyOf(ref);
  }

  const scan: Kube['scan'] = (kind, options, visit, signal) =>
    ask({ verb: 'list', key: `${kind.group}/${kind.kind}/${options.namespace ?? ''}/` }, signal, () => {
      if (server.lookup(apiVersionOf(kind), kind.kind) === undefined) throw new DroverError('KUBE_KIND_UNKNOWN', kind.kind, 'not served');
      for (const object of server.list(kind.group, kind.kind, options.namespace, options.labelSelector)) visit(object);
      return String(server.revision);
    });

  return {
    version: async () => 'v1.36.3',
    lookup: (apiVersion, kind, signal) =>
      ask({ verb: 'discover', key: `${apiVersion}/${kind}` }, signal, () => {
        const info = server.lookup(apiVersion, kind);
        return info === undefined ? ({ type: 'absent' } as const) : ({ type: 'served', info } as const);
      }).catch((thrown: unknown) => {
        signal.throwIfAborted();
        return { type: 'unavailable', message: DroverError.from(thrown, kind).what } as const;
      }),
    kinds: (signal) =>
      ask({ verb: 'discover', key: '*' }, signal, () => server.kinds()).catch(() => {
        signal.throwIfAborted();
        return undefined;
      }),
    get: (_kind, ref, signal) => ask({ verb: 'get', key: refKey(ref) }, signal, () => server.get(refKey(ref))),
    scan,
    async list(kind, options, signal) {
      const items: LiveObject[] = [];
      const resourceVersion = await scan(kind, options, (object) => void items.push(object), signal);
      return { items, resourceVersion };
    },
    revision: (kind, signal) => ask({ verb: 'list', key: `${kind.group}/${kind.kind}//` }, signal, () => String(server.revision)),
    apply: (_kind, ref, json, options, signal) =>
      ask({ verb: options.dryRun === true ? 'dry-run' : 'apply', key: refKey(ref), body: json }, signal, () => ({
        ...server.apply(json, options),
        warnings: [],
      })),
    create: (_kind, _namespace, json, signal) => {
      const object = JSON.parse(json) as LiveObject;
      return ask({ verb: 'create', key: keyOfJson(object), body: json }, signal, () => server.create(json, MANAGER));
    },
    replace: (_kind, ref, json, signal) =>
      ask({ verb: 'replace', key: refKey(ref), body: json }, signal, () => server.replace(json, MANAGER)),
    patch: (_kind, ref, json, signal) =>
      ask({ verb: 'patch', key: refKey(ref), body: json }, signal, () => server.patch(refKey(ref), json)),
    delete: (_kind, ref, options, signal) =>
      ask({ verb: 'delete', key: refKey(ref), uid: options.uid, resourceVersion: options.resourceVersion }, signal, () =>
        server.delete(refKey(ref), options),
      ),
    watch: (kind, options, signal) => watch(kind, options, signal),
  };

  async function* watch(
    kind: KindInfo,
    options: { readonly labelSelector?: string; readonly resourceVersion: string },
    signal: AbortSignal,
  ): AsyncGenerator<WatchEvent> {
    let version = Number(options.resourceVersion);
    while (!signal.aborted) {
      await deps.turn();
      if (signal.aborted) return;
      const request: Request = { verb: 'watch', key: `${kind.group}/${kind.kind}//` };
      if (deps.fate(request) !== 'Done') throw new DroverError('KUBE_WATCH_FAILED', kind.kind, 'connection reset');
      if (server.lookup(apiVersionOf(kind), kind.kind) === undefined) throw new DroverError('KUBE_KIND_UNKNOWN', kind.kind, 'not served');
      const events = server.since(version);
      if (events === undefined) throw new DroverError('KUBE_WATCH_EXPIRED', kind.kind, 'too old resource version');
      for (const event of events) {
        version = event.version;
        const shown = show(event.before, event.after, event.version, options.labelSelector);
        const object = event.after ?? event.before;
        if (shown !== undefined && object?.kind === kind.kind && groupOfObject(object) === kind.group) yield shown;
      }
      if (events.length === 0) await Promise.race([deps.changed(), aborted(signal)]);
    }
  }
}

const WRITES: ReadonlySet<string> = new Set(['apply', 'create', 'replace', 'patch', 'delete']);

function show(
  before: LiveObject | undefined,
  after: LiveObject | undefined,
  version: number,
  selector: string | undefined,
): WatchEvent | undefined {
  const [was, is] = [before !== undefined && selects(selector, before), after !== undefined && selects(selector, after)];
  if (is && after !== undefined) return { type: was ? 'Modified' : 'Added', object: after };
  if (!was || before === undefined) return undefined;
  return { type: 'Deleted', object: { ...before, metadata: { ...before.metadata, resourceVersion: String(version) } } };
}

function apiVersionOf(kind: KindInfo): string {
  return kind.group === '' ? kind.version : `${kind.group}/${kind.version}`;
}

function groupOfObject(object: LiveObject): string {
  const slash = object.apiVersion.indexOf('/');
  return slash < 0 ? '' : object.apiVersion.slice(0, slash);
}

function keyOfJson(object: LiveObject): ObjectKey {
  const { name, namespace } = object.metadata;
  return keyOf({ group: groupOfObject(object), kind: object.kind, name, ...(namespace === undefined ? {} : { namespace }) });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
