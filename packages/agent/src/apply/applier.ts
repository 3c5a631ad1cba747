import type { Clock, Rank } from '@drover/contract';
import { parseJson, parseKey, rankOf } from '@drover/contract';
import type { Entry } from '#inventory/types.ts';
import type { ApplyObjectDeps, Outcome } from './apply-object.ts';
import { applyObject } from './apply-object.ts';
import { CONCURRENCY, createPool } from './pool.ts';
import type { Task, WantedUnit } from './types.ts';

export interface ApplierDeps extends ApplyObjectDeps {
  readonly clock: Clock;
}

export interface ApplyHooks {
  /** The inventory's entry of an object, now. */
  entry(key: string): Entry | undefined;
  done(task: Task, outcome: Outcome): void;
  /** True when something newer has arrived: nothing more is begun. */
  superseded(): boolean;
}

/** How long freshly applied definitions are waited for before what needs them is tried. */
const SERVED_TIMEOUT_MS = 10_000;
const SERVED_POLL_MS = 100;

export interface Applier {
  /**
   * Sends the tasks of many units: namespaces and definitions of all of them first, then each unit by rank, units side
   * by side, at most {@link CONCURRENCY} requests at once. One failing object stops nothing.
   */
  apply(plan: ReadonlyMap<WantedUnit, readonly Task[]>, hooks: ApplyHooks, signal: AbortSignal): Promise<void>;
}

export function createApplier(deps: ApplierDeps): Applier {
  const pool = createPool(CONCURRENCY);

  async function send(tasks: readonly Task[], hooks: ApplyHooks, signal: AbortSignal): Promise<void> {
    await allSettled(
      tasks.map((task) =>
        pool.run(async () => {
          if (hooks.superseded()) return;
          hooks.done(task, await applyObject(deps, task, hooks.entry(task.object.key), signal));
        }),
      ),
    );
  }

  async function apply(plan: ReadonlyMap<WantedUnit, readonly Task[]>, hooks: ApplyHooks, signal: AbortSignal): Promise<void> {
    const all = [...plan.values()].flat();
    const first = all.filter((task) => rankOfTask(task) === 0);
    await send(first, hooks, signal);
    const rest = all.filter((task) => rankOfTask(task) !== 0);
    await waitServed(first, rest, hooks, signal);
    await allSettled(
      Array.from(plan.values(), async (tasks) => {
        for (const rank of [1, 2, 3] as const)
          await send(
            tasks.filter((task) => rankOfTask(task) === rank),
            hooks,
            signal,
          );
      }),
    );
  }

  /** Waits until what was just defined and is needed now is served; later it is an unknown kind like any other. */
  async function waitServed(first: readonly Task[], rest: readonly Task[], hooks: ApplyHooks, signal: AbortSignal): Promise<void> {
    const needed = new Map(
      rest.map((task) => [`${parseKey(task.object.key).group}/${parseKey(task.object.key).kind}`, task.object.apiVersion]),
    );
    const end = deps.clock.monotonic() + SERVED_TIMEOUT_MS;
    for (const task of first) {
      if (parseKey(task.object.key).kind !== 'CustomResourceDefinition') continue;
      const defined = await definedKind(task, signal);
      const apiVersion = defined === undefined ? undefined : needed.get(`${defined.group}/${defined.kind}`);
      if (defined === undefined || apiVersion === undefined) continue;
      while (!hooks.superseded() && deps.clock.monotonic() < end) {
        const lookup = await deps.kube.lookup(apiVersion, defined.kind, signal, true);
        if (lookup.type === 'served') break;
        await deps.clock.sleep(SERVED_POLL_MS, signal);
      }
    }
  }

  async function definedKind(task: Task, signal: AbortSignal): Promise<{ readonly group: string; readonly kind: string } | undefined> {
    const json = await deps.content(task, signal).catch(() => undefined);
    if (json === undefined) return undefined;
    const { spec } = parseJson(json) as unknown as { spec?: { group?: string; names?: { kind?: string } } };
    return spec?.group === undefined || spec.names?.kind === undefined ? undefined : { group: spec.group, kind: spec.names.kind };
  }

  return { apply };
}

function rankOfTask(task: Task): Rank {
  return rankOf(parseKey(task.object.key));
}

/** Lets all work end before the first failure is thrown: nothing goes on behind the caller's back. */
async function allSettled(work: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
