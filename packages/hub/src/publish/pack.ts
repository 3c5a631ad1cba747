import type { Blob, BlobName, Digest, ObjectPart, UnitManifest, UnitName, UnitOptions } from '@drover/contract';
import { canonicalJson, DroverError, makeBlob, MAX_UNIT_OBJECTS, packObject, sha256Hex, UNIT_FORMAT } from '@drover/contract';
import type { RenderedObject } from '#render/types.ts';

/**
 * Packing: objects that were not stored before, one after another in blobs. A pack stays far below the largest message,
 * so that it gets through a link that breaks every 200 KB, and an agent that lacks one object fetches little else.
 */
export const PACK_BYTES = 128 * 1024;
/** Plaintext of one blob of a unit manifest; it compresses to about half. */
const MANIFEST_CHUNK_BYTES = 256 * 1024;

/** Where an object's bytes lie, and what opens them. */
export interface Place {
  readonly blobs: readonly BlobName[];
  /** Indexes into `blobs`. */
  readonly parts: readonly ObjectPart[];
  readonly cipherKey: string;
  readonly size: number;
}

export interface Packing {
  readonly blobs: readonly { readonly name: BlobName; readonly bytes: Uint8Array }[];
  readonly places: ReadonlyMap<Digest, Place>;
}

/** Packs each content once, in the order given. */
export function packObjects(fleetSecret: Uint8Array, objects: Iterable<{ readonly digest: Digest; readonly json: string }>): Packing {
  const packs: Uint8Array[][] = [];
  const placed = new Map<Digest, { readonly parts: ObjectPart[]; readonly cipherKey: string; readonly size: number }>();
  let room = 0;
  for (const { digest, json } of objects) {
    if (placed.has(digest)) continue;
    const { bytes, cipherKey, size } = packObject(fleetSecret, Buffer.from(json));
    const parts: ObjectPart[] = [];
    for (let at = 0; at < bytes.length; at += PACK_BYTES) {
      const piece = bytes.subarray(at, at + PACK_BYTES);
      if (piece.length > room) {
        packs.push([]);
        room = PACK_BYTES;
      }
      parts.push([packs.length - 1, PACK_BYTES - room, piece.length]);
      packs.at(-1)?.push(piece);
      room -= piece.length;
    }
    placed.set(digest, { parts, cipherKey, size });
  }
  const blobs = packs.map((pieces) => {
    const bytes = Buffer.concat(pieces);
    return { name: sha256Hex(bytes), bytes };
  });
  const places = new Map<Digest, Place>();
  for (const [digest, { parts, cipherKey, size }] of placed) {
    const names: BlobName[] = [];
    const own = parts.map(([pack, offset, length]): ObjectPart => [names.push(blobs[pack]?.name ?? '') - 1, offset, length]);
    places.set(digest, { blobs: names, parts: own, cipherKey, size });
  }
  return { blobs, places };
}

/**
 * @param places of every object's digest
 * @throws DroverError BUNDLE_TOO_LARGE for more objects than a unit may have
 */
export function unitManifest(
  unit: UnitName,
  options: UnitOptions,
  objects: readonly RenderedObject[],
  places: ReadonlyMap<Digest, Place>,
): UnitManifest {
  if (objects.length > MAX_UNIT_OBJECTS) {
    throw new DroverError('BUNDLE_TOO_LARGE', unit, `${objects.length} objects; a unit may have ${MAX_UNIT_OBJECTS}`);
  }
  const indexes = new Map<BlobName, number>();
  const indexOf = (name: BlobName): number => {
    const index = indexes.get(name) ?? indexes.size;
    indexes.set(name, index);
    return index;
  };
  const listed = objects.map(({ key, apiVersion, digest }) => {
    const place = places.get(digest);
    if (place === undefined) throw new DroverError('UNEXPECTED', key, 'its content has no place');
    const parts = place.parts.map(([blob, offset, length]): ObjectPart => [indexOf(place.blobs[blob] ?? ''), offset, length]);
    return { key, apiVersion, digest, cipherKey: place.cipherKey, size: place.size, parts };
  });
  return { format: UNIT_FORMAT, unit, options, blobs: [...indexes.keys()], objects: listed };
}

/** The blobs of a unit manifest, in order. */
export function manifestBlobs(fleetSecret: Uint8Array, manifest: UnitManifest): readonly Blob[] {
  const plain = Buffer.from(canonicalJson(manifest));
  const blobs: Blob[] = [];
  for (let at = 0; at < plain.length; at += MANIFEST_CHUNK_BYTES) {
    blobs.push(makeBlob(fleetSecret, plain.subarray(at, at + MANIFEST_CHUNK_BYTES)));
  }
  return blobs;
}
