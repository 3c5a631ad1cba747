import { BLOBS_STREAM, blobSubject, HEADS_STREAM, headSubject, MAX_BLOB_BYTES, newsSubject } from '@drover/contract';

export interface StreamLimits {
  /** At least 2 × clusters × largest head: at the limit even an equal-sized replacement is refused. */
  readonly headsMaxBytes: number;
  readonly blobsMaxBytes: number;
  /** 1, or 3 across failure domains. */
  readonly replicas: number;
}

/** Room for some 2,000 clusters with the largest heads, and for many more with usual ones. */
export const DEFAULT_STREAM_LIMITS: StreamLimits = { headsMaxBytes: 256 * 1024 * 1024, blobsMaxBytes: 4 * 1024 * 1024 * 1024, replicas: 1 };

type StreamConfig = Readonly<Record<string, unknown>>;

function common(limits: StreamLimits): StreamConfig {
  return {
    retention: 'limits',
    storage: 'file',
    num_replicas: limits.replicas,
    max_msgs: -1,
    max_msgs_per_subject: 1,
    max_age: 0,
    // `old` would evict another cluster's head, or a blob in use.
    discard: 'new',
    allow_direct: true,
    allow_rollup_hdrs: false,
    deny_delete: false,
    deny_purge: false,
    sealed: false,
  };
}

/** The last head of each cluster, heard on its news after it was stored. */
export function headsStream(limits: StreamLimits): StreamConfig {
  return {
    ...common(limits),
    name: HEADS_STREAM,
    subjects: [headSubject('*')],
    discard_new_per_subject: false,
    max_bytes: limits.headsMaxBytes,
    max_msg_size: 128 * 1024,
    republish: { src: headSubject('*'), dest: newsSubject('{{wildcard(1)}}') },
  };
}

/** One message a subject; a second is refused. */
export function blobsStream(limits: StreamLimits): StreamConfig {
  return {
    ...common(limits),
    name: BLOBS_STREAM,
    subjects: [blobSubject('*')],
    discard_new_per_subject: true,
    max_bytes: limits.blobsMaxBytes,
    max_msg_size: MAX_BLOB_BYTES,
  };
}

/** Whether a stream lacks a setting; settings that the server adds by itself do not count. */
export function differs(wanted: StreamConfig, found: StreamConfig): boolean {
  return Object.entries(wanted).some(([key, value]) => !equal(value, found[key] ?? absentMeans(value)));
}

/** The server leaves out what is zero or false. */
function absentMeans(value: unknown): unknown {
  if (typeof value === 'number') return 0;
  return typeof value === 'boolean' ? false : undefined;
}

function equal(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || a === null || typeof b !== 'object' || b === null) return a === b;
  return Object.entries(a).every(([key, value]) => equal(value, (b as Record<string, unknown>)[key]));
}
