import type { BasePorts } from '@drover/contract';
import { DroverError } from '@drover/contract';
import type { GitRepository, Named } from '#config/types.ts';
import type { Store } from '#state/store.ts';
import type { Mirrors } from './mirror.ts';
import type { Poller } from './poller.ts';
import { createPoller } from './poller.ts';
import { recordFetch, sourceKey } from './record-fetch.ts';
import type { FetchResult, GitMirror, Tree } from './types.ts';

export interface FollowerDeps extends Pick<BasePorts, 'clock' | 'random' | 'log' | 'effect'> {
  readonly store: Store;
  readonly mirrors: Mirrors;
  /** A source is at another commit; after that was recorded. */
  readonly onTree: (source: GitRepository, tree: Tree, changedPaths: readonly string[] | undefined) => void;
}

/** Keeps a mirror and a poller for each configured source. */
export interface SourceFollower extends AsyncDisposable {
  /** Starts what is new, stops what is gone, and tells pollers what changed. */
  follow(sources: readonly GitRepository[], signal: AbortSignal): Promise<void>;
  /** Polls now; resolves with the result of a fetch that began after the call; undefined for a source that is not followed (any more). */
  fetchNow(source: Named): Promise<FetchResult | undefined>;
  has(source: Named): boolean;
}

interface Followed {
  spec: GitRepository;
  readonly mirror: GitMirror;
  readonly poller: Poller;
  readonly stop: AbortController;
  running: Promise<void>;
  /** Fetches begun so far. */
  begun: number;
  /** Those who wait for a fetch that begins after they came. */
  waiting: { readonly after: number; readonly wake: (result: FetchResult | undefined) => void }[];
}

export function createFollower(deps: FollowerDeps): SourceFollower {
  const followed = new Map<string, Followed>();

  async function start(spec: GitRepository, signal: AbortSignal): Promise<Followed> {
    const mirror = deps.mirrors.mirror(spec);
    await restore(spec, mirror, signal);
    const stop = new AbortController();
    let recording: Promise<void> = Promise.resolve();
    /** A commit came that could not be recorded: the next fetch brings it again, as nothing new. */
    let missed = false;
    const fetch = (asked: GitRepository, at: AbortSignal): Promise<FetchResult> => {
      entry.begun++;
      return mirror.fetch(asked, at);
    };
    const poller = createPoller(deps, {
      mirror: { fetch },
      spec,
      onResult: (result, asked) => {
        const { begun } = entry;
        recording = recording
          .then(() => deps.effect('source-record', () => recordFetch({ store: deps.store, now: () => deps.clock.now() }, asked, result)))
          .then(() => {
            if (result.tree === undefined || (!result.changed && !missed)) return;
            deps.onTree(asked, result.tree, missed ? undefined : result.changedPaths);
            missed = false;
          })
          .catch((thrown: unknown) => {
            missed ||= result.changed;
            deps.log.error({ err: DroverError.from(thrown, sourceKey(asked)) }, 'a fetch could not be recorded');
          })
          .then(() => {
            const { waiting } = entry;
            entry.waiting = waiting.filter(({ after }) => after >= begun);
            for (const { after, wake } of waiting) if (after < begun) wake(result);
          });
      },
    });
    const entry: Followed = { spec, mirror, poller, stop, running: Promise.resolve(), begun: 0, waiting: [] };
    entry.running = poller.run(stop.signal);
    return entry;
  }

  /** The last good commit is in force again before the first fetch. */
  async function restore(spec: GitRepository, mirror: GitMirror, signal: AbortSignal): Promise<void> {
    const row = await deps.store.db
      .selectFrom('source')
      .select(['sha', 'spec'])
      .where('kind', '=', 'GitRepository')
      .where('namespace', '=', spec.namespace)
      .where('name', '=', spec.name)
      .executeTakeFirst();
    // A commit of another repository says nothing of this one.
    if (row === undefined || row.sha === null || (JSON.parse(row.spec) as GitRepository).url !== spec.url) return;
    try {
      const tree = await mirror.open(spec, row.sha, signal);
      if (tree !== undefined) deps.onTree(spec, tree, undefined);
    } catch (thrown) {
      signal.throwIfAborted();
      deps.log.warn({ err: DroverError.from(thrown, sourceKey(spec)) }, 'the last good commit could not be opened; it is fetched again');
    }
  }

  async function end(entry: Followed): Promise<void> {
    entry.stop.abort();
    await entry.running;
    for (const { wake } of entry.waiting.splice(0)) wake(undefined);
    await entry.mirror[Symbol.asyncDispose]();
  }

  return {
    has: (source) => followed.has(sourceKey(source)),
    async follow(sources, signal) {
      const wanted = new Map(sources.map((source) => [sourceKey(source), source]));
      for (const [key, entry] of followed) {
        const spec = wanted.get(key);
        if (spec?.url === entry.spec.url) continue;
        followed.delete(key);
        await end(entry);
      }
      for (const [key, spec] of wanted) {
        const entry = followed.get(key);
        if (entry === undefined) followed.set(key, await start(spec, signal));
        else {
          entry.spec = spec;
          entry.poller.update(spec);
        }
      }
    },
    fetchNow(source) {
      const entry = followed.get(sourceKey(source));
      if (entry === undefined) return Promise.resolve(undefined);
      return new Promise((wake) => {
        entry.waiting.push({ after: entry.begun, wake });
        entry.poller.hint();
      });
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...followed.values()].map(end));
      followed.clear();
    },
  };
}
