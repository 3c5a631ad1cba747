import type { Digest } from '@drover/contract';
import type { JudgedUnits } from './types.ts';

/**
 * Tells whether the ended render of a Delivery is a new release: some cluster would run another digest than the newest
 * release gave it. Renders that only failed make none: their clusters keep what they have, and say why. Nor does a
 * cluster that leaves: it has no digest.
 *
 * @param previous cluster UID → digest of the newest release, carried over from older ones where it did not render
 * @returns clusters whose digest is new, with it; empty when there is nothing to release
 */
export function planRelease(previous: ReadonlyMap<string, Digest>, units: JudgedUnits): ReadonlyMap<string, Digest> {
  const changed = new Map<string, Digest>();
  for (const [cluster, unit] of units) {
    if (unit.type === 'digest' && previous.get(cluster) !== unit.digest) changed.set(cluster, unit.digest);
  }
  return changed;
}
