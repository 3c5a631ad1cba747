/**
 * A bucket of tokens per key. Bounded: when too many keys are known, those that are full again are forgotten, then the
 * oldest.
 */
export interface RateLimit {
  /** Takes one if it is there; false when it is not. */
  take(key: string, now: number): boolean;
  /** Takes `cost`, there or not: the bucket may owe as much as it holds. */
  charge(key: string, now: number, cost: number): void;
}

export interface RateLimitOptions {
  readonly capacity: number;
  readonly perSecond: number;
  readonly maxKeys: number;
}

/** @param now of `take`: monotonic, ms */
export function createRateLimit(options: RateLimitOptions): RateLimit {
  const { capacity, perSecond, maxKeys } = options;
  const buckets = new Map<string, { level: number; at: number }>();
  const levelAt = (bucket: { level: number; at: number }, now: number): number =>
    Math.min(capacity, bucket.level + ((now - bucket.at) / 1000) * perSecond);

  function makeRoom(now: number): void {
    for (const [key, bucket] of buckets) if (levelAt(bucket, now) >= capacity) buckets.delete(key);
    for (const key of buckets.keys()) {
      if (buckets.size < maxKeys) return;
      buckets.delete(key);
    }
  }

  function set(key: string, level: number, at: number): void {
    if (!buckets.has(key) && buckets.size >= maxKeys) makeRoom(at);
    buckets.delete(key);
    buckets.set(key, { level, at });
  }

  const level = (key: string, now: number): number => {
    const bucket = buckets.get(key);
    return bucket === undefined ? capacity : levelAt(bucket, now);
  };

  return {
    take(key, now) {
      const left = level(key, now);
      if (left >= 1) set(key, left - 1, now);
      return left >= 1;
    },
    charge(key, now, cost) {
      set(key, Math.max(-capacity, level(key, now) - cost), now);
    },
  };
}
