import type { Digest } from './digest.ts';
import { canonicalJson } from './canonical.ts';
import { DroverError } from './errors.ts';

/** The small signed record that names a cluster's bundle; it never expires. */
export const HEAD_FORMAT = 'drover.head/1';

export interface Head {
  readonly format: typeof HEAD_FORMAT;
  readonly fleet: string;
  /** UID of the cluster's kube-system namespace. */
  readonly cluster: string;
  readonly epoch: number;
  readonly generation: number;
  /** Digest of the bundle manifest. */
  readonly content: Digest;
  /** Digest of the sealed bytes, which follow the head's payload or are the blob of this name. */
  readonly sealed: Digest;
  /** Bytes of the sealed manifest. */
  readonly size: number;
  /** Bytes of the bundle manifest before compression: the most that may come out. */
  readonly plainSize: number;
}

/** Order of heads within one fleet: negative when `a` is older than `b`. */
export function compareHeads(a: Pick<Head, 'epoch' | 'generation'>, b: Pick<Head, 'epoch' | 'generation'>): number {
  return a.epoch - b.epoch || a.generation - b.generation;
}

export function writeHead(head: Head): Uint8Array {
  return new TextEncoder().encode(canonicalJson(head));
}

/**
 * Parses a payload whose signature has been verified.
 *
 * @throws DroverError FORMAT_UNKNOWN for another format, HEAD_REJECTED when a field is missing or of a wrong type
 */
export function parseHead(payload: Uint8Array): Head {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
  } catch (thrown) {
    throw new DroverError('HEAD_REJECTED', 'head', 'its payload is no JSON', { cause: thrown });
  }
  if (typeof value !== 'object' || value === null) throw new DroverError('HEAD_REJECTED', 'head', 'its payload is no JSON object');
  const head = value as Record<string, unknown>;
  if (head['format'] !== HEAD_FORMAT) {
    throw new DroverError(
      'FORMAT_UNKNOWN',
      'head',
      `format ${String(head['format'])}; this agent reads ${HEAD_FORMAT}: a newer agent is needed`,
    );
  }
  for (const field of ['fleet', 'cluster', 'content', 'sealed'] as const) {
    if (typeof head[field] !== 'string' || head[field] === '') throw new DroverError('HEAD_REJECTED', 'head', `field ${field} is missing`);
  }
  for (const field of ['epoch', 'generation', 'size', 'plainSize'] as const) {
    if (!Number.isSafeInteger(head[field]) || (head[field] as number) < 0) {
      throw new DroverError('HEAD_REJECTED', 'head', `field ${field} is no counting number`);
    }
  }
  return value as Head;
}
