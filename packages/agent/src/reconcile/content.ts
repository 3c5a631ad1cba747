import type { Digest } from '@drover/contract';
import { DroverError, inFlight, parseKey, showRef } from '@drover/contract';
import type { Task, WantedUnit } from '#apply/types.ts';
import type { Term } from './term.ts';

/** Blobs asked for at once. */
const FETCHES = 8;

/**
 * The JSON of an object: out of the cache, else from the bundle.
 *
 * @throws DroverError BLOB_MISSING when neither has it now
 */
export async function contentOf(term: Term, task: Task, signal: AbortSignal): Promise<string> {
  const cached = await term.cache.read(task.object.digest, signal);
  if (cached !== undefined) return cached;
  const fetched = await fetchContent(term, task.unit, task.object.digest, signal);
  if (fetched !== undefined) return fetched;
  throw new DroverError(
    'BLOB_MISSING',
    showRef(parseKey(task.object.key)),
    'its content is not in the cache, and no bundle that has it has arrived since the start',
  );
}

async function fetchContent(term: Term, unit: WantedUnit, digest: Digest, signal: AbortSignal): Promise<string | undefined> {
  const { bundle } = term;
  if (bundle === undefined || bundle.manifest.units.every(({ name, digest: own }) => name !== unit.name || own !== unit.digest))
    return undefined;
  const manifest = await bundle.unit(unit.name, signal);
  const object = manifest.objects.find((candidate) => candidate.digest === digest);
  return object === undefined ? undefined : await bundle.object(manifest, object, signal);
}

/**
 * Fetches what of the wanted content is not cached. What cannot be had now is left to the apply of its object, which
 * fails by name and is tried again.
 */
export async function fetchMissing(term: Term, signal: AbortSignal): Promise<void> {
  const { bundle, cache, desired } = term;
  if (bundle === undefined || desired === undefined) return;
  for (const unit of desired.units.values()) {
    if (unit.objects.every((object) => cache.has(object.digest))) continue;
    const manifest = await bundle.unit(unit.name, signal);
    const missing = manifest.objects.filter((object) => !cache.has(object.digest));
    await inFlight(missing, FETCHES, async (object) => {
      try {
        await cache.add(object.digest, await bundle.object(manifest, object, signal), signal);
      } catch (thrown) {
        signal.throwIfAborted();
        const error = DroverError.from(thrown, showRef(parseKey(object.key)));
        if (error.code === 'LEASE_LOST') throw error;
        term.ports.log.warn({ err: error, unit: unit.name, object: object.key }, 'content cannot be fetched now');
      }
    });
  }
}
