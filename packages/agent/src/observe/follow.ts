import type { BasePorts } from '@drover/contract';
import { backoffMs, DroverError, MANAGED_LABEL } from '@drover/contract';
import type { KindInfo, Kube, LiveObject } from '#kube/types.ts';
import { wentBack } from './versions.ts';

/** Shows only what Drover applied, so that foreign objects cost nothing. */
const SELECTOR = `${MANAGED_LABEL}=true`;
/** Connections fail for moments; after this long what was seen proves nothing any more. */
const STALE_AFTER_MS = 60_000;
const ABSENT_RETRY_MS = 30_000;
/** A watch that has lived this long was a good one, though it may have been silent. */
const GOOD_WATCH_MS = 10_000;
/** A kind that was quiet for this long, up to twice as long, is asked whether its store still is where it was. */
const QUIET_MS = 30 * 60_000;

/** What following a kind tells. */
export interface KindSink {
  /** Version of the API to ask for. */
  apiVersion(): string;
  /** Where objects of the kind live now. */
  served(info: KindInfo): void;
  take(live: LiveObject): void;
  /** The watch says that it is gone, or that it has lost our label. */
  deleted(live: LiveObject): void;
  /** A whole list was read: `present` are the keys in it. */
  listed(present: ReadonlySet<string>): void;
  /** What was seen proves nothing any more. */
  stale(message: string): void;
  /** The server states that it serves no version of the kind. */
  absent(): void;
  /** The server's store went back in time. */
  wentBack(): void;
}

export interface FollowDeps {
  readonly kube: Kube;
  readonly ports: Pick<BasePorts, 'clock' | 'random' | 'log'>;
  readonly keyOf: (live: LiveObject) => string;
}

export interface Following {
  /** Reads a fresh list before anything else. */
  relist(): void;
  readonly ended: Promise<void>;
}

/** Lists a kind once, then watches it for ever; starts over when the server's history or its store moved. */
export function followKind(deps: FollowDeps, group: string, kind: string, sink: KindSink, signal: AbortSignal): Following {
  const { kube } = deps;
  const { clock, random } = deps.ports;
  const log = deps.ports.log.child({ group, kind });
  /** Where the watch stands; undefined: a list is needed. */
  let version: string | undefined;
  let round = new AbortController();
  let doubtful = false;
  let fresh = false;
  let failures = 0;
  let failingSince: number | undefined;
  let watchingSince: number | undefined;
  let doubtAt = Infinity;

  async function resolve(inner: AbortSignal): Promise<KindInfo | undefined> {
    const lookup = await kube.lookup(sink.apiVersion(), kind, inner, fresh);
    fresh = false;
    if (lookup.type === 'served') return lookup.info;
    if (lookup.type === 'unavailable') throw new DroverError('KUBE_UNREACHABLE', kind, lookup.message);
    // Objects do not vanish with one version of their kind.
    return lookup.elsewhere;
  }

  async function list(info: KindInfo, inner: AbortSignal): Promise<string> {
    const present = new Set<string>();
    const listed = await kube.scan(
      info,
      { labelSelector: SELECTOR },
      (live) => {
        present.add(deps.keyOf(live));
        sink.take(live);
      },
      inner,
    );
    sink.listed(present);
    return listed;
  }

  async function watchOnce(inner: AbortSignal): Promise<void> {
    const info = await resolve(inner);
    if (info === undefined) {
      log.warn({}, 'kind is not served any more');
      version = undefined;
      sink.absent();
      fresh = true;
      await clock.sleep(ABSENT_RETRY_MS * (1 + random.fraction()), inner);
      return;
    }
    sink.served(info);
    if (version !== undefined && (doubtful || clock.monotonic() > doubtAt)) {
      if (wentBack(version, await kube.revision(info, inner))) {
        log.warn({ version }, 'resource version went back');
        version = undefined;
        sink.wentBack();
      }
      heard();
    }
    doubtful = false;
    if (version === undefined) {
      version = await list(info, inner);
      heard();
    }
    watchingSince = clock.monotonic();
    for await (const event of kube.watch(info, { labelSelector: SELECTOR, resourceVersion: version }, inner)) {
      const next = event.type === 'Bookmark' ? event.resourceVersion : event.object.metadata.resourceVersion;
      if (wentBack(version, next)) {
        log.warn({ version, next }, 'resource version went back');
        version = undefined;
        return sink.wentBack();
      }
      version = next;
      heard();
      recovered();
      if (event.type === 'Deleted') sink.deleted(event.object);
      else if (event.type !== 'Bookmark') sink.take(event.object);
    }
  }

  function heard(): void {
    doubtAt = clock.monotonic() + QUIET_MS * (1 + random.fraction());
  }

  function recovered(): void {
    failures = 0;
    failingSince = undefined;
  }

  function failed(thrown: unknown): void {
    const error = DroverError.from(thrown, kind);
    if (error.code === 'KUBE_WATCH_EXPIRED') version = undefined;
    else doubtful = true;
    if (error.code === 'KUBE_KIND_UNKNOWN') fresh = true;
    const now = clock.monotonic();
    if (watchingSince !== undefined && now - watchingSince > GOOD_WATCH_MS) recovered();
    watchingSince = undefined;
    failures += 1;
    failingSince ??= now;
    log.debug({ err: error, failures }, 'watch ended');
    if (now - failingSince < STALE_AFTER_MS) return;
    version = undefined;
    sink.stale(error.message);
  }

  async function loop(): Promise<void> {
    // The object that made the kind known is tracked only after this call: it tells the version to ask for.
    await Promise.resolve();
    while (!signal.aborted) {
      round = new AbortController();
      const inner = AbortSignal.any([signal, round.signal]);
      try {
        await watchOnce(inner);
      } catch (thrown) {
        if (inner.aborted) continue;
        failed(thrown);
        await clock.sleep(backoffMs(failures, random.fraction()), inner).catch(() => undefined);
      }
    }
  }

  return {
    relist() {
      version = undefined;
      round.abort();
    },
    ended: loop(),
  };
}
