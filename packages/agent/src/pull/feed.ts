import type { BlobName } from '@drover/contract';

export interface FeedListener {
  /** A head, as NATS delivered it: anybody may have made it. */
  readonly news: (bytes: Uint8Array) => void;
  /** A connection was made, or made again. */
  readonly connected: () => void;
}

/** NATS as an agent sees it. What it answers is a hint until it is verified. */
export interface BundleFeed {
  listen(listener: FeedListener): Disposable;
  /**
   * The own head as the stream has it, perhaps an older one; undefined when it has none: no information.
   *
   * @throws DroverError NATS_UNREACHABLE when there is no answer
   */
  head(signal: AbortSignal): Promise<Uint8Array | undefined>;
  /**
   * The bytes that the stream has under a blob's name; undefined when it has none.
   *
   * @throws DroverError NATS_UNREACHABLE when there is no answer
   */
  blob(name: BlobName, signal: AbortSignal): Promise<Uint8Array | undefined>;
}
