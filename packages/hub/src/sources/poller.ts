import type { BasePorts } from '@drover/contract';
import { DroverError, FAILURES } from '@drover/contract';
import type { GitRepository } from '#config/types.ts';
import type { FetchResult, GitMirror } from './types.ts';

/** What decides when a source is polled next; times are monotonic, in ms. */
export interface PollState {
  readonly intervalMs: number;
  readonly suspended: boolean;
  /** Fetches that failed since the last that did not. */
  readonly failures: number;
  /** Start of the last fetch; undefined before the first. */
  readonly startedAt: number | undefined;
  /** Somebody asked for a poll since then. */
  readonly hinted: boolean;
  /** Uniform in [0, 1), drawn once per fetch. */
  readonly jitter: number;
}

const MIN_BACKOFF_MS = 2_000;
const MAX_BACKOFF_MS = 5 * 60_000;
/** However often a remote that fails is hinted at. */
const MIN_HINTED_RETRY_MS = 1_000;
const MAX_HINTED_RETRY_MS = 15_000;
/** How far a period strays to either side. */
const JITTER = 0.1;

/** Milliseconds until the next fetch, 0 for now; undefined when a suspended source waits for other configuration. */
export function nextPoll(state: PollState, now: number): number | undefined {
  if (state.suspended) return undefined;
  if (state.startedAt === undefined) return 0;
  return Math.max(0, state.startedAt + periodOf(state) - now);
}

function periodOf({ intervalMs, failures, hinted, jitter }: PollState): number {
  if (hinted && failures === 0) return 0;
  const backoff = Math.min(MAX_BACKOFF_MS, MIN_BACKOFF_MS * 2 ** Math.min(failures - 1, 20));
  const strayed = (failures === 0 ? intervalMs : backoff) * (1 - JITTER + 2 * JITTER * jitter);
  if (!hinted) return strayed;
  return Math.min(strayed, MAX_HINTED_RETRY_MS, MIN_HINTED_RETRY_MS * failures);
}

/** How polling goes; `lastAt` and `failingSince` are epoch ms: for showing. */
export interface PollStatus {
  readonly lastAt: number | undefined;
  /** Since when every fetch failed. */
  readonly failingSince: number | undefined;
  readonly failures: number;
}

export interface Poller {
  /** Polls now: a webhook or an operator says that something may be new. Costs nothing when repeated. */
  hint(): void;
  /** Follows other configuration of the same URL, at once when it differs. */
  update(spec: GitRepository): void;
  status(): PollStatus;
  /** Polls until the signal aborts, then resolves. */
  run(signal: AbortSignal): Promise<void>;
}

/** A sleep that ends nowhere near: it is only there to be cut short. */
const ONE_HOUR_MS = 3_600_000;

/** Polls one source. A result is handed over as it comes; who takes longer than a fetch keeps the newest. */
export function createPoller(
  deps: Pick<BasePorts, 'clock' | 'random' | 'log'>,
  options: {
    readonly mirror: Pick<GitMirror, 'fetch'>;
    readonly spec: GitRepository;
    readonly onResult: (result: FetchResult, spec: GitRepository, status: PollStatus) => void;
  },
): Poller {
  const { clock, random, log } = deps;
  let { spec } = options;
  let status: PollStatus = { lastAt: undefined, failingSince: undefined, failures: 0 };
  let startedAt: number | undefined;
  let hinted = false;
  let jitter = random.fraction();
  let sleeping: AbortController | undefined;

  const wake = (): void => sleeping?.abort();

  /** Until the next fetch is due; false when the signal has aborted. */
  async function due(signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      const state = { intervalMs: spec.intervalMs, suspended: spec.suspend, failures: status.failures, startedAt, hinted, jitter };
      const delayMs = nextPoll(state, clock.monotonic());
      if (delayMs === 0) return true;
      sleeping = new AbortController();
      await clock.sleep(Math.min(delayMs ?? ONE_HOUR_MS, ONE_HOUR_MS), sleeping.signal).catch(() => undefined);
      sleeping = undefined;
    }
    return false;
  }

  async function poll(signal: AbortSignal): Promise<void> {
    startedAt = clock.monotonic();
    hinted = false;
    jitter = random.fraction();
    const asked = spec;
    const result = await options.mirror.fetch(asked, signal);
    // What was refused or held was reached: only what may pass by itself is tried less often.
    const failed = result.problem !== undefined && FAILURES[result.problem.code].kind === 'transient';
    const at = clock.now();
    status = failed
      ? { lastAt: at, failingSince: status.failingSince ?? at, failures: status.failures + 1 }
      : { lastAt: at, failingSince: undefined, failures: 0 };
    options.onResult(result, asked, status);
  }

  return {
    hint() {
      hinted = true;
      wake();
    },
    update(next) {
      const differs = JSON.stringify(next) !== JSON.stringify(spec);
      spec = next;
      if (!differs) return;
      hinted = true;
      wake();
    },
    status: () => status,
    async run(signal) {
      signal.addEventListener('abort', wake);
      try {
        while (await due(signal)) {
          try {
            await poll(signal);
          } catch (error) {
            if (signal.aborted) return;
            status = { ...status, failures: status.failures + 1 };
            log.error({ err: DroverError.from(error, `source ${spec.name}`) }, 'polling a source failed');
          }
        }
      } finally {
        signal.removeEventListener('abort', wake);
      }
    },
  };
}
