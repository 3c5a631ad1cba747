import type { AgentEvent, BasePorts, Code, ObjectHealth, ObjectKey, Severity, UnitName, UnitReport, DriftReport } from '@drover/contract';
import type { Contest } from '#apply/contest.ts';
import type { Comparison } from '#apply/compare.ts';
import type { Desired, Failure, UnitChanges } from '#apply/types.ts';
import type { ContentCache } from '#cache/content-cache.ts';
import type { Inventory } from '#inventory/inventory.ts';
import type { Kube } from '#kube/types.ts';
import type { Observer } from '#observe/types.ts';
import type { Kept } from '#prune/types.ts';
import type { VerifiedBundle } from '#pull/types.ts';
import type { Reporter } from '#report/types.ts';

/**
 * A term: from taking the Lease to losing it. All that is known is read anew at its start; nothing of it outlives it.
 */
export interface Term {
  readonly ports: BasePorts & { readonly kube: Kube };
  readonly observer: Observer;
  readonly reporter: Reporter;
  readonly inventory: Inventory;
  readonly cache: ContentCache;
  /** Undefined before the first bundle. */
  desired: Desired | undefined;
  /** Where content that is not cached comes from; undefined until one is delivered in this run. */
  bundle: VerifiedBundle | undefined;
  /** Why the inventory is not whole; nothing is deleted until it is. */
  damage: readonly string[];
  moves: ReadonlyMap<UnitName, ReadonlySet<UnitName>>;
  readonly failures: Map<ObjectKey, Failure>;
  /** By object and manager. */
  readonly contests: Map<string, Contest>;
  readonly changes: Map<UnitName, UnitChanges>;
  /** Drift that is there and is not corrected. */
  drift: ReadonlyMap<UnitName, readonly DriftReport[]>;
  readonly lastUndone: Map<UnitName, DriftReport>;
  /** Wanted no more and still there, with why. */
  kept: readonly Kept[];
  /** Health of objects that health checks name and the inventory does not have. */
  readonly checks: Map<ObjectKey, { readonly health: ObjectHealth; readonly at: number }>;
  /** Comparisons of units in mode Observe. */
  readonly compared: Map<UnitName, Comparison>;
  /** Since when a unit is applied at its digest, monotonic. */
  readonly appliedSince: Map<UnitName, { readonly digest: string; readonly at: number }>;
  readonly reports: Map<UnitName, UnitReport>;
  /** What was said once and needs no repetition. */
  readonly said: Set<string>;
  /** Why the last round ended early; undefined after a whole one. */
  trouble: { readonly code: Code; readonly message: string } | undefined;
  verifiedAt: number;
  /** When a damaged inventory is searched for again, monotonic. */
  mendAt: number;
  /** When the next round is due at the latest, monotonic. */
  wakeAt: number;
}

/** Asks for a round not later than `at`, monotonic. */
export function wakeBy(term: Pick<Term, 'wakeAt'>, at: number): void {
  term.wakeAt = Math.min(term.wakeAt, at);
}

export interface Saying {
  readonly severity: Severity;
  readonly reason: string;
  readonly message: string;
  readonly unit?: UnitName;
  readonly object?: ObjectKey;
}

/** Tells of something that happened. */
export function say(term: Pick<Term, 'ports' | 'reporter'>, saying: Saying): void {
  const event: AgentEvent = { id: term.ports.random.uuid(), time: term.ports.clock.now(), ...saying };
  term.ports.log.info({ ...saying }, 'event');
  term.reporter.event(event);
}

/** Tells of something that stays true, once for each `topic`. */
export function sayOnce(term: Pick<Term, 'ports' | 'reporter' | 'said'>, topic: string, saying: Saying): void {
  if (term.said.has(topic)) return;
  term.said.add(topic);
  say(term, saying);
}
