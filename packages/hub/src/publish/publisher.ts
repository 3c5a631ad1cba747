import type { BlobName, BundleManifest, Digest, Problem } from '@drover/contract';
import { canonicalJson, contentDigest, DroverError } from '@drover/contract';
import type { FleetKeys } from '#identity/types.ts';
import type { HubPorts } from '#ports';
import type { Db, Store } from '#state/store.ts';
import { readMeta } from '#state/store.ts';
import { createBlobStore, isBlobName } from './blob-store.ts';
import type { Broker } from './broker.ts';
import { createContentStore } from './content.ts';
import { fleetEpoch } from './epoch.ts';
import { createFollower } from './follow.ts';
import type { MadeHead } from './make-head.ts';
import { makeHead } from './make-head.ts';
import type { PublishedHead, Publisher, Recipient } from './types.ts';

export interface PublisherDeps {
  readonly ports: HubPorts;
  readonly store: Store;
  readonly keys: Pick<FleetKeys, 'fleet' | 'secret' | 'headKeys'>;
  /** Closed with the publisher. */
  readonly broker: Broker;
  /** Absolute path of `blobs/`. */
  readonly blobDirectory: string;
}

export function createPublisher(deps: PublisherDeps): Publisher {
  const { store, keys, broker } = deps;
  const { clock, effect, files, log } = deps.ports;
  const blobs = createBlobStore(files, deps.blobDirectory);
  const content = createContentStore({
    store,
    blobs,
    fleetSecret: keys.secret,
    now: () => clock.now(),
    effect,
    onStored: (names) => follower.blobs(names),
  });
  const follower = createFollower({ ports: deps.ports, store, files: blobs, content, broker, keys });

  async function publish(recipient: Recipient, manifest: BundleManifest, signal: AbortSignal): Promise<PublishedHead> {
    const digest = contentDigest(manifest);
    for (;;) {
      signal.throwIfAborted();
      await refuseWhenBehind(store.db);
      const last = await headRow(store.db, recipient.uid);
      const epoch = await fleetEpoch(store.db);
      if (last?.content === digest && last.epoch === epoch && last.sealing_key === recipient.sealingKey) return publishedHead(last);
      const place = { epoch, generation: (last?.generation ?? 0) + 1 };
      const made = await makeHead(keys, recipient, manifest, place);
      const { sealedBlob } = made;
      if (sealedBlob !== undefined) await effect('blob-write', () => blobs.write(sealedBlob.name, sealedBlob.bytes));
      const taken = await effect('generation-commit', () => store.write((tx) => take(tx, recipient, manifest, made, last)));
      if (!taken) continue;
      follower.head(recipient.uid);
      log.info({ cluster: recipient.uid, ...place, content: digest }, 'bundle published');
      return { ...place, content: digest };
    }
  }

  /** Takes the generation that the head was made for; false when it is no longer the next one. */
  async function take(tx: Db, recipient: Recipient, manifest: BundleManifest, made: MadeHead, last: HeadRow | undefined): Promise<boolean> {
    const { epoch, generation, content: digest } = made.head;
    const now = await headRow(tx, recipient.uid);
    if (now?.generation !== last?.generation || now?.epoch !== last?.epoch || (await fleetEpoch(tx)) !== epoch) return false;
    await refuseWhenBehind(tx);
    await refuseWithoutContent(tx, manifest);
    const created_at = clock.now();
    const { name: blobName, bytes: sealed } = made.sealedBlob ?? { name: undefined, bytes: null };
    const row = {
      sealing_key: recipient.sealingKey,
      epoch,
      generation,
      content: digest,
      manifest: canonicalJson(manifest),
      envelope: made.envelope,
      sealed,
      created_at,
      published: 0,
    };
    await tx
      .insertInto('head')
      .values({ cluster: recipient.uid, ...row })
      .onConflict((conflict) => conflict.column('cluster').doUpdateSet(row))
      .execute();
    if (blobName !== undefined && sealed !== null) {
      await tx
        .insertInto('blob')
        .values({ name: blobName, size: sealed.length, created_at, unreferenced_since: null })
        .onConflict((conflict) => conflict.column('name').doUpdateSet({ unreferenced_since: null }))
        .execute();
    }
    return true;
  }

  return {
    storeUnit: (unit, options, objects, signal) => content.store(unit, options, objects, signal),
    publish,
    async current(uid) {
      const row = await headRow(store.db, uid);
      return row === undefined ? undefined : { head: publishedHead(row), manifest: JSON.parse(row.manifest) as BundleManifest };
    },
    repairBlob(name: BlobName) {
      if (isBlobName(name)) follower.repair(name);
    },
    pending: () => follower.pending(),
    run: (signal) => follower.run(signal),
    [Symbol.asyncDispose]: () => broker[Symbol.asyncDispose](),
  };
}

interface HeadRow {
  readonly epoch: number;
  readonly generation: number;
  readonly content: Digest;
  readonly manifest: string;
  readonly sealing_key: string;
}

async function headRow(db: Db, uid: string): Promise<HeadRow | undefined> {
  return await db
    .selectFrom('head')
    .select(['epoch', 'generation', 'content', 'manifest', 'sealing_key'])
    .where('cluster', '=', uid)
    .executeTakeFirst();
}

function publishedHead({ epoch, generation, content }: HeadRow): PublishedHead {
  return { epoch, generation, content };
}

/** @throws DroverError HUB_BEHIND, PUBLISH_LOST_RACE once another hub has published for this fleet */
async function refuseWhenBehind(db: Db): Promise<void> {
  const behind = await readMeta(db, 'behind');
  if (behind === undefined) return;
  const { code, subject, message } = JSON.parse(behind) as Problem;
  throw new DroverError(code, subject, message);
}

/** A head never names content that was swept. */
async function refuseWithoutContent(tx: Db, manifest: BundleManifest): Promise<void> {
  for (const unit of manifest.units) {
    const row = await tx.selectFrom('unit_content').select('digest').where('digest', '=', unit.digest).executeTakeFirst();
    if (row === undefined)
      throw new DroverError('STORE_FAILED', unit.name, `content ${unit.digest} is no longer stored: it has to be rendered again`);
  }
}
