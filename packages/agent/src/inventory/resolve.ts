import type { Logger, ObjectKey } from '@drover/contract';
import { DroverError, keyOf, MANAGED_LABEL, parseKey, refOf, UNIT_ANNOTATION } from '@drover/contract';
import { isOurs } from '#apply/owner.ts';
import { CONCURRENCY, createPool } from '#apply/pool.ts';
import type { KindInfo, Kube, LiveObject } from '#kube/types.ts';
import type { Inventory } from './inventory.ts';
import type { Entry } from './types.ts';

/** From this many intents of a kind on, one list is cheaper than reading them one by one. */
const MIN_SCAN = 8;

/**
 * Settles intents that a run before this one left: an object that we applied gets its UID; one that is not there, or not
 * ours, is let go, and never deleted. What the bundle wants stays an intent, what cannot be read stays as it is.
 */
export async function resolveIntents(
  kube: Kube,
  inventory: Inventory,
  wanted: (key: ObjectKey) => boolean,
  signal: AbortSignal,
): Promise<void> {
  const groups = Map.groupBy(
    [...inventory.entries.values()].filter((entry) => entry.uid === null),
    (entry) => `${entry.apiVersion}/${parseKey(entry.key).kind}`,
  );
  const pool = createPool(CONCURRENCY);
  for (const intents of groups.values()) {
    const [first] = intents;
    if (first === undefined) continue;
    const lookup = await kube.lookup(first.apiVersion, parseKey(first.key).kind, signal);
    // Absence of the kind is judged where objects are pruned: here it is enough that nothing is known.
    if (lookup.type !== 'served') continue;
    const seen = intents.length < MIN_SCAN ? undefined : await scanMarked(kube, lookup.info, signal);
    const read = async (intent: Entry): Promise<void> => {
      // A create that was ours put its label on; without it the object itself is asked, as the label may have been taken off.
      const live = seen?.get(intent.key) ?? (await kube.get(lookup.info, parseKey(intent.key), signal));
      settle(inventory, intent, live, wanted);
    };
    await Promise.all(intents.map((intent) => pool.run(() => read(intent))));
  }
}

function settle(
  inventory: Inventory,
  intent: Entry,
  live: Pick<LiveObject, 'metadata'> | undefined,
  wanted: (key: ObjectKey) => boolean,
): void {
  // The mark says for which unit it was: the intent may be of an earlier bundle.
  const unit = live?.metadata.annotations?.[UNIT_ANNOTATION];
  if (live !== undefined && unit !== undefined && isOurs(live as LiveObject)) inventory.put({ ...intent, uid: live.metadata.uid, unit });
  else if (!wanted(intent.key)) inventory.drop(intent.key);
}

async function scanMarked(kube: Kube, kind: KindInfo, signal: AbortSignal): Promise<ReadonlyMap<ObjectKey, Pick<LiveObject, 'metadata'>>> {
  const seen = new Map<ObjectKey, Pick<LiveObject, 'metadata'>>();
  const visit = (object: LiveObject): void => {
    const { name, namespace } = object.metadata;
    const place = namespace === undefined ? {} : { namespace };
    if (isOurs(object)) seen.set(keyOf({ group: kind.group, kind: kind.kind, name, ...place }), { metadata: object.metadata });
  };
  await kube.scan(kind, { labelSelector: MANAGED_LABEL }, visit, signal);
  return seen;
}

/**
 * Makes a damaged inventory whole: everything in the cluster that we applied, by its managed fields and our marks, is
 * entered with its UID and an unknown digest.
 *
 * @returns how many were entered; undefined when the cluster could not be searched in full: to be tried again
 */
export async function readoptMarked(kube: Kube, inventory: Inventory, log: Logger, signal: AbortSignal): Promise<number | undefined> {
  const kinds = await kube.kinds(signal);
  if (kinds === undefined) return undefined;
  const unique = new Map(kinds.map((kind) => [`${kind.group}/${kind.kind}`, kind]));
  let count = 0;
  for (const [name, kind] of unique) {
    if (COMPUTED.test(name)) continue;
    try {
      await kube.scan(kind, { labelSelector: MANAGED_LABEL }, (object) => void (count += enter(inventory, kind, object)), signal);
    } catch (thrown) {
      signal.throwIfAborted();
      const error = DroverError.from(thrown, kind.kind);
      // What we may not list we cannot have applied; what cannot be listed at all holds no objects of ours.
      if (!UNLISTED.has(error.code)) return undefined;
      log.debug({ kind: kind.kind, code: error.code }, 'kind left out of the search for our marks');
    }
  }
  return count;
}

/** Answers that servers compute: nothing of them is stored, and some are not even proper lists. */
const COMPUTED = /^\/ComponentStatus$|^(?:.*\.)?metrics\.k8s\.io\//;

const UNLISTED: ReadonlySet<string> = new Set(['KUBE_FORBIDDEN', 'KUBE_KIND_UNKNOWN', 'KUBE_METHOD_REFUSED', 'KUBE_REJECTED']);

function enter(inventory: Inventory, kind: KindInfo, live: LiveObject): number {
  const unit = live.metadata.annotations?.[UNIT_ANNOTATION];
  if (unit === undefined || !isOurs(live)) return 0;
  const apiVersion = kind.group === '' ? kind.version : `${kind.group}/${kind.version}`;
  const key = keyOf(refOf({ ...live, apiVersion, kind: kind.kind }));
  const known = inventory.entries.get(key);
  if (known?.uid === live.metadata.uid) return 0;
  inventory.put({ key, apiVersion, uid: live.metadata.uid, digest: '', unit, adopted: true });
  return 1;
}
