import type { BundleManifest, BundleUnit, Digest, Head, UnitManifest, UnitObject } from '@drover/contract';
import { DroverError, openBlob, openObject, parseUnitManifest } from '@drover/contract';
import type { Blobs } from './blobs.ts';
import { unlessAborted } from './blobs.ts';
import type { VerifiedBundle } from './types.ts';

/** Parsed unit manifests, shared by the bundles of a run: a unit that did not change is not parsed again. */
export type ManifestMemory = Map<Digest, Promise<UnitManifest>>;

const MAX_MANIFESTS = 16;

/** A bundle whose manifest was verified, and whose content is opened when it is asked for. */
export function openBundle(
  head: Head,
  manifest: BundleManifest,
  blobs: Blobs,
  memory: ManifestMemory,
  lifetime: AbortSignal,
): VerifiedBundle {
  const units = new Map(manifest.units.map((unit) => [unit.name, unit]));

  async function load(unit: BundleUnit): Promise<UnitManifest> {
    const pieces = await Promise.all(unit.manifest.map(async (ref) => openBlob(ref, await blobs.get(ref.name, lifetime))));
    let parsed: UnitManifest;
    try {
      parsed = parseUnitManifest(Buffer.concat(pieces));
    } catch (thrown) {
      if (thrown instanceof DroverError) throw thrown;
      throw new DroverError('BLOB_REJECTED', `unit ${unit.name}`, 'its manifest is no JSON', { cause: thrown });
    }
    if (parsed.unit === unit.name) return parsed;
    throw new DroverError('BLOB_REJECTED', `unit ${unit.name}`, `its manifest is that of ${parsed.unit}`);
  }

  return {
    head,
    manifest,
    async unit(name, signal) {
      signal.throwIfAborted();
      const unit = units.get(name);
      if (unit === undefined) throw new DroverError('BLOB_MISSING', `unit ${name}`, 'it is not part of the bundle');
      let loading = memory.get(unit.digest);
      memory.delete(unit.digest);
      loading ??= load(unit);
      memory.set(unit.digest, loading);
      for (const oldest of memory.keys()) {
        if (memory.size <= MAX_MANIFESTS) break;
        memory.delete(oldest);
      }
      try {
        return await unlessAborted(loading, signal);
      } catch (thrown) {
        if (!signal.aborted && memory.get(unit.digest) === loading) memory.delete(unit.digest);
        throw thrown;
      }
    },
    object: (unit, object, signal) => readObject(unit, object, blobs, signal),
  };
}

async function readObject(unit: UnitManifest, object: UnitObject, blobs: Blobs, signal: AbortSignal): Promise<string> {
  const pieces = await Promise.all(
    object.parts.map(async ([blob, offset, length]) => {
      const name = unit.blobs[blob];
      if (name === undefined) throw new DroverError('BLOB_REJECTED', object.key, `the unit manifest has no blob ${blob}`);
      return (await blobs.get(name, signal)).subarray(offset, offset + length);
    }),
  );
  const [only] = pieces;
  const bytes = openObject(object, only !== undefined && pieces.length === 1 ? only : Buffer.concat(pieces));
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
}
