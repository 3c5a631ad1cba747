/** Effects of publishing on the world, by name, in the order in which one change causes them. */
export const PUBLISH_CRASH_POINTS = [
  /** One blob file. */
  'blob-write',
  /** The transaction that records stored units. */
  'unit-commit',
  /** The transaction that takes a generation. */
  'generation-commit',
  /** One blob to NATS. */
  'blob-put',
  /** One head to NATS. */
  'head-put',
  /** The transaction that records what NATS has stored. */
  'published-commit',
  /** The transaction that forgets swept content. */
  'sweep-commit',
  /** One blob removed from NATS or from disk. */
  'blob-remove',
] as const;

export type PublishCrashPoint = (typeof PUBLISH_CRASH_POINTS)[number];
