import type { ObjectKey } from '@drover/contract';
import { DroverError, healthOf, inFlight, parseKey, showRef } from '@drover/contract';
import { compareUnit } from '#apply/compare.ts';
import { CONCURRENCY } from '#apply/pool.ts';
import { contentOf } from './content.ts';
import { assureInventory } from './prune-step.ts';
import type { Term } from './term.ts';
import { wakeBy } from './term.ts';
import { checkKeys } from './unit-facts.ts';

const MIN_INTERVAL_MS = 60_000;
/** Objects that a health check names outside the inventory are read this often while the unit is not Ready. */
const CHECK_EVERY_MS = 5_000;

/**
 * The full verification of every interval: the inventory's Secrets against memory, and one list per kind against what the
 * watches showed.
 */
export async function verifyStep(term: Term, signal: AbortSignal): Promise<void> {
  const { clock } = term.ports;
  const intervals = [...(term.desired?.units.values() ?? [])].map((unit) => unit.options.intervalMs);
  if (intervals.length === 0) return;
  const due = term.verifiedAt + Math.max(MIN_INTERVAL_MS, Math.min(...intervals));
  if (clock.monotonic() < due) {
    wakeBy(term, due);
    return;
  }
  term.verifiedAt = clock.monotonic();
  wakeBy(term, term.verifiedAt + Math.max(MIN_INTERVAL_MS, Math.min(...intervals)));
  await assureInventory(term, signal);
  term.observer.refresh();
}

/** Compares units in mode Observe that have new content, or whose interval is over. Writes nothing. */
export async function compareStep(term: Term, superseded: () => boolean, signal: AbortSignal): Promise<void> {
  for (const name of term.compared.keys()) if (term.desired?.units.get(name)?.mode !== 'Observe') term.compared.delete(name);
  for (const unit of term.desired?.units.values() ?? []) {
    if (unit.mode !== 'Observe' || superseded()) continue;
    const before = term.compared.get(unit.name);
    const now = term.ports.clock.monotonic();
    if (before === undefined || before.digest !== unit.digest || now >= before.at + unit.options.intervalMs) {
      const deps = { kube: term.ports.kube, content: contentOf.bind(undefined, term) };
      term.compared.set(unit.name, await compareUnit(deps, unit, now, signal));
    }
    wakeBy(term, (term.compared.get(unit.name)?.at ?? now) + unit.options.intervalMs);
  }
}

/** Reads what health checks name and the inventory does not have. */
export async function checkStep(term: Term, ready: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
  const now = term.ports.clock.monotonic();
  const due = new Map<ObjectKey, string>();
  for (const unit of term.desired?.units.values() ?? []) {
    if (unit.suspended || unit.mode === 'Observe') continue;
    const every = ready.has(unit.name) ? unit.options.intervalMs : CHECK_EVERY_MS;
    for (const [index, key] of checkKeys(unit).entries()) {
      const entry = term.inventory.entries.get(key);
      if (entry !== undefined && entry.uid !== null) continue;
      const read = term.checks.get(key);
      const next = read === undefined ? now : read.at + every;
      if (next <= now) due.set(key, unit.options.healthChecks[index]?.apiVersion ?? 'v1');
      else wakeBy(term, next);
    }
  }
  await inFlight(due, CONCURRENCY, async ([key, apiVersion]) => {
    term.checks.set(key, { health: await readHealth(term, key, apiVersion, signal), at: now });
    wakeBy(term, now + CHECK_EVERY_MS);
  });
}

async function readHealth(term: Term, key: ObjectKey, apiVersion: string, signal: AbortSignal): Promise<ReturnType<typeof healthOf>> {
  const ref = parseKey(key);
  try {
    const lookup = await term.ports.kube.lookup(apiVersion, ref.kind, signal);
    if (lookup.type !== 'served') return { health: 'Unknown', message: `${ref.kind} of ${apiVersion} is not served` };
    const live = await term.ports.kube.get(lookup.info, ref, signal);
    return live === undefined ? { health: 'NotFound', message: `${showRef(ref)} does not exist` } : healthOf(live);
  } catch (thrown) {
    signal.throwIfAborted();
    return { health: 'Unknown', message: DroverError.from(thrown, showRef(ref)).what };
  }
}
