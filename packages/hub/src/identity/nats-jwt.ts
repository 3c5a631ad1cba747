import { createHash } from 'node:crypto';
import { canonicalJson } from '@drover/contract';
import { fromSeed } from '@nats-io/nkeys';

/** A claim as nats-server reads it: who is spoken of, by which name, and what is said. */
export interface NatsClaim {
  /** Public nkey of the operator, account or user. */
  readonly subject: string;
  readonly name: string;
  readonly nats: Readonly<Record<string, unknown>>;
  /** Epoch s; without it the claim does not expire. */
  readonly expires?: number | undefined;
}

const ENCODER = new TextEncoder();
const HEADER = base64url('{"typ":"JWT","alg":"ed25519-nkey"}');

/**
 * Signs a claim as a JWT of nats-server's second version.
 *
 * @param issuerSeed seed of the operator or account that vouches
 * @param now epoch ms; a revocation covers claims issued in its second or before
 * @see https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/jwt
 */
export function signClaim(issuerSeed: string, claim: NatsClaim, now: number): string {
  const issuer = fromSeed(ENCODER.encode(issuerSeed));
  const body = {
    iss: issuer.getPublicKey(),
    sub: claim.subject,
    name: claim.name,
    iat: Math.floor(now / 1000),
    exp: claim.expires,
    nats: { ...claim.nats, version: 2 },
  };
  const jti = createHash('sha256').update(canonicalJson(body)).digest('hex');
  const signed = `${HEADER}.${base64url(canonicalJson({ ...body, jti }))}`;
  return `${signed}.${Buffer.from(issuer.sign(ENCODER.encode(signed))).toString('base64url')}`;
}

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url');
}
