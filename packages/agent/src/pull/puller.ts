import type { BlobName, BundleManifest, Head, Problem, SealingKeyPair } from '@drover/contract';
import { backoffMs, compareHeads, createBell, DroverError, openSealed, parseBundleManifest } from '@drover/contract';
import type { AgentPorts } from '#ports';
import { createBlobs } from './blobs.ts';
import type { ManifestMemory } from './bundle.ts';
import { openBundle } from './bundle.ts';
import type { BundleFeed } from './feed.ts';
import type { Rejection, Trust } from './judge-head.ts';
import { judgeHead, REJECTIONS } from './judge-head.ts';
import type { BundleSource, SeenHead, VerifiedBundle } from './types.ts';

/**
 * Pulls the bundle of one cluster. Heads come as news and are asked for at every connection and every few minutes; each
 * is verified before anything of it is opened, and only a newer one counts. The last one taken lies in the cache, and is
 * verified again at the next start: hub and NATS may be away then.
 */
export interface Puller extends BundleSource {
  run(signal: AbortSignal): Promise<void>;
  /** Heads that were not taken, by reason. */
  rejected(): Readonly<Record<Rejection, number>>;
  /** What keeps a head that was verified from becoming the bundle. */
  problem(): Problem | undefined;
}

export interface PullerDeps {
  readonly ports: Pick<AgentPorts, 'clock' | 'random' | 'effect' | 'log' | 'cache'>;
  readonly feed: BundleFeed;
  /** UID of the cluster's kube-system namespace. */
  readonly cluster: string;
  /** What the membership says now. */
  readonly trust: () => Omit<Trust, 'cluster'>;
  readonly sealing: SealingKeyPair;
  /** The hub shall publish this blob again. */
  readonly badBlob: (name: BlobName) => void;
  /** Something that an operator has to see: two contents for one generation, an unknown format. Said once each. */
  readonly alarm: (error: DroverError) => void;
  /** Of blobs; 64 MiB by default. */
  readonly maxCachedBytes?: number;
}

const POLL_MS = 180_000;
const POLL_JITTER_MS = 120_000;
/** Heads that wait to be judged; beyond this the stream is asked for the newest one instead. */
const MAX_WAITING = 16;
const MAX_ALARMS = 1000;
const HEAD_FILE = 'head';
const MAX_CACHED_BYTES = 64 * 1024 * 1024;

export function createPuller(deps: PullerDeps): Puller {
  const { clock, random, effect, log, cache } = deps.ports;
  const life = new AbortController();
  const blobs = createBlobs({
    ports: deps.ports,
    feed: deps.feed,
    lifetime: life.signal,
    badBlob: deps.badBlob,
    maxCachedBytes: deps.maxCachedBytes ?? MAX_CACHED_BYTES,
  });
  const bell = createBell(clock);
  const delivery = createBell(clock);
  const memory: ManifestMemory = new Map();
  const counts = Object.fromEntries(REJECTIONS.map((reason) => [reason, 0])) as Record<Rejection, number>;
  const alarmed = new Set<string>();
  const started = Promise.withResolvers<SeenHead | undefined>();
  const incoming: Uint8Array[] = [];
  let seen: SeenHead | undefined;
  let current: VerifiedBundle | undefined;
  let delivered: VerifiedBundle | undefined;
  /** Verified, but what it names could not be had yet. */
  let wanted: { readonly bytes: Uint8Array; readonly head: Head } | undefined;
  let problem: Problem | undefined;
  let failures = 0;
  let askAt = 0;

  function trust(): Trust {
    return { ...deps.trust(), cluster: deps.cluster };
  }

  /** Judges bytes from anywhere, and takes the head if it is newer. */
  async function consider(bytes: Uint8Array, from: 'cache' | 'nats'): Promise<void> {
    const verdict = judgeHead(bytes, trust(), seen, current?.head);
    if (verdict.type === 'rejected') {
      reject(verdict.reason, verdict.error);
      return;
    }
    if (verdict.type !== 'newer') return;
    const { head, attachment } = verdict;
    if (wanted !== undefined && compareHeads(head, wanted.head) < 0) return;
    wanted = { bytes, head };
    try {
      const manifest = await manifestOf(head, attachment);
      await take(bytes, head, manifest, from);
      wanted = undefined;
      problem = undefined;
      failures = 0;
    } catch (thrown) {
      life.signal.throwIfAborted();
      const error = DroverError.from(thrown, `head of generation ${head.generation}`);
      if (error.kind === 'transient' && error.code !== 'HEAD_REJECTED') {
        problem = error.toProblem();
        failures++;
        log.warn({ err: error, generation: head.generation }, 'bundle cannot be fetched now');
      } else {
        wanted = undefined;
        problem = error.toProblem();
        reject(error.code === 'FORMAT_UNKNOWN' ? 'Format' : 'Sealed', error);
      }
    }
  }

  async function manifestOf(head: Head, attachment: Uint8Array): Promise<BundleManifest> {
    if (current !== undefined && current.head.content === head.content) return current.manifest;
    const sealed = attachment.length > 0 ? attachment : await blobs.get(head.sealed.replace(/^sha256:/, ''), life.signal);
    const manifest = parseManifest(await openSealed(deps.sealing, head, sealed), head);
    if (manifest.fleet === head.fleet && manifest.cluster === head.cluster) return manifest;
    throw new DroverError('HEAD_REJECTED', `bundle of generation ${head.generation}`, 'its manifest is of another fleet or cluster');
  }

  async function take(bytes: Uint8Array, head: Head, manifest: BundleManifest, from: 'cache' | 'nats'): Promise<void> {
    if (current?.head.content !== head.content) await blobs.turn();
    current = openBundle(head, manifest, blobs, memory, life.signal);
    delivery.ring();
    log.info({ epoch: head.epoch, generation: head.generation, content: head.content, from }, 'head taken');
    if (from === 'cache') return;
    await effect('cache-write', () => cache.write(HEAD_FILE, bytes)).catch((thrown: unknown) =>
      log.warn({ err: thrown }, 'head cannot be cached'),
    );
  }

  function reject(reason: Rejection, error: DroverError): void {
    counts[reason]++;
    log.warn({ err: error, reason }, 'head rejected');
    if (reason !== 'Conflict' && reason !== 'Format') return;
    const once = error.message;
    if (alarmed.has(once)) return;
    if (alarmed.size >= MAX_ALARMS) alarmed.clear();
    alarmed.add(once);
    deps.alarm(error);
  }

  async function ask(signal: AbortSignal): Promise<void> {
    try {
      const bytes = await deps.feed.head(signal);
      askAt = clock.monotonic() + POLL_MS + random.fraction() * POLL_JITTER_MS;
      if (bytes !== undefined) await consider(bytes, 'nats');
    } catch (thrown) {
      signal.throwIfAborted();
      failures++;
      askAt = clock.monotonic() + backoffMs(failures, random.fraction());
      log.debug({ err: thrown }, 'head cannot be asked for now');
    }
  }

  async function run(signal: AbortSignal): Promise<void> {
    const stop = (): void => life.abort(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    seen = await started.promise;
    const kept = await cache.read(HEAD_FILE).catch(() => undefined);
    if (kept !== undefined) await consider(kept, 'cache');
    using _ = deps.feed.listen({
      news(bytes) {
        if (incoming.length < MAX_WAITING) incoming.push(bytes);
        else askAt = 0;
        bell.ring();
      },
      connected() {
        askAt = 0;
        bell.ring();
      },
    });
    while (!signal.aborted) {
      try {
        for (let bytes = incoming.shift(); bytes !== undefined; bytes = incoming.shift()) await consider(bytes, 'nats');
        if (clock.monotonic() >= askAt) await ask(signal);
        const retry = wanted;
        await bell.wait(retry === undefined ? Math.max(1, askAt - clock.monotonic()) : backoffMs(failures, random.fraction()), signal);
        if (retry !== undefined && wanted === retry && incoming.length === 0) await consider(retry.bytes, 'nats');
      } catch (thrown) {
        if (signal.aborted) break;
        log.error({ err: thrown }, 'pull failed');
        failures++;
        await clock.sleep(backoffMs(failures, random.fraction()), signal).catch(() => undefined);
      }
    }
  }

  return {
    get current() {
      return current;
    },
    start: (head) => started.resolve(head),
    async next(signal) {
      for (;;) {
        signal.throwIfAborted();
        if (current !== undefined && current !== delivered) return (delivered = current);
        await delivery.wait(POLL_MS, signal);
      }
    },
    run,
    rejected: () => ({ ...counts }),
    problem: () => problem,
  };
}

function parseManifest(bytes: Uint8Array, head: Head): BundleManifest {
  try {
    return parseBundleManifest(bytes);
  } catch (thrown) {
    if (thrown instanceof DroverError) throw thrown;
    throw new DroverError('HEAD_REJECTED', `bundle of generation ${head.generation}`, 'its manifest is no JSON', { cause: thrown });
  }
}
