import type { Digest, Effect, ObjectKey, UnitName } from '@drover/contract';
import { openContentCache } from '#cache/content-cache.ts';
import { loadInventory } from '#inventory/inventory.ts';
import { readoptMarked, resolveIntents } from '#inventory/resolve.ts';
import { createSecretStore } from '#inventory/secrets.ts';
import type { Observer } from '#observe/types.ts';
import type { AgentPorts } from '#ports';
import type { Reporter } from '#report/types.ts';
import { movesOf, restoreDesired } from './desired.ts';
import { expectations } from './expectations.ts';
import type { Term } from './term.ts';
import { say, wakeBy } from './term.ts';

export interface TermDeps {
  readonly ports: AgentPorts;
  readonly observer: Observer;
  readonly reporter: Reporter;
  readonly cacheKey: Uint8Array;
  readonly mirror: boolean;
}

/**
 * Reads all that is known: inventory, bundle on record, cached content; settles what a crash left open.
 *
 * @param effect fenced by the Lease
 * @throws DroverError when it cannot be read: then nothing is concluded, and it is tried again
 */
export async function openTerm(deps: TermDeps, effect: Effect, signal: AbortSignal): Promise<Term> {
  const { kube, clock, random, log } = deps.ports;
  const secrets = createSecretStore({ kube, effect });
  const { inventory, damage, fresh } = await loadInventory(secrets, signal);
  const saved = { recent: inventory.recent, packs: inventory.record?.packs ?? [] };
  const cache = await openContentCache(
    { key: deps.cacheKey, disk: deps.ports.cache, secrets, mirror: deps.mirror, effect, random, log },
    saved,
    signal,
  );
  const desired = inventory.record === undefined ? undefined : await restoreDesired(inventory.record, inventory.entries, cache, signal);
  const term: Term = {
    ports: { clock, random, log, effect, kube },
    observer: deps.observer,
    reporter: deps.reporter,
    inventory,
    cache,
    desired,
    bundle: undefined,
    damage: fresh ? ['the cluster was not searched for our marks yet'] : damage,
    moves: desired === undefined ? new Map() : movesOf(desired, inventory.entries),
    failures: new Map(),
    contests: new Map(),
    changes: new Map(),
    drift: new Map(),
    lastUndone: new Map(),
    kept: [],
    checks: new Map(),
    compared: new Map(),
    appliedSince: new Map(),
    reports: new Map(),
    said: new Set(),
    trouble: undefined,
    verifiedAt: clock.monotonic(),
    mendAt: -Infinity,
    wakeAt: Infinity,
  };
  if (!fresh && damage.length > 0) {
    say(term, {
      severity: 'Error',
      reason: 'INVENTORY_DAMAGED',
      message: `deletions stop until the inventory is whole again: ${damage.join('; ')}`,
    });
  }
  doubtPending(term, !fresh && damage.length > 0);
  await resolveIntents(kube, inventory, (key) => desired?.owners.has(key) === true, signal);
  await mendInventory(term, signal);
  deps.observer.expect(expectations(inventory));
  return term;
}

/**
 * What the bundle on record was about to change may have been changed just before the crash, unrecorded: its content is
 * not known until it is applied again. Otherwise a later bundle that goes back to the old content would find nothing to do.
 */
function doubtPending(term: Term, damaged: boolean): void {
  const { desired, inventory } = term;
  // Without the whole of what was wanted anything may have been sent.
  const all = damaged || (desired?.unknown.length ?? 0) > 0;
  const wanted = new Map<ObjectKey, { readonly unit: UnitName; readonly digest: Digest }>();
  for (const unit of desired?.units.values() ?? []) {
    if (unit.suspended || unit.mode === 'Observe') continue;
    for (const { key, digest } of unit.objects) if (desired?.owners.get(key) === unit.name) wanted.set(key, { unit: unit.name, digest });
  }
  for (const entry of [...inventory.entries.values()]) {
    if (entry.uid === null || entry.digest === '') continue;
    const own = wanted.get(entry.key);
    const pending = own !== undefined && (own.unit !== entry.unit || own.digest !== entry.digest);
    if (all || pending) inventory.put({ ...entry, digest: '' });
  }
}

const MEND_MS = 15_000;

/** Searches the cluster for what we applied while the inventory is not whole; nothing is deleted before that succeeded. */
export async function mendInventory(term: Term, signal: AbortSignal): Promise<void> {
  const now = term.ports.clock.monotonic();
  if (term.damage.length === 0 || now < term.mendAt) {
    if (term.damage.length > 0) wakeBy(term, term.mendAt);
    return;
  }
  term.mendAt = now + MEND_MS;
  wakeBy(term, term.mendAt);
  const found = await readoptMarked(term.ports.kube, term.inventory, term.ports.log, signal);
  if (found === undefined) return;
  term.damage = [];
  if (found === 0) return;
  const message = `the inventory is whole again: ${found} objects with our mark were adopted by their UID`;
  say(term, { severity: 'Warning', reason: 'InventoryRebuilt', message });
  await term.inventory.flush(signal);
}
