import type { BlobName, BlobRef, BundleManifest, Digest } from '@drover/contract';
import { sha256Hex } from '@drover/contract';
import type { Db } from '#state/store.ts';

/** Nothing is removed before it has been unreferenced for this long: a release may be about to name it. */
export const SWEEP_AFTER_MS = 24 * 60 * 60_000;
/** Releases of a Delivery, newest first, whose content is kept. */
export const KEPT_RELEASES = 10;

export interface SweepChoice {
  /** Unreferenced from now on. */
  readonly fade: readonly BlobName[];
  /** Referenced again. */
  readonly keep: readonly BlobName[];
  readonly remove: readonly BlobName[];
}

/** What to do with each blob; times in epoch ms. A clock that went back only makes blobs stay longer. */
export function chooseSweep(
  blobs: Iterable<{ readonly name: BlobName; readonly unreferenced_since: number | null }>,
  referenced: ReadonlySet<BlobName>,
  now: number,
): SweepChoice {
  const choice = { fade: [] as BlobName[], keep: [] as BlobName[], remove: [] as BlobName[] };
  for (const { name, unreferenced_since: since } of blobs) {
    if (referenced.has(name)) {
      if (since !== null) choice.keep.push(name);
    } else if (since === null) choice.fade.push(name);
    else if (now - since >= SWEEP_AFTER_MS) choice.remove.push(name);
  }
  return choice;
}

const ROWS = 500;

/**
 * Marks and forgets blobs, with all content that they held; in one transaction, so that nothing can come to name them.
 *
 * @returns names that no record knows any more: to be removed from NATS and from disk
 */
export async function sweepRecords(tx: Db, now: number): Promise<readonly BlobName[]> {
  const kept = await keptUnits(tx);
  const choice = chooseSweep(
    await tx.selectFrom('blob').select(['name', 'unreferenced_since']).execute(),
    await referencedBlobs(tx, kept),
    now,
  );
  for (const names of chunks(choice.fade))
    await tx.updateTable('blob').set({ unreferenced_since: now }).where('name', 'in', names).execute();
  for (const names of chunks(choice.keep))
    await tx.updateTable('blob').set({ unreferenced_since: null }).where('name', 'in', names).execute();
  if (choice.remove.length > 0) await forgetContent(tx, new Set(choice.remove));
  return choice.remove;
}

/** Forgets blobs and every unit and object that lies in them: what is rendered again is stored again. */
export async function forgetContent(tx: Db, gone: ReadonlySet<BlobName>): Promise<void> {
  const objects: Digest[] = [];
  for (const { digest, place } of await tx.selectFrom('object_content').selectAll().execute()) {
    if ((JSON.parse(place) as { blobs: BlobName[] }).blobs.some((name) => gone.has(name))) objects.push(digest);
  }
  const units: Digest[] = [];
  for (const row of await tx.selectFrom('unit_content').select(['digest', 'manifest', 'blobs']).execute()) {
    if (blobsOf(row).some((name) => gone.has(name))) units.push(row.digest);
  }
  for (const digests of chunks(objects)) await tx.deleteFrom('object_content').where('digest', 'in', digests).execute();
  for (const digests of chunks(units)) await tx.deleteFrom('unit_content').where('digest', 'in', digests).execute();
  for (const names of chunks([...gone])) await tx.deleteFrom('blob').where('name', 'in', names).execute();
}

/** All blobs of a unit: its manifest's and its packs. */
export function blobsOf(row: { readonly manifest: string; readonly blobs: string }): readonly BlobName[] {
  return [...(JSON.parse(row.manifest) as BlobRef[]).map(({ name }) => name), ...(JSON.parse(row.blobs) as BlobName[])];
}

/** What a current head, the state of a unit, or one of the last releases of a Delivery names. */
async function keptUnits(tx: Db): Promise<ReadonlySet<Digest>> {
  const kept = new Set<Digest>();
  for (const { manifest } of await tx.selectFrom('head').select('manifest').execute()) {
    for (const unit of (JSON.parse(manifest) as BundleManifest).units) kept.add(unit.digest);
  }
  for (const row of await tx.selectFrom('unit').select(['rendered', 'wanted', 'published', 'applied']).execute()) {
    for (const digest of [row.rendered, row.wanted, row.published, row.applied]) if (digest !== null) kept.add(digest);
  }
  const deliveries = await tx.selectFrom('release').select(['namespace', 'delivery']).distinct().execute();
  for (const { namespace, delivery } of deliveries) {
    const numbers = await tx
      .selectFrom('release')
      .select('number')
      .where('namespace', '=', namespace)
      .where('delivery', '=', delivery)
      .orderBy('number', 'desc')
      .limit(KEPT_RELEASES)
      .execute();
    const units = await tx
      .selectFrom('release_unit')
      .select('digest')
      .distinct()
      .where('namespace', '=', namespace)
      .where('delivery', '=', delivery)
      .where('number', '>=', numbers.at(-1)?.number ?? 0)
      .execute();
    for (const { digest } of units) if (digest !== null) kept.add(digest);
  }
  return kept;
}

async function referencedBlobs(tx: Db, kept: ReadonlySet<Digest>): Promise<ReadonlySet<BlobName>> {
  const names = new Set<BlobName>();
  for (const row of await tx.selectFrom('unit_content').select(['digest', 'manifest', 'blobs']).execute()) {
    if (kept.has(row.digest)) for (const name of blobsOf(row)) names.add(name);
  }
  for (const { manifest, sealed } of await tx.selectFrom('head').select(['manifest', 'sealed']).execute()) {
    for (const unit of (JSON.parse(manifest) as BundleManifest).units) for (const { name } of unit.manifest) names.add(name);
    if (sealed !== null) names.add(sha256Hex(sealed));
  }
  return names;
}

function* chunks<T>(items: readonly T[]): Generator<T[]> {
  for (let at = 0; at < items.length; at += ROWS) yield items.slice(at, at + ROWS);
}
