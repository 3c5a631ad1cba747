import { createHash } from 'node:crypto';
import { DroverError } from './errors.ts';
import type { Facts } from './report.ts';
import type { Seen } from './stream.ts';
import { isUid } from './subjects.ts';

/** How an agent comes by its identity: what it says, what it gets, and the texts both sides must agree on. */

/**
 * What an agent reads of `GET /v1/info`: where to dial. Nothing in it is believed by an agent that joins: trust comes
 * from the token alone.
 */
export interface HubAddresses {
  /** host:port of the Enrolment service. */
  readonly enrolment: string;
  /** host:port of the Fleet service. */
  readonly fleet: string;
  readonly nats: readonly string[];
}

export interface JoinRequest {
  readonly token: string;
  /** PKCS #10, DER. */
  readonly csr: Uint8Array;
  /** Raw X25519 public key, base64. */
  readonly sealingKey: string;
  /** UID of the cluster's kube-system namespace. */
  readonly uid: string;
  /** Public nkey of the agent's NATS user. */
  readonly natsUser: string;
  /** Highest head the cluster has on record. */
  readonly seen?: Seen;
  readonly facts?: Facts;
  /** Proposed name; counts only where the token names no cluster. */
  readonly name?: string;
}

export interface RenewRequest {
  /** The newest certificate the agent holds, DER: it names the cluster. */
  readonly certificate: Uint8Array;
  /** By the certificate's key over {@link renewalBytes}. */
  readonly signature: Uint8Array;
  /** Epoch ms of the agent's clock: for showing. */
  readonly time: number;
}

/** What an agent gets when it joins or renews. */
export interface Credentials {
  /** Name of the cluster. */
  readonly name: string;
  readonly fleet: string;
  readonly certificatePem: string;
  readonly caPem: string;
  readonly natsUrls: readonly string[];
  readonly natsJwt: string;
  /** Raw Ed25519 public keys, hex. */
  readonly headKeys: readonly string[];
  /** host:port of the Fleet service. */
  readonly fleetAddress: string;
  /** False until an operator accepts the cluster. */
  readonly accepted: boolean;
}

export interface JoinToken {
  /** Public part: shown in lists. */
  readonly id: string;
  /** 32 hex digits or more; the hub keeps its hash only. */
  readonly secret: string;
  /** SHA-256 of the CA's public key (SPKI, DER), hex: authenticates the first contact. */
  readonly caDigest: string;
}

const JOIN_TOKEN = /^drover_([0-9a-z]{6,32})_([0-9A-Za-z]{32,128})_([0-9a-f]{64})$/;

export function writeJoinToken(token: JoinToken): string {
  return `drover_${token.id}_${token.secret}_${token.caDigest}`;
}

/** @throws DroverError TOKEN_INVALID, without the text */
export function parseJoinToken(text: string): JoinToken {
  const match = JOIN_TOKEN.exec(text.trim());
  if (match === null) {
    const what = text.startsWith('drover_api_')
      ? 'this is an API token; joining needs a join token'
      : 'it is not written drover_<id>_<secret>_<digest>';
    throw new DroverError('TOKEN_INVALID', 'join token', what);
  }
  const [, id = '', secret = '', caDigest = ''] = match;
  return { id, secret, caDigest };
}

/** The one subject alternative name of an agent's certificate. */
export function clusterUri(fleet: string, uid: string): string {
  return `drover://${fleet}/cluster/${uid}`;
}

/** Reads what {@link clusterUri} writes; undefined for anything else. */
export function parseClusterUri(text: string): { readonly fleet: string; readonly uid: string } | undefined {
  const match = /^drover:\/\/([0-9a-f-]{36})\/cluster\/([0-9a-f-]{36})$/.exec(text);
  if (match === null) return undefined;
  const [, fleet = '', uid = ''] = match;
  return isUid(fleet) && isUid(uid) ? { fleet, uid } : undefined;
}

/** The bytes that a renewal signs: `drover/renew/v1 ‖ 0 ‖ SHA-256 of the certificate ‖ time as a big-endian uint64`. */
export function renewalBytes(certificate: Uint8Array, time: number): Uint8Array {
  const stamp = Buffer.alloc(8);
  stamp.writeBigUInt64BE(BigInt(Math.max(0, Math.trunc(time))));
  return Buffer.concat([Buffer.from('drover/renew/v1\0'), createHash('sha256').update(certificate).digest(), stamp]);
}

const CLUSTER_NAME = /^[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?$/;

/** Tells whether a text can name a cluster: it becomes part of paths and labels. */
export function isClusterName(text: string): boolean {
  return CLUSTER_NAME.test(text) && !text.includes('..');
}
