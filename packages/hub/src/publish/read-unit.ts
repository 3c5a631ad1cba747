import type { Digest, ObjectKey } from '@drover/contract';
import { openObject } from '@drover/contract';
import type { Db } from '#state/store.ts';
import type { BlobStore } from './blob-store.ts';
import type { Place } from './pack.ts';

/**
 * The objects of a stored unit, as canonical JSON in apply order.
 *
 * @returns undefined when the unit, or the bytes of one of its objects, are not stored
 */
export async function readUnit(db: Db, blobs: Pick<BlobStore, 'read'>, digest: Digest): Promise<readonly string[] | undefined> {
  const unit = await db.selectFrom('unit_content').select('objects').where('digest', '=', digest).executeTakeFirst();
  if (unit === undefined) return undefined;
  const texts: string[] = [];
  for (const [key, , objectDigest] of JSON.parse(unit.objects) as [ObjectKey, string, Digest][]) {
    const row = await db.selectFrom('object_content').select('place').where('digest', '=', objectDigest).executeTakeFirst();
    if (row === undefined) return undefined;
    const place = JSON.parse(row.place) as Place;
    const pieces: Uint8Array[] = [];
    for (const [index, offset, length] of place.parts) {
      const bytes = await blobs.read(place.blobs[index] ?? '');
      if (bytes === undefined) return undefined;
      pieces.push(bytes.subarray(offset, offset + length));
    }
    const plain = openObject({ key, digest: objectDigest, cipherKey: place.cipherKey, size: place.size }, Buffer.concat(pieces));
    texts.push(Buffer.from(plain).toString('utf8'));
  }
  return texts;
}
