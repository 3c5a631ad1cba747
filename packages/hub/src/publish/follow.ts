import type { BasePorts, BlobName, Digest, BundleManifest, Problem } from '@drover/contract';
import { backoffMs, createBell, DroverError, inFlight, rawPublicKey, sha256Hex } from '@drover/contract';
import type { FleetKeys } from '#identity/types.ts';
import type { Store } from '#state/store.ts';
import { readMeta, writeMeta } from '#state/store.ts';
import type { BlobStore } from './blob-store.ts';
import type { Broker, StreamState } from './broker.ts';
import type { ContentStore } from './content.ts';
import { fleetEpoch } from './epoch.ts';
import type { StoredVerdict } from './judge-stored.ts';
import { judgeStored } from './judge-stored.ts';
import { blobsOf, forgetContent, SWEEP_AFTER_MS, sweepRecords } from './sweep.ts';
import type { Publisher } from './types.ts';

/**
 * Follows SQL: brings NATS to what the record says, one step after another, and never the other way round. A *survey*
 * compares everything, after each connection and whenever the streams are not as this hub left them; between surveys
 * only what changed is sent. Blobs go before the heads that name them.
 */
export interface Follower {
  /** A head of this cluster was committed. */
  head(uid: string): void;
  /** These blobs were stored. */
  blobs(names: Iterable<BlobName>): void;
  repair(name: BlobName): void;
  pending(): ReturnType<Publisher['pending']>;
  run(signal: AbortSignal): Promise<void>;
}

export interface FollowDeps {
  readonly ports: BasePorts;
  readonly store: Store;
  readonly files: BlobStore;
  readonly content: ContentStore;
  readonly broker: Broker;
  readonly keys: Pick<FleetKeys, 'fleet' | 'headKeys'>;
}

const IN_FLIGHT = 64;
const BATCH = 128;
/** Between looks at the streams while nothing happens. */
const CHECK_MS = 10_000;
const SWEEP_MS = 60 * 60_000;
/** One blob is looked after at most this often, however many agents ask. */
const REPAIR_AGAIN_MS = 60_000;
const MAX_REPAIRS = 1000;
const MAX_UNITS_KNOWN = 20_000;
const NEARLY_FULL = 0.8;

interface HeadRow {
  readonly cluster: string;
  readonly epoch: number;
  readonly generation: number;
  readonly envelope: Uint8Array;
  readonly published: number;
}

interface NamedHead {
  readonly row: HeadRow;
  readonly blobs: readonly BlobName[];
}

export function createFollower(deps: FollowDeps): Follower {
  const { store, files, broker } = deps;
  const { clock, random, effect, log } = deps.ports;
  const trusted = deps.keys.headKeys.map((key) => rawPublicKey(key));
  const work = createBell(clock);
  const change = createBell(clock);

  /** Heads that NATS may lack. */
  const waiting = new Set<string>();
  /** Blobs that NATS may lack, besides those that waiting heads name. */
  const offered = new Set<BlobName>();
  /** What NATS holds, as far as it was seen or sent since the last survey. */
  const sequences = new Map<string, number>();
  let there = new Set<BlobName>();
  let lastSequence = 0;
  let checkedAt = 0;
  let doubt = false;
  let fullness: string | undefined;
  let surveyed: { readonly connection: number; readonly heads: string; readonly blobs: string } | undefined;

  const repairs = new Set<BlobName>();
  const repaired = new Map<BlobName, number>();
  const units = new Map<Digest, readonly BlobName[]>();
  /** Blobs that NATS or the disk holds and no record knows, and when that was first seen. */
  const orphans = new Map<BlobName, number>();
  let sweptAt = clock.monotonic();
  let since: number | undefined;
  let problem: string | undefined = 'NATS was not compared with the record yet';

  function head(uid: string): void {
    waiting.add(uid);
    since ??= clock.now();
    work.ring();
  }

  async function step(signal: AbortSignal): Promise<void> {
    const behind = await readMeta(store.db, 'behind');
    if (behind !== undefined) {
      const { code, subject, message } = JSON.parse(behind) as Problem;
      throw new DroverError(code, subject, message);
    }
    if (!broker.connected) throw new DroverError('NATS_UNREACHABLE', 'NATS', 'not connected');
    if (surveyed === undefined || doubt || surveyed.connection !== broker.connections || clock.monotonic() - checkedAt >= CHECK_MS) {
      doubt = false;
      await check(signal);
    }
    await sendAll(signal);
    for (const name of repairs) {
      repairs.delete(name);
      await repairOne(name, signal);
    }
    if (clock.monotonic() - sweptAt >= SWEEP_MS) {
      sweptAt = clock.monotonic();
      await sweep(signal);
    }
    problem = fullness;
  }

  async function check(signal: AbortSignal): Promise<void> {
    const connection = broker.connections;
    const { heads, blobs } = await broker.streams(signal);
    if (!isAsLeft(heads, blobs, connection)) {
      surveyed = undefined;
      await survey(heads.lastSequence, signal);
      surveyed = { connection, heads: heads.created, blobs: blobs.created };
    }
    checkedAt = clock.monotonic();
    fullness = tooFull('DROVER_HEADS', heads) ?? tooFull('DROVER_BLOBS', blobs);
  }

  function isAsLeft(heads: StreamState, blobs: StreamState, connection: number): boolean {
    if (surveyed?.connection !== connection || surveyed.heads !== heads.created || surveyed.blobs !== blobs.created) return false;
    return heads.messages === sequences.size && heads.lastSequence === lastSequence && blobs.messages === there.size;
  }

  async function survey(sequence: number, signal: AbortSignal): Promise<void> {
    const started = clock.monotonic();
    const uids = await broker.heads(signal);
    there = new Set(await broker.blobs(signal));
    sequences.clear();
    lastSequence = sequence;
    const epoch = await fleetEpoch(store.db);
    const same: HeadRow[] = [];
    await inFlight(uids, IN_FLIGHT, async (uid) => {
      const found = await broker.head(uid, signal);
      if (found === undefined) return;
      sequences.set(uid, found.sequence);
      const row = await rowOf(uid);
      const verdict = judgeStored(row, found.bytes, { fleet: deps.keys.fleet, trusted, epoch, cluster: uid });
      if (verdict.type === 'same' && row !== undefined) same.push(row);
      await stopIfOvertaken(uid, verdict);
      if (verdict.type === 'leave') same.push(...(row === undefined ? [] : [row]));
    });
    const settled = new Set(same.map(({ cluster }) => cluster));
    for (const { cluster } of await store.db.selectFrom('head').select('cluster').execute()) {
      if (settled.has(cluster)) waiting.delete(cluster);
      else waiting.add(cluster);
    }
    if (waiting.size > 0) since ??= clock.now();
    await markPublished(same.filter(({ published }) => published === 0));
    for (const { name } of await store.db.selectFrom('blob').select('name').execute()) if (!there.has(name)) offered.add(name);
    log.info(
      { heads: uids.size, missing: waiting.size, blobs: there.size, missingBlobs: offered.size, durationMs: clock.monotonic() - started },
      'streams compared with the record',
    );
  }

  async function sendAll(signal: AbortSignal): Promise<void> {
    const failed = new Set<string>();
    let lost: DroverError | undefined;
    for (;;) {
      const batch = [...waiting].filter((uid) => !failed.has(uid)).slice(0, BATCH);
      if (batch.length === 0) {
        const some = [...offered].filter((name) => !there.has(name)).slice(0, BATCH);
        if (some.length === 0) break;
        await sendBlobs(some, signal);
        for (const name of some) offered.delete(name);
        continue;
      }
      // A head is sent as it was read with the names of its blobs, though a newer one be committed meanwhile.
      const named: NamedHead[] = [];
      for (const uid of batch) {
        const found = await namedHead(uid);
        if (found === undefined) waiting.delete(uid);
        else named.push(found);
      }
      const missing = await sendBlobs(new Set(named.flatMap(({ blobs }) => blobs).filter((name) => !there.has(name))), signal);
      const ready = named.filter(({ blobs }) => blobs.every((name) => there.has(name)));
      for (const { row } of named) if (!ready.some((one) => one.row === row)) failed.add(row.cluster);
      const [first] = missing;
      if (first !== undefined)
        lost = new DroverError('BLOB_MISSING', `blob ${first.slice(0, 12)}`, 'its bytes are neither on disk nor in NATS');
      const sent: HeadRow[] = [];
      try {
        await inFlight(ready, IN_FLIGHT, ({ row }) => sendHead(row, sent, signal));
      } finally {
        await markPublished(sent);
      }
    }
    offered.clear();
    if (waiting.size === 0) since = undefined;
    if (lost !== undefined) throw lost;
  }

  /** Puts blobs into NATS; returns those whose bytes are lost. */
  async function sendBlobs(names: Iterable<BlobName>, signal: AbortSignal): Promise<readonly BlobName[]> {
    const lost: BlobName[] = [];
    await inFlight(names, IN_FLIGHT, async (name) => {
      const bytes = await bytesOf(name);
      if (bytes === undefined) {
        lost.push(name);
        return;
      }
      await effect('blob-put', () => broker.putBlob(name, bytes, signal));
      there.add(name);
    });
    if (lost.length > 0) await loseContent(lost);
    return lost;
  }

  async function bytesOf(name: BlobName): Promise<Uint8Array | undefined> {
    const bytes = await files.read(name);
    if (bytes !== undefined) return bytes;
    for (const { sealed } of await store.db.selectFrom('head').select('sealed').where('sealed', 'is not', null).execute()) {
      if (sealed !== null && sha256Hex(sealed) === name) return sealed;
    }
    return undefined;
  }

  /** What cannot be sent is forgotten as stored content, so that the next render stores it again. */
  async function loseContent(names: readonly BlobName[]): Promise<void> {
    log.error({ blobs: names.length, blob: names[0] }, 'blobs are lost');
    await deps.content.exclusive(() =>
      store.write(async (tx) => {
        await forgetContent(tx, new Set(names));
        await store.event(tx, {
          severity: 'Error',
          reason: 'BlobsLost',
          message: `${names.length} blobs are neither on disk nor in NATS: their units are stored again with their next render`,
        });
      }),
    );
    units.clear();
  }

  async function sendHead(row: HeadRow, sent: HeadRow[], signal: AbortSignal): Promise<void> {
    const uid = row.cluster;
    for (;;) {
      const sequence = await effect('head-put', () => broker.putHead(uid, row.envelope, sequences.get(uid) ?? 0, signal));
      if (sequence !== undefined) {
        lastSequence = Math.max(lastSequence, sequence);
        sequences.set(uid, sequence);
        sent.push(row);
        return;
      }
      const found = await broker.head(uid, signal);
      if (found === undefined) {
        sequences.delete(uid);
        continue;
      }
      sequences.set(uid, found.sequence);
      lastSequence = Math.max(lastSequence, found.sequence);
      const epoch = await fleetEpoch(store.db);
      const verdict = judgeStored(row, found.bytes, { fleet: deps.keys.fleet, trusted, epoch, cluster: uid });
      await stopIfOvertaken(uid, verdict);
      if (verdict.type === 'replace') continue;
      sent.push(row);
      return;
    }
  }

  /** Another hub, or a later life of this one, has published: nothing more is, until an operator has decided. */
  async function stopIfOvertaken(uid: string, verdict: StoredVerdict): Promise<void> {
    if (verdict.type !== 'behind' && verdict.type !== 'race') return;
    const { epoch, generation } = verdict.found;
    const error =
      verdict.type === 'behind'
        ? new DroverError('HUB_BEHIND', `head of ${uid}`, `NATS holds generation ${generation} of epoch ${epoch}, newer than this store`)
        : new DroverError('PUBLISH_LOST_RACE', `head of ${uid}`, `generation ${generation} of epoch ${epoch} was published by another hub`);
    await store.write(async (tx) => {
      if ((await readMeta(tx, 'behind')) !== undefined) return;
      await writeMeta(tx, 'behind', JSON.stringify(error.toProblem()));
      await store.event(tx, {
        severity: 'Error',
        reason: error.code,
        cluster: uid,
        message: `${error.what}; nothing is published any more`,
      });
    });
    throw error;
  }

  async function markPublished(rows: readonly HeadRow[]): Promise<void> {
    if (rows.length === 0) return;
    await effect('published-commit', () =>
      store.write(async (tx) => {
        for (const { cluster, epoch, generation } of rows) {
          await tx
            .updateTable('head')
            .set({ published: 1 })
            .where('cluster', '=', cluster)
            .where('epoch', '=', epoch)
            .where('generation', '=', generation)
            .execute();
        }
      }),
    );
    for (const sent of rows) {
      const now = await store.db.selectFrom('head').select('published').where('cluster', '=', sent.cluster).executeTakeFirst();
      if (now?.published !== 0) waiting.delete(sent.cluster);
    }
  }

  async function rowOf(uid: string): Promise<HeadRow | undefined> {
    return await store.db
      .selectFrom('head')
      .select(['cluster', 'epoch', 'generation', 'envelope', 'published'])
      .where('cluster', '=', uid)
      .executeTakeFirst();
  }

  /** The current head of a cluster with the names of all blobs that have to be there before it. */
  async function namedHead(uid: string): Promise<NamedHead | undefined> {
    const found = await store.db
      .selectFrom('head')
      .select(['cluster', 'epoch', 'generation', 'envelope', 'published', 'manifest', 'sealed'])
      .where('cluster', '=', uid)
      .executeTakeFirst();
    if (found === undefined) return undefined;
    const { manifest, sealed, ...row } = found;
    const blobs: BlobName[] = sealed === null ? [] : [sha256Hex(sealed)];
    for (const unit of (JSON.parse(manifest) as BundleManifest).units) {
      blobs.push(...unit.manifest.map(({ name }) => name), ...(await blobsOfUnit(unit.digest)));
    }
    return { row, blobs };
  }

  async function blobsOfUnit(digest: Digest): Promise<readonly BlobName[]> {
    let names = units.get(digest);
    if (names === undefined) {
      const row = await store.db.selectFrom('unit_content').select(['manifest', 'blobs']).where('digest', '=', digest).executeTakeFirst();
      names = row === undefined ? [] : blobsOf(row);
      if (units.size >= MAX_UNITS_KNOWN) units.clear();
      units.set(digest, names);
    }
    return names;
  }

  /** Compares what NATS and the disk hold with the name, and mends whichever is wrong from the other. */
  async function repairOne(name: BlobName, signal: AbortSignal): Promise<void> {
    const at = clock.monotonic();
    for (const [other, when] of repaired) if (at - when >= REPAIR_AGAIN_MS) repaired.delete(other);
    if (repaired.has(name)) return;
    const known = await store.db.selectFrom('blob').select('name').where('name', '=', name).executeTakeFirst();
    if (known === undefined) return;
    repaired.set(name, at);
    const found = await broker.blob(name, signal);
    const good = found !== undefined && sha256Hex(found.bytes) === name;
    const bytes = await bytesOf(name);
    if (good && bytes === undefined) await effect('blob-write', () => files.write(name, found.bytes));
    if (good) return;
    log.warn({ blob: name, present: found !== undefined }, 'blob published again');
    if (found !== undefined) await broker.removeBlob(name, signal);
    there.delete(name);
    if (bytes === undefined) await loseContent([name]);
    else {
      await effect('blob-put', () => broker.putBlob(name, bytes, signal));
      there.add(name);
    }
  }

  async function sweep(signal: AbortSignal): Promise<void> {
    const gone = await deps.content.exclusive(() => effect('sweep-commit', () => store.write((tx) => sweepRecords(tx, clock.now()))));
    if (gone.length > 0) units.clear();
    const recorded = new Set((await store.db.selectFrom('blob').select('name').execute()).map(({ name }) => name));
    const now = clock.monotonic();
    const held = new Set([...there, ...(await files.list())]);
    for (const name of orphans.keys()) if (recorded.has(name) || !held.has(name)) orphans.delete(name);
    const removable = new Set(gone);
    for (const name of held) {
      if (recorded.has(name)) continue;
      const first = orphans.get(name) ?? now;
      orphans.set(name, first);
      if (now - first >= SWEEP_AFTER_MS) removable.add(name);
    }
    await inFlight(removable, IN_FLIGHT, async (name) => {
      await deps.content.exclusive(async () => {
        const again = await store.db.selectFrom('blob').select('name').where('name', '=', name).executeTakeFirst();
        if (again !== undefined) return;
        await effect('blob-remove', async () => {
          await broker.removeBlob(name, signal);
          there.delete(name);
          await files.remove(name);
        });
        orphans.delete(name);
      });
    });
    if (removable.size > 0) log.info({ blobs: removable.size }, 'unreferenced blobs removed');
  }

  return {
    head,
    blobs(names) {
      for (const name of names) offered.add(name);
      work.ring();
    },
    repair(name) {
      if (repairs.size < MAX_REPAIRS) repairs.add(name);
      work.ring();
    },
    pending: () => ({ heads: waiting.size, since, problem }),
    async run(signal) {
      for (const { cluster } of await store.db.selectFrom('head').select('cluster').where('published', '=', 0).execute()) head(cluster);
      using _ = broker.onChange(() => {
        doubt = true;
        change.ring();
        work.ring();
      });
      let failures = 0;
      while (!signal.aborted) {
        try {
          await step(signal);
          failures = 0;
          await work.wait(CHECK_MS, signal);
        } catch (thrown) {
          if (signal.aborted) break;
          const error = DroverError.from(thrown, 'publish');
          if (problem !== error.message) log.error({ err: error }, 'publishing waits');
          problem = error.message;
          surveyed = undefined;
          failures++;
          await change.wait(backoffMs(failures, random.fraction()), signal).catch(() => {});
        }
      }
    },
  };
}

function tooFull(name: string, { bytes, maxBytes }: StreamState): string | undefined {
  if (maxBytes <= 0 || bytes < NEARLY_FULL * maxBytes) return undefined;
  return `[NATS_FULL] stream ${name}: ${Math.floor((100 * bytes) / maxBytes)} % of its ${maxBytes} bytes are in use`;
}
