import type { BundleManifest, Head, UnitManifest, UnitName, UnitObject } from '@drover/contract';

/** The head that an agent has recorded: nothing older is ever applied (I4). */
export type SeenHead = Pick<Head, 'fleet' | 'epoch' | 'generation' | 'content'>;

/**
 * A bundle whose head and manifest were verified. Blobs are fetched when they are asked for, and verified before they
 * are handed out.
 */
export interface VerifiedBundle {
  readonly head: Head;
  readonly manifest: BundleManifest;
  /**
   * The manifest of a unit of this bundle.
   *
   * @throws DroverError BLOB_MISSING, BLOB_REJECTED, FORMAT_UNKNOWN, NATS_UNREACHABLE
   */
  unit(name: UnitName, signal: AbortSignal): Promise<UnitManifest>;
  /**
   * The canonical JSON of one object, of which `digestOf` is `object.digest`. Safe to be called many at a time; objects
   * that share a blob cost one fetch.
   *
   * @throws DroverError as `unit`
   */
  object(unit: UnitManifest, object: UnitObject, signal: AbortSignal): Promise<string>;
}

/** Where bundles come from: NATS in the program, a script in the simulation. */
export interface BundleSource {
  /** The newest verified bundle of this run; undefined before the first: no information. */
  readonly current: VerifiedBundle | undefined;
  /**
   * Sets the lowest head worth delivering; called once, before the first `next`. A head of the same (epoch, generation)
   * with another content is HEAD_CONFLICT, a lower one is no information; neither is delivered.
   *
   * @param seen undefined when the cluster never had a bundle
   */
  start(seen: SeenHead | undefined): void;
  /**
   * Resolves with the newest verified bundle that was not delivered yet (intermediate ones are skipped). With `start`
   * given the head that is current, that very bundle is delivered once, so that a restarted agent has its blobs.
   */
  next(signal: AbortSignal): Promise<VerifiedBundle>;
}
