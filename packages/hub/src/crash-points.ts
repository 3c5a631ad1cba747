import type { Effect } from '@drover/contract';
import type { Store } from '#state/store.ts';

/** Effects of the hub's core on its record, by name, in the order in which one change causes them; publishing has its own. */
export const CORE_CRASH_POINTS = [
  /** The transaction that records what a fetch gave. */
  'source-record',
  /** The transaction that records a configuration. */
  'configuration-commit',
  /** The transaction that writes what the evaluation of one Delivery came to: rows, release and rollout. */
  'release-commit',
  /** The transaction that notes a commit which changes nothing. */
  'revision-commit',
  /** The transaction that writes what of a cluster's units is published. */
  'outcome-commit',
  /** The transaction that records what agents said. */
  'report-commit',
] as const;

/** A store whose transactions are effects of one name. */
export function storeAt(store: Store, effect: Effect, point: (typeof CORE_CRASH_POINTS)[number]): Store {
  return { ...store, write: (run) => effect(point, () => store.write(run)) };
}
