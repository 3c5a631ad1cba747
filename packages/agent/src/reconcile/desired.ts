import type { BundleUnit, Digest, LeftUnit, ObjectKey, UnitManifest, UnitName, UnitOptions } from '@drover/contract';
import { canonicalJson, digestOf, DroverError } from '@drover/contract';
import type { Desired, WantedObject, WantedUnit } from '#apply/types.ts';
import type { ContentCache } from '#cache/content-cache.ts';
import type { Entry, RecordedUnit, StateRecord } from '#inventory/types.ts';
import { STATE_FORMAT } from '#inventory/types.ts';
import type { SeenHead, VerifiedBundle } from '#pull/types.ts';

/** A unit manifest as the cache keeps it: without blobs and keys, which are of no use without NATS. */
const CACHED_FORMAT = 'drover.cached-unit/1';

interface CachedManifest {
  readonly format: typeof CACHED_FORMAT;
  readonly unit: UnitName;
  readonly options: UnitOptions;
  readonly objects: readonly (readonly [key: ObjectKey, apiVersion: string, digest: Digest])[];
}

/**
 * What a verified bundle asks for. Manifests of units that did not change are taken from what was wanted before; the
 * others are fetched, and put into the cache.
 *
 * @throws DroverError as `VerifiedBundle.unit`: without all manifests nothing can be shown to be unwanted
 */
export async function desiredOf(
  bundle: VerifiedBundle,
  before: Desired | undefined,
  entries: ReadonlyMap<ObjectKey, Entry>,
  cache: ContentCache,
  signal: AbortSignal,
): Promise<Desired> {
  const units = await Promise.all(
    bundle.manifest.units.map(async (unit): Promise<WantedUnit> => {
      const known = before?.units.get(unit.name);
      if (known !== undefined && known.digest === unit.digest && cache.has(known.item))
        return wantedUnit(unit, known.item, known, known.applied);
      const manifest = await bundle.unit(unit.name, signal);
      const text = cachedText(manifest);
      const item = digestOf(text);
      await cache.add(item, text, signal);
      const objects = manifest.objects.map(({ key, apiVersion, digest }) => ({ key, apiVersion, digest }));
      return wantedUnit(unit, item, { options: manifest.options, objects }, known?.applied);
    }),
  );
  return assemble(bundle.head, units, bundle.manifest.left, entries, []);
}

/** What the state on record asks for, out of the cache; units whose manifest is not there are named as unknown. */
export async function restoreDesired(
  record: StateRecord,
  entries: ReadonlyMap<ObjectKey, Entry>,
  cache: ContentCache,
  signal: AbortSignal,
): Promise<Desired> {
  const units: WantedUnit[] = [];
  const unknown: UnitName[] = [];
  for (const unit of record.units) {
    const text = await cache.read(unit.item, signal);
    const manifest = text === undefined ? undefined : (JSON.parse(text) as CachedManifest);
    if (manifest === undefined || manifest.format !== CACHED_FORMAT) {
      unknown.push(unit.name);
      continue;
    }
    const objects = manifest.objects.map(([key, apiVersion, digest]) => ({ key, apiVersion, digest }));
    units.push({ ...unit, options: manifest.options, objects });
  }
  return assemble(record.head, units, record.left, entries, unknown);
}

/** The record that `drover-state` keeps of what is wanted. */
export function recordOf(desired: Desired, packs: readonly number[], previous: StateRecord | undefined): StateRecord {
  const units = [...desired.units.values()].map(({ options: _options, objects: _objects, ...unit }): RecordedUnit => unit);
  // A unit whose manifest was lost is still on record: it is wanted, and becomes known again with the next bundle.
  const lost = (previous?.units ?? []).filter((unit) => desired.unknown.includes(unit.name));
  return { format: STATE_FORMAT, head: desired.head, units: [...units, ...lost], left: desired.left, packs };
}

/** Everything of the cache that is in use: manifests, what is wanted, and what is applied. */
export function itemsInUse(desired: Desired, entries: ReadonlyMap<ObjectKey, Entry>): ReadonlySet<Digest> {
  const items = new Set<Digest>();
  for (const unit of desired.units.values()) {
    items.add(unit.item);
    for (const object of unit.objects) items.add(object.digest);
  }
  for (const entry of entries.values()) items.add(entry.digest);
  return items;
}

function wantedUnit(
  unit: BundleUnit,
  item: Digest,
  content: { readonly options: UnitOptions; readonly objects: readonly WantedObject[] },
  applied: Digest | undefined,
): WantedUnit {
  const { manifest: _manifest, ...rest } = unit;
  return { ...rest, item, options: content.options, objects: content.objects, ...(applied === undefined ? {} : { applied }) };
}

function cachedText(manifest: UnitManifest): string {
  const objects = manifest.objects.map(({ key, apiVersion, digest }) => [key, apiVersion, digest] as const);
  return canonicalJson({ format: CACHED_FORMAT, unit: manifest.unit, options: manifest.options, objects } satisfies CachedManifest);
}

/** Where two units list one object, which the hub never composes, the one that has it keeps it. */
function assemble(
  head: SeenHead,
  units: readonly WantedUnit[],
  left: readonly LeftUnit[],
  entries: ReadonlyMap<ObjectKey, Entry>,
  unknown: readonly UnitName[],
): Desired {
  const owners = new Map<ObjectKey, UnitName>();
  for (const unit of units) {
    for (const { key } of unit.objects) if (!owners.has(key) || entries.get(key)?.unit === unit.name) owners.set(key, unit.name);
  }
  const { fleet, epoch, generation, content } = head;
  return { head: { fleet, epoch, generation, content }, units: new Map(units.map((unit) => [unit.name, unit])), left, owners, unknown };
}

/**
 * Objects that come from one unit and are wanted by another: a unit is pruned only when the units that its objects went
 * to are applied.
 */
export function movesOf(desired: Desired, entries: ReadonlyMap<ObjectKey, Entry>): Map<UnitName, Set<UnitName>> {
  const moves = new Map<UnitName, Set<UnitName>>();
  for (const entry of entries.values()) {
    const owner = desired.owners.get(entry.key);
    if (owner === undefined || owner === entry.unit) continue;
    const targets = moves.get(entry.unit) ?? new Set();
    moves.set(entry.unit, targets.add(owner));
  }
  return moves;
}

/**
 * Judges a head against the one on record (I4).
 *
 * @returns `newer`, `same` (the very one on record), or `old`: no information
 * @throws DroverError HEAD_REJECTED for another fleet or cluster, HEAD_CONFLICT for a second content of one generation
 */
export function judgeHead(bundle: VerifiedBundle, seen: SeenHead | undefined, cluster: string): 'newer' | 'same' | 'old' {
  const { head, manifest } = bundle;
  if (head.cluster !== cluster || manifest.cluster !== cluster)
    throw new DroverError('HEAD_REJECTED', 'head', `it is for cluster ${head.cluster}, this is ${cluster}`);
  if (seen === undefined) return 'newer';
  if (head.fleet !== seen.fleet)
    throw new DroverError('HEAD_REJECTED', 'head', `it is of fleet ${head.fleet}, this cluster belongs to ${seen.fleet}`);
  const order = head.epoch - seen.epoch || head.generation - seen.generation;
  if (order !== 0) return order > 0 ? 'newer' : 'old';
  if (head.content !== seen.content)
    throw new DroverError('HEAD_CONFLICT', 'head', `a second content for epoch ${head.epoch}, generation ${head.generation}`);
  return 'same';
}
