/**
 * Effects of the agent on the world, by name. A simulated agent dies before the effect, after it, or after it with its
 * reply lost; a test covers every name.
 */
export const CRASH_POINTS = [
  /** `drover-state` with the bundle on record, its intents and newest content. */
  'state-write',
  /** Intents that do not fit into `drover-state`, in their inventory shards. */
  'intent-write',
  /** One server-side apply. */
  'apply',
  /** The patch that hands kubectl's fields to `drover`. */
  'migrate',
  /** A shard with UIDs and digests after an apply. */
  'inventory-write',
  /** One DELETE. */
  'delete',
  /** A shard without entries that are gone for certain. */
  'inventory-shrink',
  /** A pack of the cache, on disk or in a Secret. */
  'cache-write',
  /** `drover-identity`: the agent's keys, then what the hub gave. */
  'identity-write',
  /** Acquiring, renewing or releasing the Lease. */
  'lease',
] as const;

export type CrashPoint = (typeof CRASH_POINTS)[number];
