import type { ObjectKey } from '@drover/contract';

/** Most entries in one shard: far below the 1 MiB that a Secret may have, and little to write again. */
export const MAX_SHARD_ENTRIES = 256;
const MAX_SHARDS = 4096;

/** FNV-1a, 32 bits, mixed: spreads identities over shards; nothing depends on it being hard to guess. */
export function hashKey(key: ObjectKey): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index++) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}

/** Shard of an identity among `count`, a power of two. Doubling the count moves an entry from n to n or n + count. */
export function shardOf(key: ObjectKey, count: number): number {
  return hashKey(key) & (count - 1);
}

/** The smallest power of two, not below `count`, by which no shard has more than {@link MAX_SHARD_ENTRIES}. */
export function shardCount(keys: Iterable<ObjectKey>, count: number): number {
  const hashes = Array.from(keys, hashKey);
  let next = Math.max(1, count);
  while (next < MAX_SHARDS && largestShard(hashes, next) > MAX_SHARD_ENTRIES) next *= 2;
  return next;
}

function largestShard(hashes: readonly number[], count: number): number {
  const sizes = new Map<number, number>();
  let largest = 0;
  for (const hash of hashes) {
    const shard = hash & (count - 1);
    const size = (sizes.get(shard) ?? 0) + 1;
    sizes.set(shard, size);
    largest = Math.max(largest, size);
  }
  return largest;
}
