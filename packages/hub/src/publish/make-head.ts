import type { BundleManifest, Head } from '@drover/contract';
import {
  canonicalJson,
  contentDigest,
  digestOf,
  DroverError,
  HEAD_FORMAT,
  MAX_INLINE_BYTES,
  MAX_SEALED_BYTES,
  seal,
  writeEnvelope,
  writeHead,
} from '@drover/contract';
import type { FleetKeys } from '#identity/types.ts';
import type { Recipient } from './types.ts';

export interface MadeHead {
  readonly head: Head;
  /** As published: signed, with the sealed manifest where that is small. */
  readonly envelope: Uint8Array;
  /** The sealed manifest when it travels as a blob of its own. */
  readonly sealedBlob: { readonly name: string; readonly bytes: Uint8Array } | undefined;
}

/**
 * Seals a manifest to its cluster and signs the head that names it. Sealing is randomised: what this returns is stored,
 * and never made twice for one generation.
 *
 * @throws DroverError BUNDLE_TOO_LARGE when the sealed manifest exceeds its cap
 */
export async function makeHead(
  keys: Pick<FleetKeys, 'fleet' | 'headKeys'>,
  recipient: Recipient,
  manifest: BundleManifest,
  place: { readonly epoch: number; readonly generation: number },
): Promise<MadeHead> {
  const plain = Buffer.from(canonicalJson(manifest));
  const context = { fleet: keys.fleet, cluster: recipient.uid, ...place };
  const sealed = await seal(recipient.sealingKey, context, plain);
  if (sealed.length > MAX_SEALED_BYTES) {
    throw new DroverError('BUNDLE_TOO_LARGE', `bundle of ${recipient.uid}`, `${sealed.length} bytes sealed; at most ${MAX_SEALED_BYTES}`);
  }
  const digest = digestOf(sealed);
  const head: Head = {
    format: HEAD_FORMAT,
    ...context,
    content: contentDigest(manifest),
    sealed: digest,
    size: sealed.length,
    plainSize: plain.length,
  };
  const inline = sealed.length <= MAX_INLINE_BYTES;
  return {
    head,
    envelope: writeEnvelope(writeHead(head), inline ? sealed : new Uint8Array(0), keys.headKeys),
    sealedBlob: inline ? undefined : { name: digest.slice('sha256:'.length), bytes: sealed },
  };
}
