import type { Effect, UnitName } from '@drover/contract';
import { DroverError } from '@drover/contract';
import { createApplier } from '#apply/applier.ts';
import { createLease } from '#guard/lease.ts';
import { createDeleteBudget } from '#guard/refuse.ts';
import type { Observer } from '#observe/types.ts';
import type { AgentPorts } from '#ports';
import { createPruner } from '#prune/pruner.ts';
import type { BundleSource, VerifiedBundle } from '#pull/types.ts';
import type { Reporter } from '#report/types.ts';
import { applyStep } from './reconcile/apply-step.ts';
import { contentOf } from './reconcile/content.ts';
import type { Inbox } from './reconcile/inbox.ts';
import { ALL, createInbox } from './reconcile/inbox.ts';
import { mendInventory, openTerm } from './reconcile/open-term.ts';
import { pruneStep } from './reconcile/prune-step.ts';
import { takeBundle } from './reconcile/take-bundle.ts';
import type { Term } from './reconcile/term.ts';
import { wakeBy } from './reconcile/term.ts';
import { noteApplied, standingOf } from './reconcile/unit-facts.ts';
import { publish, publishUnknown } from './reconcile/unit-report.ts';
import { checkStep, compareStep, verifyStep } from './reconcile/verify-step.ts';

export interface AgentDeps {
  readonly ports: AgentPorts;
  readonly source: BundleSource;
  /** A new observer for each term: nothing that was seen outlives it. */
  readonly createObserver: () => Observer;
  readonly reporter: Reporter;
  /** UID of the cluster's kube-system namespace. */
  readonly cluster: string;
  /** 32 bytes that encrypt the cache; from the agent's identity, the same after every restart. */
  readonly cacheKey: Uint8Array;
  /** Keep the cache in Secrets too, up to 8 MiB: for agents without a volume that lasts. */
  readonly mirror: boolean;
  /** The agent's own limit of deletes in any 24 hours. */
  readonly maxDeletesPerDay: number;
}

export interface Agent {
  /** Runs until aborted: waits for the Lease, reconciles while it has it. Ends after the last write has ended. */
  run(signal: AbortSignal): Promise<void>;
  /** Tries units, or all, again at once. */
  reconcile(units?: readonly UnitName[]): void;
  /** Forbids every delete while there is a reason, for example `CLUSTER_CLONED`. */
  holdDeletes(reason: string | undefined): void;
  /** Of the Lease, while it is held: the successor of an identity has the higher count. */
  leaseTransitions(): number | undefined;
}

const RETRY_MS = [1_000, 2_000, 5_000, 10_000] as const;

export function createAgent(deps: AgentDeps): Agent {
  const { clock, log, random } = deps.ports;
  const holder = random.uuid();
  const lease = createLease({ kube: deps.ports.kube, clock, effect: deps.ports.effect, log, holder });
  const budget = createDeleteBudget(deps.maxDeletesPerDay);
  const inbox = createInbox();
  let held: string | undefined;
  /** Runs from the first term to the end of the process, so that what a later term begins with is the newest. */
  let listening: Promise<void> | undefined;
  let untaken: VerifiedBundle | undefined;
  let last: Term | undefined;

  /** Every write asks the Lease first (I9). */
  const fenced: Effect = (point, run) =>
    deps.ports.effect(point, () => {
      lease.check();
      return run();
    });

  async function run(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted;) {
      try {
        await standBy(signal);
        await serve(signal);
        failures = 0;
      } catch (thrown) {
        if (signal.aborted) break;
        log.error({ err: thrown }, 'term ended');
        const wait = RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)] ?? 0;
        await clock.sleep(wait, signal).catch(() => undefined);
      }
    }
    await listening;
    await lease.release(new AbortController().signal);
  }

  /** Waits for the Lease; what was last seen is not passed off as the truth for long. */
  async function standBy(signal: AbortSignal): Promise<void> {
    const held = new AbortController();
    const blind = clock.sleep(BLIND_MS, AbortSignal.any([signal, held.signal])).then(
      () =>
        last !== undefined && publishUnknown(last, 'the agent cannot act: it does not hold the Lease, or the API server does not answer'),
      () => undefined,
    );
    try {
      await lease.acquire(signal);
    } finally {
      held.abort();
      await blind;
    }
  }

  /** One term: everything that runs in it has ended when this returns. */
  async function serve(signal: AbortSignal): Promise<void> {
    const end = new AbortController();
    const term = AbortSignal.any([signal, end.signal]);
    const work = [lease.keep(term), loop(term, signal)];
    try {
      await Promise.race(work);
    } finally {
      end.abort();
      await Promise.allSettled(work);
    }
  }

  async function loop(signal: AbortSignal, lifetime: AbortSignal): Promise<void> {
    const observer = deps.createObserver();
    const term = await openTerm({ ...deps, observer }, fenced, signal);
    if (listening === undefined) {
      deps.source.start(term.inventory.record?.head);
      listening = quietly(listen(inbox, lifetime), lifetime);
    }
    // What was delivered in an earlier term is not delivered again.
    untaken = deps.source.current ?? untaken;
    for (const [unit, report] of last?.reports ?? []) term.reports.set(unit, report);
    last = term;
    const stop = new AbortController();
    const inner = AbortSignal.any([signal, stop.signal]);
    const helpers = [quietly(watchChanges(observer, inner), inner), quietly(observer.run(inner), inner)];
    try {
      if (term.desired !== undefined) await settle(observer.whenSynced(inner), clock.sleep(SYNC_MS, inner));
      await reconcile(term, signal);
    } finally {
      stop.abort();
      await Promise.allSettled(helpers);
    }
  }

  /** The loop on one screen: take what is new, apply, prune, look after everything, tell; then wait. */
  async function reconcile(term: Term, signal: AbortSignal): Promise<never> {
    const applier = createApplier({ kube: deps.ports.kube, effect: fenced, clock, content: (task, at) => contentOf(term, task, at) });
    const pruner = createPruner({ kube: deps.ports.kube, effect: fenced, clock, budget });
    const superseded = (): boolean => inbox.bundle !== undefined || signal.aborted;
    for (let failures = 0; ;) {
      term.wakeAt = Infinity;
      try {
        term.trouble = undefined;
        takeRequests(term);
        if (await takeNewest(term, signal)) publish(term, true);
        await mendInventory(term, signal);
        await applyStep(term, applier, { superseded, progress: () => publish(term, true) }, signal);
        await pruneStep(term, pruner, () => held, superseded, signal);
        await compareStep(term, superseded, signal);
        await checkStep(term, standingOf(term).ready, signal);
        await verifyStep(term, signal);
        failures = 0;
      } catch (thrown) {
        signal.throwIfAborted();
        const error = DroverError.from(thrown, 'reconcile');
        // Somebody else wrote our Secrets, or may: what we remember is not to be relied on.
        if (ENDS_TERM.has(error.code)) throw error;
        log.warn({ err: error }, 'round ended early');
        term.trouble = { code: error.code, message: error.message };
        wakeBy(term, clock.monotonic() + (RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)] ?? 0) * (0.75 + random.fraction() / 2));
      }
      noteApplied(term);
      publish(term, superseded());
      await inbox.wait(term.wakeAt, clock, signal);
    }
  }

  /**
   * What cannot be taken is tried again in every round, and stands in the way of nothing else.
   *
   * @returns whether a bundle was taken
   */
  async function takeNewest(term: Term, signal: AbortSignal): Promise<boolean> {
    const bundle = inbox.bundle ?? untaken;
    untaken = bundle;
    inbox.bundle = undefined;
    if (bundle === undefined) return false;
    try {
      await takeBundle(term, bundle, deps.cluster, signal);
      untaken = undefined;
      return true;
    } catch (thrown) {
      signal.throwIfAborted();
      const error = DroverError.from(thrown, 'bundle');
      if (ENDS_TERM.has(error.code)) throw error;
      log.warn({ err: error, generation: bundle.head.generation }, 'bundle cannot be taken now');
      term.trouble = { code: error.code, message: error.message };
      wakeBy(term, clock.monotonic() + UNTAKEN_MS);
      return false;
    }
  }

  function takeRequests(term: Term): void {
    if (inbox.requests.size === 0) return;
    for (const [key, failure] of term.failures) {
      const unit = term.inventory.entries.get(key)?.unit ?? '';
      if (inbox.requests.has(ALL) || inbox.requests.has(unit)) term.failures.set(key, { ...failure, retryAt: -Infinity });
    }
    for (const unit of term.compared.keys()) if (inbox.requests.has(ALL) || inbox.requests.has(unit)) term.compared.delete(unit);
    term.checks.clear();
    term.verifiedAt = -Infinity;
    inbox.requests.clear();
  }

  /** Bundles are taken off the source as they come; the newest counts. */
  async function listen(into: Inbox, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        into.bundle = await deps.source.next(signal);
        into.wake();
      } catch (thrown) {
        signal.throwIfAborted();
        log.error({ err: thrown }, 'bundles cannot be received now');
        await clock.sleep(UNTAKEN_MS, signal);
      }
    }
  }

  /** Never rejects: a rejection that nobody awaits yet would end the process. */
  async function quietly(helper: Promise<void>, signal: AbortSignal): Promise<void> {
    try {
      await helper;
    } catch (thrown) {
      if (!signal.aborted) log.error({ err: thrown }, 'a helper of the agent ended');
    }
  }

  async function watchChanges(observer: Observer, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await observer.changed(signal);
      inbox.wake();
    }
  }

  return {
    run,
    reconcile(units) {
      for (const unit of units ?? [ALL]) inbox.requests.add(unit);
      inbox.wake();
    },
    holdDeletes(reason) {
      held = reason;
      inbox.wake();
    },
    leaseTransitions: () => (lease.held() ? lease.transitions() : undefined),
  };
}

/** First rounds wait this long for the watches, so that drift from before the start is undone with the rest. */
const SYNC_MS = 5_000;
const UNTAKEN_MS = 2_000;
/** After this long without a term nothing is known of any unit. */
const BLIND_MS = 60_000;
/** After these what is in memory is not to be relied on. */
const ENDS_TERM: ReadonlySet<string> = new Set(['LEASE_LOST', 'KUBE_CONFLICT', 'KUBE_OUTCOME_UNKNOWN']);

async function settle(...either: readonly Promise<unknown>[]): Promise<void> {
  await Promise.race(either.map((one) => one.catch(() => undefined)));
}
