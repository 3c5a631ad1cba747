import type { BlobName, BlobRef } from './blob.ts';
import { canonicalJson } from './canonical.ts';
import type { Digest } from './digest.ts';
import { keyedDigest, digestOf } from './digest.ts';
import { DroverError } from './errors.ts';
import type { ObjectKey, UnitName } from './object.ts';

/**
 * The two manifests of a bundle.
 *
 * - The **unit manifest** (one blob or more; equal for all clusters with an equal unit) lists a unit's options and objects in
 *   apply order, and where their bytes lie.
 * - The **bundle manifest** (sealed to one agent) lists the units of one cluster and what left it. What leaves is
 *   stated in `left`; a unit in neither list is no information.
 */
export const UNIT_FORMAT = 'drover.unit/1';
export const BUNDLE_FORMAT = 'drover.bundle/1';
/** Largest sealed bundle manifest. */
export const MAX_SEALED_BYTES = 512 * 1024;
/** Largest sealed bundle manifest that travels inside the head's message. */
export const MAX_INLINE_BYTES = 64 * 1024;
/** Largest number of objects in one unit. */
export const MAX_UNIT_OBJECTS = 50_000;

export type Mode = 'Enforce' | 'Observe';
export type DriftPolicy = 'Correct' | 'Warn' | 'Ignore';

/** What of a Delivery concerns the apply of one unit; part of the unit's digest. Durations in ms. */
export interface UnitOptions {
  /** Ready only when every object is healthy. */
  readonly wait: boolean;
  readonly drift: DriftPolicy;
  /** Full verification against the API server. */
  readonly intervalMs: number;
  readonly retryIntervalMs: number;
  /** For one attempt of apply and health. */
  readonly timeoutMs: number;
  /** Objects whose health counts even with `wait: false`. */
  readonly healthChecks: readonly {
    readonly apiVersion: string;
    readonly kind: string;
    readonly namespace?: string;
    readonly name: string;
  }[];
}

/** Bytes of one object inside a pack: index into `blobs`, offset and length in bytes. */
export type ObjectPart = readonly [blob: number, offset: number, length: number];

export interface UnitObject {
  readonly key: ObjectKey;
  readonly apiVersion: string;
  /** SHA-256 of the object's canonical JSON. */
  readonly digest: Digest;
  /** AES-256 key of the object's bytes, base64: its own, as packs are shared with units that lack some of their objects. */
  readonly cipherKey: string;
  /** Bytes of the canonical JSON. */
  readonly size: number;
  /** More than one where the object is larger than a blob; concatenated in order. */
  readonly parts: readonly ObjectPart[];
}

export interface UnitManifest {
  readonly format: typeof UNIT_FORMAT;
  readonly unit: UnitName;
  readonly options: UnitOptions;
  /** Packs: objects one after another, each encrypted under its own key. */
  readonly blobs: readonly BlobName[];
  /** In apply order. */
  readonly objects: readonly UnitObject[];
}

export interface BundleUnit {
  readonly name: UnitName;
  /** Keyed digest of the unit ({@link unitDigest}); opaque to the agent. */
  readonly digest: Digest;
  /** Blobs of the unit manifest, concatenated in order; more than one for a large unit. */
  readonly manifest: readonly BlobRef[];
  readonly prune: boolean;
  readonly mode: Mode;
  readonly suspended: boolean;
  readonly dependsOn: readonly UnitName[];
}

/** A unit that is no longer delivered here, listed until the agent has reported it done. */
export interface LeftUnit {
  readonly name: UnitName;
  readonly objects: 'Delete' | 'Orphan';
}

export interface BundleManifest {
  readonly format: typeof BUNDLE_FORMAT;
  readonly fleet: string;
  /** UID of the cluster's kube-system namespace. */
  readonly cluster: string;
  /** Sorted by name. */
  readonly units: readonly BundleUnit[];
  /** Sorted by name. */
  readonly left: readonly LeftUnit[];
}

/**
 * The digest by which a unit's content is named in releases, reports and the API: options and object digests in apply
 * order, independent of how the bytes were packed.
 */
export function unitDigest(
  fleetSecret: Uint8Array,
  unit: UnitName,
  options: UnitOptions,
  objects: readonly { readonly key: ObjectKey; readonly apiVersion: string; readonly digest: Digest }[],
): Digest {
  const listed = objects.map((object) => [object.key, object.apiVersion, object.digest]);
  return keyedDigest(fleetSecret, digestOf(canonicalJson({ unit, options, objects: listed })));
}

/** Digest of a bundle manifest: the head's `content`. */
export function contentDigest(manifest: BundleManifest): Digest {
  return digestOf(canonicalJson(manifest));
}

/**
 * Parses a manifest whose bytes have been verified.
 *
 * @throws DroverError FORMAT_UNKNOWN when `format` is another one, UNEXPECTED when it is no JSON object
 */
export function parseUnitManifest(bytes: Uint8Array): UnitManifest {
  return parseFormat<UnitManifest>(bytes, UNIT_FORMAT, 'unit manifest');
}

export function parseBundleManifest(bytes: Uint8Array): BundleManifest {
  return parseFormat<BundleManifest>(bytes, BUNDLE_FORMAT, 'bundle manifest');
}

function parseFormat<T extends { readonly format: string }>(bytes: Uint8Array, format: string, subject: string): T {
  const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  if (typeof value !== 'object' || value === null) throw new DroverError('UNEXPECTED', subject, 'it is no JSON object');
  const found = (value as { format?: unknown }).format;
  if (found !== format) {
    throw new DroverError('FORMAT_UNKNOWN', subject, `format ${String(found)}; this agent reads ${format}: a newer agent is needed`);
  }
  return value as T;
}
