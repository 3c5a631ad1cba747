import type { ObjectKey, UnitName } from '@drover/contract';
import { parseKey, showRef } from '@drover/contract';
import { planPrune } from '#prune/plan.ts';
import type { Pruner } from '#prune/pruner.ts';
import type { Removal } from '#prune/types.ts';
import { retryAfter } from './apply-step.ts';
import { expectations } from './expectations.ts';
import type { Term } from './term.ts';
import { say, sayOnce, wakeBy } from './term.ts';
import { standingOf } from './unit-facts.ts';

/** A second round is for what was adopted in the first. */
const MAX_ROUNDS = 2;
const RETRY: Parameters<typeof retryAfter>[0] = {
  options: { wait: true, drift: 'Correct', intervalMs: 600_000, retryIntervalMs: 60_000, timeoutMs: 300_000, healthChecks: [] },
};

/** Takes out what is proven to leave; what is gone for certain leaves the inventory afterwards. */
export async function pruneStep(
  term: Term,
  pruner: Pruner,
  heldBy: () => string | undefined,
  superseded: () => boolean,
  signal: AbortSignal,
): Promise<void> {
  const { inventory, desired } = term;
  if (desired === undefined) return;
  for (let round = 0; round < MAX_ROUNDS && !superseded(); round++) {
    const { applied, ready } = standingOf(term);
    const held = term.damage.length > 0 ? `the inventory is damaged: ${term.damage.join('; ')}` : heldBy();
    const plan = planPrune({ desired, entries: inventory.entries, applied, ready, moves: term.moves, held });
    term.kept = plan.kept;
    for (const unit of plan.unaccounted) {
      const message = 'the bundle neither lists nor leaves the unit: its objects stay as they are';
      sayOnce(term, `UNIT_UNACCOUNTED ${unit}`, { severity: 'Warning', reason: 'UNIT_UNACCOUNTED', unit, message });
    }
    for (const entry of plan.release) inventory.put({ ...entry, keep: 'Released' });
    for (const entry of plan.orphan) inventory.drop(entry.key);
    for (const [unit, keys] of byUnit(plan.orphan)) {
      say(term, { severity: 'Info', reason: 'Orphaned', unit, message: `${keys.length} objects are left in place: ${listed(keys)}` });
    }
    const due = plan.remove.filter((entry) => isDue(term, entry.key));
    if (due.length === 0) break;
    await assureInventory(term, signal);
    // What we delete ourselves need not be confirmed by the observer, one read each.
    const leaving = new Set(due.map((entry) => entry.key));
    term.observer.expect([...expectations(inventory)].filter(({ key }) => !leaving.has(key)));
    const removals = await pruner.remove(due, superseded, signal);
    note(term, removals);
    term.observer.expect(expectations(inventory));
    await inventory.flush(signal);
    if (!removals.some((removal) => removal.type === 'Adopted')) break;
  }
  await inventory.flush(signal);
}

/** Nothing is deleted on the word of memory alone: the cluster's inventory has to say the same. */
export async function assureInventory(term: Term, signal: AbortSignal): Promise<void> {
  const repaired = await term.inventory.verify(signal);
  if (repaired.length === 0) return;
  const message = `changed or deleted behind the agent's back, written again: ${repaired.join(', ')}`;
  say(term, { severity: 'Error', reason: 'INVENTORY_DAMAGED', message });
}

function isDue(term: Term, key: ObjectKey): boolean {
  const failure = term.failures.get(key);
  if (failure === undefined || term.ports.clock.monotonic() >= failure.retryAt) return true;
  // What is seen to be gone is confirmed at once.
  if (term.observer.observed(key)?.presence === 'Missing') return true;
  wakeBy(term, failure.retryAt);
  return false;
}

function note(term: Term, removals: readonly Removal[]): void {
  const { inventory, desired } = term;
  const deleted: { unit: UnitName; key: ObjectKey }[] = [];
  for (const removal of removals) {
    const { key, unit } = removal.entry;
    if (removal.type !== 'Failed') term.failures.delete(key);
    switch (removal.type) {
      case 'Gone':
        inventory.drop(key);
        if (removal.deleted) deleted.push({ unit, key });
        break;
      case 'Adopted':
        inventory.put(removal.entry);
        break;
      case 'Foreign':
        inventory.drop(key);
        say(term, {
          severity: 'Warning',
          reason: 'NotDeleted',
          unit,
          object: key,
          message: `${showRef(parseKey(key))} stays: ${removal.message}`,
        });
        break;
      case 'Disabled':
        // A unit that is still here remembers it; one that left is done with it.
        if (desired?.units.has(unit) === true) inventory.put({ ...removal.entry, keep: 'Disabled' });
        else inventory.drop(key);
        say(term, {
          severity: 'Info',
          reason: 'NotDeleted',
          unit,
          object: key,
          message: `${showRef(parseKey(key))} stays: it says prune: disabled`,
        });
        break;
      case 'Failed':
        noteFailure(term, removal);
        break;
    }
  }
  for (const [unit, list] of Map.groupBy(deleted, (one) => one.unit)) {
    const keys = list.map((one) => one.key);
    const before = term.changes.get(unit) ?? {
      created: 0,
      configured: 0,
      unchanged: desired?.units.get(unit)?.objects.length ?? 0,
      deleted: 0,
    };
    term.changes.set(unit, { ...before, deleted: before.deleted + keys.length });
    say(term, { severity: 'Info', reason: 'Pruned', unit, message: `${keys.length} deleted: ${listed(keys)}` });
  }
}

function noteFailure(term: Term, { entry, error }: Extract<Removal, { type: 'Failed' }>): void {
  const attempts = (term.failures.get(entry.key)?.attempts ?? 0) + 1;
  const options = term.desired?.units.get(entry.unit)?.options ?? RETRY.options;
  const retryAt = term.ports.clock.monotonic() + retryAfter({ options }, error, attempts, term.ports.random.fraction());
  term.failures.set(entry.key, { error, digest: undefined, attempts, retryAt });
  wakeBy(term, retryAt);
  const severity = error.code === 'KUBE_TERMINATING' ? 'Info' : 'Error';
  sayOnce(term, `failed ${error.code} delete ${entry.key}`, {
    severity,
    reason: error.code,
    unit: entry.unit,
    object: entry.key,
    message: error.message,
  });
}

function byUnit(entries: readonly { readonly unit: UnitName; readonly key: ObjectKey }[]): ReadonlyMap<UnitName, readonly ObjectKey[]> {
  return new Map(
    Array.from(
      Map.groupBy(entries, (entry) => entry.unit),
      ([unit, list]) => [unit, list.map((entry) => entry.key)],
    ),
  );
}

function listed(keys: readonly ObjectKey[]): string {
  const shown = keys.slice(0, 5).map((key) => showRef(parseKey(key)));
  return keys.length > shown.length ? `${shown.join(', ')} and ${keys.length - shown.length} more` : shown.join(', ');
}
