import type { KeyObject } from 'node:crypto';

/** The keys of a fleet, in `keys/` (0600), never in the database. Made once, by `drover hub init` or the first start. */
export interface FleetKeys {
  /** Fleet UUID. */
  readonly fleet: string;
  /** 32 bytes: keys of blobs and of shown digests derive from it. */
  readonly secret: Uint8Array;
  /** Ed25519 keys that sign heads; the first is current, all are trusted. */
  readonly headKeys: readonly KeyObject[];
  /** Certificate authority of both listeners and of the agents' certificates. */
  readonly ca: {
    readonly certificatePem: string;
    readonly privateKey: KeyObject;
    /** sha256 of the SPKI, hex: ends every join token. */ readonly keyDigest: string;
  };
  /** NATS operator mode. Seeds are secrets. */
  readonly nats: {
    readonly operatorJwt: string;
    readonly systemAccount: string;
    readonly systemAccountJwt: string;
    readonly account: string;
    readonly accountJwt: string;
    readonly operatorSeed: string;
    readonly systemAccountSeed: string;
    readonly accountSeed: string;
  };
}

export type { Credentials } from '@drover/contract';
