import type { ObjectKey } from '@drover/contract';
import { DroverError } from '@drover/contract';
import type { StateContent } from './codec.ts';
import { decodeShard, decodeState, encodeShard, encodeState, SHARD_PREFIX, shardName, STATE_NAME } from './codec.ts';
import type { SecretStore } from './secrets.ts';
import { shardCount, shardOf } from './shards.ts';
import type { Entry, StateRecord } from './types.ts';
import { intentOf } from './types.ts';

/** More intents than this go into their shards instead of `drover-state`, which may have 1 MiB. */
const MAX_STATE_INTENTS = 4_000;
const COMPONENT = 'inventory';

/** The inventory in memory, and how it is made to last. The holder of the Lease is its only writer. */
export interface Inventory {
  readonly entries: ReadonlyMap<ObjectKey, Entry>;
  readonly record: StateRecord | undefined;
  /** Newest pack of the cache, as last read or written. */
  readonly recent: Uint8Array;
  /** Adds or changes an entry in memory. An intent lasts with the next `writeState`, all else with the next `flush`. */
  put(entry: Entry): void;
  /** Whether the cluster has the key, as an entry or an intent: only then may its object be created. */
  covers(key: ObjectKey): boolean;
  /** Takes out an entry whose object is gone, or was never ours, for certain. */
  drop(key: ObjectKey): void;
  /** One write of the bundle on record and of every intent that no shard has. */
  writeState(record: StateRecord, recent: Uint8Array, signal: AbortSignal): Promise<void>;
  /** One write for each shard with changes. */
  flush(signal: AbortSignal): Promise<void>;
  /**
   * Compares what is on the server with memory, and writes again what was damaged or is missing.
   *
   * @returns names of what was repaired
   */
  verify(signal: AbortSignal): Promise<readonly string[]>;
}

export interface Loaded {
  readonly inventory: Inventory;
  /** Why it is not whole; empty when it is. Nothing may be pruned before the cluster was searched for our marks. */
  readonly damage: readonly string[];
  /** Neither state nor shards: a first start, or all was deleted. */
  readonly fresh: boolean;
}

/** @throws DroverError FORMAT_UNKNOWN when a newer agent wrote it, KUBE_* when it cannot be read: never an empty inventory */
export async function loadInventory(secrets: SecretStore, signal: AbortSignal): Promise<Loaded> {
  const damage: string[] = [];
  const secret = await secrets.read(STATE_NAME, signal);
  const state = secret === undefined ? undefined : attempt(() => decodeState(secret), damage);
  const shards = new Map((await secrets.list(COMPONENT, signal)).map((shard) => [shard.metadata.name, shard]));
  if (secret === undefined) damage.push(`Secret ${STATE_NAME} is missing`);
  const expected = Array.from({ length: state?.shards ?? 0 }, (_, shard) => shardName(shard));
  for (const name of expected) {
    const shard = shards.get(name) ?? (await secrets.read(name, signal));
    if (shard === undefined) damage.push(`Secret ${name} is missing`);
    else shards.set(name, shard);
  }
  const found = new Map<ObjectKey, { entry: Entry; shard: number; sequence: number }>();
  const misplaced = new Set<ObjectKey>();
  let sequence = state?.sequence ?? 0;
  let last = -1;
  for (const [name, shard] of shards) {
    const number = Number(name.slice(SHARD_PREFIX.length));
    if (!Number.isSafeInteger(number) || number < 0) continue;
    last = Math.max(last, number);
    const content = attempt(() => decodeShard(shard), damage);
    if (content === undefined) continue;
    sequence = Math.max(sequence, content.sequence);
    for (const entry of content.entries) {
      const other = found.get(entry.key);
      if (other !== undefined) misplaced.add(entry.key);
      if (other === undefined || other.sequence < content.sequence)
        found.set(entry.key, { entry, shard: number, sequence: content.sequence });
    }
  }
  const count = powerOfTwo(Math.max(state?.shards ?? 1, last + 1));
  const durable = new Map<ObjectKey, Entry>();
  for (const [key, { entry, shard }] of found) {
    durable.set(key, entry);
    if (shardOf(key, count) !== shard) misplaced.add(key);
  }
  // A first start may have ended between its first shard and its first state.
  const fresh = secret === undefined && found.size === 0 && damage.length === 1;
  const inventory = createInventory(secrets, { durable, count, written: state?.shards ?? 0, sequence, state });
  // An interrupted doubling is finished by the next flush, damage written over: every shard, the new ones first.
  if (misplaced.size > 0 || damage.length > 0 || count !== (state?.shards ?? 0)) inventory.touchAll();
  for (const intent of state?.intents ?? []) if (!durable.has(intent.key)) inventory.put(intentOf(intent));
  return { inventory, damage: fresh ? [] : damage, fresh };
}

interface Start {
  readonly durable: Map<ObjectKey, Entry>;
  readonly count: number;
  /** Count that `drover-state` names. */
  readonly written: number;
  readonly sequence: number;
  readonly state: StateContent | undefined;
}

function createInventory(secrets: SecretStore, start: Start): Inventory & { touchAll(): void } {
  const { durable } = start;
  const entries = new Map(durable);
  const dirty = new Set<number>();
  let { count, written, sequence } = start;
  let record = start.state?.record;
  /** The state on the server names intents that were let go since: they must not come back with the next start. */
  let outdated = false;
  let intended = new Set(start.state?.intents.map((intent) => intent.key));
  let recent = start.state?.recent ?? new Uint8Array(0);

  function touchAll(): void {
    for (let shard = 0; shard < count; shard++) dirty.add(shard);
  }

  function put(entry: Entry): void {
    if (entries.get(entry.key) === entry) return;
    entries.set(entry.key, entry);
    if (entry.uid !== null || durable.has(entry.key)) dirty.add(shardOf(entry.key, count));
  }

  function drop(key: ObjectKey): void {
    entries.delete(key);
    if (intended.has(key)) outdated = true;
    if (durable.has(key)) dirty.add(shardOf(key, count));
  }

  async function writeState(next: StateRecord, pack: Uint8Array, signal: AbortSignal): Promise<void> {
    if (written === 0 && secrets.held(shardName(0)) === undefined) dirty.add(0);
    const many = intents();
    if (many.length > MAX_STATE_INTENTS) for (const { key } of many) dirty.add(shardOf(key, count));
    // What the last bundle changed and could not be written down is not forgotten over the next one.
    if (dirty.size > 0) await writeShards('intent-write', signal);
    await sendState(next, pack, signal);
  }

  /** Entries that no shard has. */
  function intents(): readonly Entry[] {
    return [...entries.values()].filter((entry) => !durable.has(entry.key));
  }

  async function sendState(next: StateRecord, pack: Uint8Array, signal: AbortSignal): Promise<void> {
    const content: StateContent = { record: next, sequence: ++sequence, shards: count, intents: intents(), recent: pack };
    if ((await secrets.write('state-write', STATE_NAME, 'state', encodeState(content), signal)) === 'moved') throw moved(STATE_NAME);
    ({ record, recent } = content);
    intended = new Set(content.intents.map((intent) => intent.key));
    written = content.shards;
    outdated = false;
  }

  async function flush(signal: AbortSignal): Promise<void> {
    if (dirty.size > 0) {
      const gone = [...durable.keys()].some((key) => !entries.has(key));
      await writeShards(gone ? 'inventory-shrink' : 'inventory-write', signal);
    }
    if (record !== undefined && (outdated || (written !== count && written > 0))) await sendState(record, recent, signal);
  }

  async function writeShards(point: 'intent-write' | 'inventory-write' | 'inventory-shrink', signal: AbortSignal): Promise<void> {
    const before = count;
    count = shardCount(entries.keys(), count);
    if (count !== before) touchAll();
    // New shards first: until the old ones are written, an entry is in two places, never in none.
    for (const shards of [[...dirty].filter((shard) => shard >= before), [...dirty].filter((shard) => shard < before)]) {
      const content = new Map<number, Entry[]>(shards.map((shard) => [shard, []]));
      for (const entry of entries.values()) content.get(shardOf(entry.key, count))?.push(entry);
      await Promise.all(Array.from(content, ([shard, list]) => writeShard(point, shard, list, signal)));
    }
  }

  async function writeShard(
    point: 'intent-write' | 'inventory-write' | 'inventory-shrink',
    shard: number,
    list: Entry[],
    signal: AbortSignal,
  ): Promise<void> {
    // Cleared before the write: what changes while it is under way makes the shard dirty again.
    dirty.delete(shard);
    try {
      const data = encodeShard({ sequence: ++sequence, entries: list });
      if ((await secrets.write(point, shardName(shard), COMPONENT, data, signal)) === 'moved') throw moved(shardName(shard));
    } catch (thrown) {
      dirty.add(shard);
      throw thrown;
    }
    for (const entry of list) durable.set(entry.key, entry);
    for (const key of durable.keys()) if (!entries.has(key) && shardOf(key, count) === shard) durable.delete(key);
  }

  async function verify(signal: AbortSignal): Promise<readonly string[]> {
    const known = new Map(
      [STATE_NAME, ...Array.from({ length: written }, (_, shard) => shardName(shard))].map((name) => [name, secrets.held(name)]),
    );
    const live = new Map((await secrets.list(COMPONENT, signal)).map((shard) => [shard.metadata.name, shard]));
    const repaired: string[] = [];
    for (const [name, held] of known) {
      const secret = live.get(name) ?? (await secrets.read(name, signal));
      if (secret !== undefined && secret.metadata.resourceVersion === held?.resourceVersion) continue;
      const content =
        secret === undefined ? undefined : attempt(() => (name === STATE_NAME ? decodeState(secret) : decodeShard(secret)), []);
      // A whole state that is not the one we know is newer than it: ours, with its reply lost, or somebody else's.
      if (content !== undefined && (content.sequence > sequence || name === STATE_NAME)) throw moved(name);
      repaired.push(name);
      if (name === STATE_NAME) {
        if (record !== undefined) await writeState(record, recent, signal);
      } else dirty.add(Number(name.slice(SHARD_PREFIX.length)));
    }
    await flush(signal);
    return repaired;
  }

  return {
    entries,
    get record() {
      return record;
    },
    get recent() {
      return recent;
    },
    put,
    covers: (key) => durable.has(key) || intended.has(key),
    drop,
    writeState,
    flush,
    verify,
    touchAll,
  };
}

function attempt<T>(read: () => T, damage: string[]): T | undefined {
  try {
    return read();
  } catch (thrown) {
    const error = DroverError.from(thrown, 'inventory');
    if (error.code !== 'INVENTORY_DAMAGED' && error.code !== 'UNEXPECTED') throw error;
    damage.push(`${error.subject}: ${error.what}`);
    return undefined;
  }
}

function powerOfTwo(atLeast: number): number {
  let power = 1;
  while (power < atLeast) power *= 2;
  return power;
}

function moved(name: string): DroverError {
  return new DroverError('KUBE_CONFLICT', `Secret ${name}`, 'somebody else wrote it; the inventory is read again');
}
