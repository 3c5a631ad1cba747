import type { Clock, Effect } from '@drover/contract';
import { DroverError, MANAGED_LABEL, parseKey, showRef, UNIT_ANNOTATION } from '@drover/contract';
import { isPruneDisabled, refuseTerminating } from '#apply/apply-object.ts';
import { isOurs, ownField } from '#apply/owner.ts';
import { CONCURRENCY, createPool } from '#apply/pool.ts';
import type { DeleteBudget } from '#guard/refuse.ts';
import { guardObject } from '#guard/refuse.ts';
import type { Entry } from '#inventory/types.ts';
import type { KindInfo, Kube, LiveObject } from '#kube/types.ts';
import type { Removal } from './types.ts';

export interface PrunerDeps {
  readonly kube: Kube;
  readonly effect: Effect;
  readonly clock: Clock;
  readonly budget: DeleteBudget;
}

export interface Pruner {
  /**
   * Deletes what was proven to leave: one consistent list per kind, then DELETE of exactly the object that was read.
   * What is not confirmed as gone is returned as failed and stays in the inventory.
   *
   * @param superseded true when something newer has arrived: nothing more is deleted
   */
  remove(entries: readonly Entry[], superseded: () => boolean, signal: AbortSignal): Promise<readonly Removal[]>;
}

/** Up to this many objects of a kind are read one by one. */
const MAX_SINGLE_READS = 3;

export function createPruner(deps: PrunerDeps): Pruner {
  const { kube, effect, clock, budget } = deps;
  const pool = createPool(CONCURRENCY);

  async function remove(entries: readonly Entry[], superseded: () => boolean, signal: AbortSignal): Promise<readonly Removal[]> {
    const removals: Removal[] = [];
    for (const group of groupByKind(entries)) {
      if (superseded()) break;
      removals.push(...(await removeKind(group, superseded, signal)));
    }
    return removals;
  }

  async function removeKind(entries: readonly Entry[], superseded: () => boolean, signal: AbortSignal): Promise<readonly Removal[]> {
    const [first] = entries;
    if (first === undefined) return [];
    try {
      const kind = await findKind(first, signal);
      if (kind === undefined) return entries.map((entry) => ({ type: 'Gone', entry, deleted: false }));
      const live = await readAll(kind, entries, signal);
      const judged = await Promise.all(
        entries.map((entry) => pool.run(() => removeOne(kind, entry, live.get(entry.key), superseded, signal))),
      );
      return await confirm(kind, judged, signal);
    } catch (thrown) {
      signal.throwIfAborted();
      const error = DroverError.from(thrown, showRef(parseKey(first.key)));
      if (error.code === 'LEASE_LOST') throw error;
      return entries.map((entry) => ({ type: 'Failed', entry, error }));
    }
  }

  /**
   * Undefined when the server states, freshly and in full, that it serves the kind in no version: then none of its
   * objects is left.
   */
  async function findKind(entry: Entry, signal: AbortSignal): Promise<KindInfo | undefined> {
    const ref = parseKey(entry.key);
    const lookup = await kube.lookup(entry.apiVersion, ref.kind, signal);
    if (lookup.type === 'unavailable') throw new DroverError('KUBE_UNREACHABLE', showRef(ref), `discovery: ${lookup.message}`);
    return lookup.type === 'served' ? lookup.info : lookup.elsewhere;
  }

  async function readAll(kind: KindInfo, entries: readonly Entry[], signal: AbortSignal): Promise<ReadonlyMap<string, LiveObject>> {
    const live = entries.length > MAX_SINGLE_READS ? await scanFor(kind, entries, signal) : new Map<string, LiveObject>();
    // What the list does not show may have lost its label: only a read of the object itself says that it is gone.
    await readEach(
      kind,
      entries.filter((entry) => !live.has(entry.key)),
      live,
      signal,
    );
    return live;
  }

  /** After a DELETE the list is enough: what lost its label in between is on its way out all the same. */
  async function readShown(kind: KindInfo, entries: readonly Entry[], signal: AbortSignal): Promise<ReadonlyMap<string, LiveObject>> {
    if (entries.length > MAX_SINGLE_READS) return await scanFor(kind, entries, signal);
    const live = new Map<string, LiveObject>();
    await readEach(kind, entries, live, signal);
    return live;
  }

  async function scanFor(kind: KindInfo, entries: readonly Entry[], signal: AbortSignal): Promise<Map<string, LiveObject>> {
    const live = new Map<string, LiveObject>();
    const wanted = new Map(entries.map((entry) => [placeOf(parseKey(entry.key)), entry.key]));
    const namespaces = new Set(entries.map((entry) => parseKey(entry.key).namespace));
    const [namespace] = namespaces.size === 1 ? [...namespaces] : [];
    const options = { labelSelector: MANAGED_LABEL, ...(namespace === undefined ? {} : { namespace }) };
    const visit = (object: LiveObject): void => {
      const key = wanted.get(placeOf(object.metadata));
      if (key !== undefined) live.set(key, object);
    };
    await kube.scan(kind, options, visit, signal);
    return live;
  }

  async function readEach(kind: KindInfo, entries: readonly Entry[], live: Map<string, LiveObject>, signal: AbortSignal): Promise<void> {
    const read = async (entry: Entry): Promise<void> => {
      const object = await kube.get(kind, parseKey(entry.key), signal);
      if (object !== undefined) live.set(entry.key, object);
    };
    await Promise.all(entries.map((entry) => pool.run(() => read(entry))));
  }

  async function removeOne(
    kind: KindInfo,
    entry: Entry,
    live: LiveObject | undefined,
    superseded: () => boolean,
    signal: AbortSignal,
  ): Promise<Removal | Accepted> {
    const ref = parseKey(entry.key);
    const subject = showRef(ref);
    try {
      guardObject(ref);
      if (live === undefined) return { type: 'Gone', entry, deleted: false };
      const unit = live.metadata.annotations?.[UNIT_ANNOTATION];
      const adopted = unit !== undefined && isOurs(live) ? { ...entry, unit, uid: live.metadata.uid, digest: '' } : undefined;
      if (live.metadata.uid !== entry.uid) {
        if (adopted !== undefined) return { type: 'Adopted', entry: adopted };
        return {
          type: 'Foreign',
          entry,
          message: entry.uid === null ? 'it was never ours' : 'it was replaced by an object that is not ours',
        };
      }
      // It was applied for another unit, and the crash came before that was on record: that unit decides.
      if (adopted !== undefined && unit !== entry.unit) return { type: 'Adopted', entry: adopted };
      if (ownField(live) === undefined)
        return { type: 'Foreign', entry, message: `its fields are no longer ours but of ${managersOf(live)}` };
      if (isPruneDisabled(live.metadata.annotations ?? {})) return { type: 'Disabled', entry };
      refuseTerminating(live, subject);
      if (superseded()) throw new DroverError('KUBE_CONFLICT', subject, 'a newer bundle has arrived; it is judged again');
      if (budget.left(clock.monotonic()) === 0)
        throw new DroverError('DELETES_OVER_BUDGET', subject, "the agent's own limit of deletes in 24 hours is reached");
      budget.spend(clock.monotonic());
      const { uid, resourceVersion } = live.metadata;
      const answer = await effect('delete', () => kube.delete(kind, ref, { uid, resourceVersion, propagation: 'Background' }, signal));
      return answer === 'gone' ? { type: 'Gone', entry, deleted: true } : { type: 'Accepted', entry };
    } catch (thrown) {
      signal.throwIfAborted();
      const error = DroverError.from(thrown, subject);
      if (error.code === 'LEASE_LOST') throw error;
      return { type: 'Failed', entry, error };
    }
  }

  /** Reads again what the server accepted: a finalizer may hold it, and then it stays in the inventory. */
  async function confirm(kind: KindInfo, judged: readonly (Removal | Accepted)[], signal: AbortSignal): Promise<readonly Removal[]> {
    const accepted = judged.filter((removal) => removal.type === 'Accepted').map((removal) => removal.entry);
    const live = accepted.length === 0 ? new Map<string, LiveObject>() : await readShown(kind, accepted, signal);
    return judged.map((removal): Removal => {
      if (removal.type !== 'Accepted') return removal;
      const object = live.get(removal.entry.key);
      if (object === undefined || object.metadata.uid !== removal.entry.uid) return { type: 'Gone', entry: removal.entry, deleted: true };
      const { finalizers = [] } = object.metadata;
      const held =
        finalizers.length === 0 ? 'it is being deleted' : `it is being deleted and waits for finalizers ${finalizers.join(', ')}`;
      return {
        type: 'Failed',
        entry: removal.entry,
        error: new DroverError('KUBE_TERMINATING', showRef(parseKey(removal.entry.key)), held),
      };
    });
  }

  return { remove };
}

interface Accepted {
  readonly type: 'Accepted';
  readonly entry: Entry;
}

function placeOf(at: { readonly namespace?: string; readonly name: string }): string {
  return `${at.namespace ?? ''}/${at.name}`;
}

function managersOf(live: LiveObject): string {
  const managers = new Set((live.metadata.managedFields ?? []).map((field) => field.manager ?? 'unknown'));
  return [...managers].join(', ') || 'nobody';
}

/** By apiVersion and kind, in the order given. */
function groupByKind(entries: readonly Entry[]): readonly (readonly Entry[])[] {
  const groups = new Map<string, Entry[]>();
  for (const entry of entries) {
    const { kind } = parseKey(entry.key);
    const name = `${entry.apiVersion}/${kind}`;
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [entry]);
    else group.push(entry);
  }
  return [...groups.values()];
}
