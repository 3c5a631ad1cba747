import type { Clock, Effect, Logger } from '@drover/contract';
import { AGENT_NAMESPACE, DroverError } from '@drover/contract';
import type { Kube, KindInfo, LiveObject } from '#kube/types.ts';
import { microTime } from './rfc3339.ts';

/**
 * One writer per cluster: the holder of the Lease `drover-agent`. Every duration is measured on this process' monotonic
 * clock: a lease of somebody else has run out when it was *seen* unchanged for its whole duration.
 */
export const LEASE_NAME = 'drover-agent';
export const LEASE_SECONDS = 10;
const RENEW_MS = 3_000;
/** Writes stop this long before others may take over: the longest that a request in flight is given. */
const MARGIN_MS = 2_000;
const WATCH_MS = 1_000;
/** Between tries while the API server does not answer. */
const MAX_WAIT_MS = 10_000;

const KIND: KindInfo = { group: 'coordination.k8s.io', version: 'v1', kind: 'Lease', resource: 'leases', namespaced: true };
const REF = { group: KIND.group, kind: KIND.kind, namespace: AGENT_NAMESPACE, name: LEASE_NAME };

export interface Lease {
  /** Waits until this process holds it. */
  acquire(signal: AbortSignal): Promise<void>;
  /** Renews; resolves when it is lost or the signal aborts. */
  keep(signal: AbortSignal): Promise<void>;
  /** Gives it back, so that a successor begins at once: only after the last write has ended. */
  release(signal: AbortSignal): Promise<void>;
  /**
   * To be asked before each write.
   *
   * @throws DroverError LEASE_LOST when it may have run out, on the monotonic clock
   */
  check(): void;
  /** Whether {@link check} would pass. */
  held(): boolean;
  /** Counts takeovers, as the server does: the successor of an identity has the higher one. */
  transitions(): number;
}

interface LeaseSpec {
  readonly holderIdentity?: string;
  readonly leaseDurationSeconds?: number;
  readonly leaseTransitions?: number;
  readonly renewTime?: string;
  readonly acquireTime?: string;
}

export function createLease(deps: {
  readonly kube: Kube;
  readonly clock: Clock;
  readonly effect: Effect;
  readonly log: Logger;
  /** Different in every process that ever runs. */
  readonly holder: string;
}): Lease {
  const { kube, clock, effect, log, holder } = deps;
  let live: LiveObject | undefined;
  /** Until then, on the monotonic clock, nobody else takes it. */
  let safeUntil = -Infinity;

  const specOf = (lease: LiveObject | undefined): LeaseSpec => (lease?.['spec'] as LeaseSpec | undefined) ?? {};

  async function send(spec: LeaseSpec, signal: AbortSignal): Promise<void> {
    const version = live === undefined ? {} : { uid: live.metadata.uid, resourceVersion: live.metadata.resourceVersion };
    const metadata = { name: LEASE_NAME, namespace: AGENT_NAMESPACE, ...version };
    const json = JSON.stringify({ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec });
    live = await effect('lease', () =>
      live === undefined ? kube.create(KIND, AGENT_NAMESPACE, json, signal) : kube.replace(KIND, REF, json, signal),
    );
  }

  /** Writes ourselves in; the time that counts is that before the request. */
  async function claim(taking: boolean, signal: AbortSignal): Promise<void> {
    const start = clock.monotonic();
    const before = specOf(live);
    const now = microTime(clock.now());
    await send(
      {
        holderIdentity: holder,
        leaseDurationSeconds: LEASE_SECONDS,
        leaseTransitions: (before.leaseTransitions ?? 0) + (taking && live !== undefined ? 1 : 0),
        acquireTime: taking ? now : (before.acquireTime ?? now),
        renewTime: now,
      },
      signal,
    );
    safeUntil = start + LEASE_SECONDS * 1000 - MARGIN_MS;
  }

  async function acquire(signal: AbortSignal): Promise<void> {
    let seen: { readonly version: string; readonly since: number } | undefined;
    let told = false;
    let failures = 0;
    for (;;) {
      signal.throwIfAborted();
      try {
        live = await kube.get(KIND, REF, signal);
        failures = 0;
        const spec = specOf(live);
        const version = live?.metadata.resourceVersion ?? '';
        if (seen?.version !== version) seen = { version, since: clock.monotonic() };
        const waited = clock.monotonic() - seen.since;
        const free = (spec.holderIdentity ?? '') === '' || spec.holderIdentity === holder;
        if (free || waited >= (spec.leaseDurationSeconds ?? LEASE_SECONDS) * 1000) {
          await claim(spec.holderIdentity !== holder, signal);
          log.info({ holder, transitions: transitions() }, 'lease acquired');
          return;
        }
        if (!told) log.info({ holder: spec.holderIdentity }, 'lease is held by another agent');
        told = true;
      } catch (thrown) {
        signal.throwIfAborted();
        const error = DroverError.from(thrown, 'Lease drover-agent');
        failures++;
        if (error.code === 'KUBE_NAMESPACE_MISSING') await makeNamespace(signal).catch(() => undefined);
        else log.warn({ err: error }, 'lease cannot be acquired now');
      }
      await clock.sleep(Math.min(WATCH_MS * 2 ** Math.max(0, failures - 1), MAX_WAIT_MS), signal);
    }
  }

  async function makeNamespace(signal: AbortSignal): Promise<void> {
    const kind: KindInfo = { group: '', version: 'v1', kind: 'Namespace', resource: 'namespaces', namespaced: false };
    const json = JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: AGENT_NAMESPACE } });
    await effect('lease', () => kube.create(kind, undefined, json, signal));
  }

  async function keep(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await clock.sleep(RENEW_MS, signal).catch(() => undefined);
      if (signal.aborted) break;
      if (clock.monotonic() >= safeUntil + MARGIN_MS) return lost('it was not renewed in time');
      try {
        await claim(false, signal);
      } catch (thrown) {
        if (signal.aborted) break;
        log.warn({ err: thrown }, 'lease not renewed');
        const now = await kube.get(KIND, REF, signal).catch(() => live);
        if (specOf(now).holderIdentity !== holder) return lost(`held by ${specOf(now).holderIdentity ?? 'nobody'}`);
        live = now;
      }
    }
  }

  function lost(why: string): void {
    safeUntil = -Infinity;
    log.warn({ why }, 'lease lost');
  }

  async function release(signal: AbortSignal): Promise<void> {
    if (clock.monotonic() >= safeUntil) return;
    safeUntil = -Infinity;
    const { leaseTransitions = 0 } = specOf(live);
    const spec = { holderIdentity: '', leaseDurationSeconds: 1, leaseTransitions, renewTime: microTime(clock.now()) };
    await send(spec, signal).catch((thrown: unknown) => log.warn({ err: thrown }, 'lease not released'));
  }

  function transitions(): number {
    return specOf(live).leaseTransitions ?? 0;
  }

  const heldNow = (): boolean => clock.monotonic() < safeUntil;

  function check(): void {
    if (!heldNow()) throw new DroverError('LEASE_LOST', 'Lease drover-agent', 'it may have run out; nothing more is written');
  }

  return { acquire, keep, release, check, held: heldNow, transitions };
}
