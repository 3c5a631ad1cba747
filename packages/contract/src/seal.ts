import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core';
import { digestOf } from './digest.ts';
import { DroverError } from './errors.ts';
import type { Head } from './head.ts';

/**
 * Sealing of a bundle manifest to one agent: HPKE (RFC 9180) in base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256,
 * AES-256-GCM. Bytes are `enc (32) ‖ ciphertext` of the deflated manifest. HPKE is randomised: sealed bytes are
 * stored, and never made twice for one generation.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9180
 */
const ENC_BYTES = 32;
const suite = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });

/** What a sealed manifest is bound to. */
export type SealContext = Pick<Head, 'fleet' | 'cluster' | 'epoch' | 'generation'>;

export interface SealingKeyPair {
  /** Raw X25519 public key, base64. */
  readonly publicKey: string;
  /** Raw X25519 private key, base64: a secret. */
  readonly privateKey: string;
}

export async function makeSealingKey(): Promise<SealingKeyPair> {
  const pair = await suite.kem.generateKeyPair();
  return {
    publicKey: Buffer.from(await suite.kem.serializePublicKey(pair.publicKey)).toString('base64'),
    privateKey: Buffer.from(await suite.kem.serializePrivateKey(pair.privateKey)).toString('base64'),
  };
}

/** @param publicKey raw X25519 public key, base64 */
export async function seal(publicKey: string, context: SealContext, manifest: Uint8Array): Promise<Uint8Array> {
  const recipientPublicKey = await suite.kem.deserializePublicKey(arrayBuffer(Buffer.from(publicKey, 'base64')));
  const sender = await suite.createSenderContext({ recipientPublicKey, info: infoOf(context) });
  const ciphertext = await sender.seal(arrayBuffer(deflateRawSync(manifest)), infoOf(context));
  return Buffer.concat([Buffer.from(sender.enc), Buffer.from(ciphertext)]);
}

/**
 * Opens what {@link seal} made, after `digestOf(sealed) === head.sealed` was checked.
 *
 * @returns the manifest's bytes, whose digest is `head.content`
 * @throws DroverError HEAD_REJECTED when digests, key or size do not hold
 */
export async function openSealed(keys: SealingKeyPair, head: Head, sealed: Uint8Array): Promise<Uint8Array> {
  const subject = `bundle of generation ${head.generation}`;
  if (sealed.length !== head.size || digestOf(sealed) !== head.sealed) {
    throw new DroverError('HEAD_REJECTED', subject, 'the sealed bytes are not those that the head names');
  }
  let manifest: Uint8Array;
  try {
    const recipientKey = await suite.kem.deserializePrivateKey(arrayBuffer(Buffer.from(keys.privateKey, 'base64')));
    const recipient = await suite.createRecipientContext({
      recipientKey,
      enc: arrayBuffer(sealed.subarray(0, ENC_BYTES)),
      info: infoOf(head),
    });
    const packed = await recipient.open(arrayBuffer(sealed.subarray(ENC_BYTES)), infoOf(head));
    manifest = inflateRawSync(new Uint8Array(packed), { maxOutputLength: Math.max(1, head.plainSize) });
  } catch (thrown) {
    throw new DroverError('HEAD_REJECTED', subject, 'the sealed manifest does not open with the key of this cluster', { cause: thrown });
  }
  if (digestOf(manifest) !== head.content) throw new DroverError('HEAD_REJECTED', subject, 'the manifest is not the one the head names');
  return manifest;
}

function infoOf(context: SealContext): ArrayBuffer {
  const { fleet, cluster, epoch, generation } = context;
  return arrayBuffer(new TextEncoder().encode(`drover/bundle/v1/${fleet}/${cluster}/${epoch}/${generation}`));
}

function arrayBuffer(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}
