import type { BlobName } from '@drover/contract';

/** State of one stream as the server tells it. */
export interface StreamState {
  /** When it was made: another time is another stream. */
  readonly created: string;
  readonly lastSequence: number;
  readonly messages: number;
  readonly bytes: number;
  readonly maxBytes: number;
}

export interface Streams {
  readonly heads: StreamState;
  readonly blobs: StreamState;
}

export interface StoredHead {
  readonly sequence: number;
  readonly bytes: Uint8Array;
}

/**
 * NATS as the publisher needs it. Every method rejects with NATS_UNREACHABLE when there is no answer, and with NATS_FULL
 * when JetStream has no room or is off; nothing is ever lost by either.
 */
export interface Broker extends AsyncDisposable {
  readonly connected: boolean;
  /** Counts the connections made so far: after a new one nothing that was known of the streams holds any more. */
  readonly connections: number;
  /** Called when the connection came or went, and when somebody changed a stream. */
  onChange(listener: () => void): Disposable;
  /** Makes both streams where they are missing, corrects their settings, tells their state. */
  streams(signal: AbortSignal): Promise<Streams>;
  /** UIDs of which there is a head. */
  heads(signal: AbortSignal): Promise<ReadonlySet<string>>;
  blobs(signal: AbortSignal): Promise<ReadonlySet<BlobName>>;
  /** As the leader of the stream has it; undefined when there is none. */
  head(uid: string, signal: AbortSignal): Promise<StoredHead | undefined>;
  /**
   * @param after sequence of the head that this one replaces, 0 for none
   * @returns the new sequence; undefined when another head is there: nothing was stored, nobody heard of it
   */
  putHead(uid: string, bytes: Uint8Array, after: number, signal: AbortSignal): Promise<number | undefined>;
  blob(name: BlobName, signal: AbortSignal): Promise<StoredHead | undefined>;
  /** Harmless when it is there already. */
  putBlob(name: BlobName, bytes: Uint8Array, signal: AbortSignal): Promise<void>;
  /** Deletes by sequence; harmless when it is not there. */
  removeBlob(name: BlobName, signal: AbortSignal): Promise<void>;
}
