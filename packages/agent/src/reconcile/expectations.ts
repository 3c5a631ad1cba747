import type { Inventory } from '#inventory/inventory.ts';
import type { Expectation } from '#observe/types.ts';

/** What of the inventory is to be observed: all of it. */
export function* expectations(inventory: Inventory): Generator<Expectation> {
  for (const { key, apiVersion, unit, uid, fields, digest } of inventory.entries.values())
    yield { key, apiVersion, unit, uid, fields, digest };
}
