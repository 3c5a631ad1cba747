import type { BlobRef, BundleManifest, Digest, UnitName, UnitOptions } from '@drover/contract';
import type { RenderedObject } from '#render/types.ts';

export interface StoredUnit {
  readonly digest: Digest;
  readonly manifest: readonly BlobRef[];
}

export interface PublishedHead {
  readonly epoch: number;
  readonly generation: number;
  readonly content: Digest;
}

/** Who a bundle is for. */
export interface Recipient {
  readonly uid: string;
  /** Raw X25519 public key, base64. */
  readonly sealingKey: string;
}

/**
 * Stores content, and publishes heads. SQL first: the head and its sealed bytes are written in the transaction that
 * takes the generation; NATS is brought to what SQL says, by a queue of its own that survives its absence.
 */
export interface Publisher extends AsyncDisposable {
  /**
   * Stores a unit's objects (packed with those not stored before) and its manifest; idempotent by digest. Blobs are on
   * disk and in SQL when this returns; they are in NATS before any head that names them.
   */
  storeUnit(unit: UnitName, options: UnitOptions, objects: readonly RenderedObject[], signal: AbortSignal): Promise<StoredUnit>;
  /**
   * Makes a manifest the current bundle of a cluster: a new generation, unless its content is that of the current head.
   * Returns after the commit; NATS follows.
   */
  publish(recipient: Recipient, manifest: BundleManifest, signal: AbortSignal): Promise<PublishedHead>;
  /** The current head's manifest, from SQL. */
  current(uid: string): Promise<{ readonly head: PublishedHead; readonly manifest: BundleManifest } | undefined>;
  /** An agent could not verify or find a blob: deleted by sequence and published again. */
  repairBlob(name: string): void;
  /** Heads and blobs not yet in NATS, and what keeps them. */
  pending(): { readonly heads: number; readonly since: number | undefined; readonly problem: string | undefined };
  /** Runs the queue, reconnects, refills, sweeps, until aborted. */
  run(signal: AbortSignal): Promise<void>;
}
