import type { Credentials, HubAddresses, JoinRequest, RenewRequest, SealingKeyPair } from '@drover/contract';

/**
 * What makes an agent the agent of its cluster: keys that it made itself and never gave away, and what the hub gave for
 * them. Both lie in Secret `drover-identity`, bound to the UID of `kube-system`: a copy in another cluster is nobody.
 */
export interface AgentKeys {
  /** ECDSA P-256, PKCS #8, PEM: proves the identity. */
  readonly privateKeyPem: string;
  /** Bundles are sealed to it. */
  readonly sealing: SealingKeyPair;
  /** Of the agent's NATS user. */
  readonly natsSeed: string;
  readonly natsUser: string;
  /** 32 bytes, base64: encrypts the cache. */
  readonly cacheKey: string;
}

/** What the hub gave, and by which token. */
export interface Membership extends Credentials {
  /** host:port of the Enrolment service. */
  readonly enrolment: string;
  /** Public part of the token that was used. */
  readonly tokenId: string;
  /** SHA-256 of the key of the hub's authority, hex. */
  readonly caDigest: string;
}

export interface IdentityRecord {
  readonly format: typeof IDENTITY_FORMAT;
  /** UID of `kube-system`. */
  readonly uid: string;
  readonly keys: AgentKeys;
  /** Absent before the cluster has joined. */
  readonly membership?: Membership;
}

export const IDENTITY_FORMAT = 'drover.identity/1';
export const IDENTITY_NAME = 'drover-identity';

/** The hub as an agent sees it before it has a certificate. */
export interface EnrolmentPort {
  /**
   * What `GET /v1/info` names: addresses, nothing that is believed.
   *
   * @throws DroverError HUB_UNREACHABLE
   */
  addresses(hub: string, signal: AbortSignal): Promise<HubAddresses>;
  /**
   * The authority that the listener at `address` presents, if its key has the digest that the token names; PEM.
   *
   * @throws DroverError HUB_UNREACHABLE, HUB_UNTRUSTED
   */
  authority(address: string, caDigest: string, signal: AbortSignal): Promise<string>;
  /** @throws DroverError with the hub's code, HUB_UNREACHABLE */
  join(address: string, caPem: string, request: JoinRequest, signal: AbortSignal): Promise<Credentials>;
  /** @throws DroverError with the hub's code, HUB_UNREACHABLE */
  renew(address: string, caPem: string, request: RenewRequest, signal: AbortSignal): Promise<Credentials>;
}

/** Makes and uses the agent's keys. */
export interface KeyMaker {
  make(): Promise<AgentKeys>;
  /** Certificate request, DER. */
  request(keys: AgentKeys, uid: string): Promise<Uint8Array>;
}
