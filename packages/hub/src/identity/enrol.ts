import type { KeyObject } from 'node:crypto';
import { verify } from 'node:crypto';
import type { Clock, Credentials, JoinRequest, Logger, Random, RenewRequest } from '@drover/contract';
import { DroverError, isClusterName, isUid, parseJoinToken, rawPublicKey, renewalBytes } from '@drover/contract';
import type { Transaction } from 'kysely';
import type { Database } from '#state/schema.ts';
import type { Store } from '#state/store.ts';
import { issueAgentCertificate, keyDigest, readAgentCertificate, readCsr, RENEW_GRACE_MS } from './certificates-adapter.ts';
import { agentUserJwt } from './nats-keys.ts';
import { createRateLimit } from './rate-limit.ts';
import { proveJoinToken, stateOf } from './tokens.ts';
import type { FleetKeys } from './types.ts';

/**
 * Enrolment: the token says who may join, the UID of `kube-system` says who it is, the key proves it from then on.
 *
 * - A cluster is known by its UID alone: what joins with a known UID gets the record it had, and only if it holds the
 *   recorded key or brings a token for that very cluster.
 * - The same request sent again, its reply lost, is answered again: the key is the proof.
 */
export interface Enrolment {
  /** @throws DroverError TOKEN_INVALID, JOIN_REFUSED, RATE_LIMITED */
  join(request: JoinRequest, peer: string): Promise<Credentials>;
  /** @throws DroverError CLUSTER_UNKNOWN, IDENTITY_EXPIRED, JOIN_REFUSED, RATE_LIMITED */
  renew(request: RenewRequest, peer: string): Promise<Credentials>;
}

export interface Joined {
  readonly uid: string;
  readonly name: string;
  /** The cluster was known already, and its agent has a new key: streams and NATS user of the old one have to end. */
  readonly replaced?: { readonly natsUser: string | undefined };
}

interface Deps {
  readonly store: Store;
  readonly keys: FleetKeys;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Where agents shall dial, as of now. */
  readonly addresses: () => { readonly natsUrls: readonly string[]; readonly fleetAddress: string };
  /** After the commit, before the answer. */
  readonly onJoined: (joined: Joined) => void;
}

const PEERS = { capacity: 200, perSecond: 20, maxKeys: 10_000 } as const;
/** What fails costs more: guessing ends after some tries. */
const FAILURE_COST = 20;
const NATS_USER = /^U[A-Z2-7]{55}$/;

export function createEnrolment(deps: Deps): Enrolment {
  const { store, keys, clock, random } = deps;
  const limit = createRateLimit(PEERS);

  async function limited(peer: string, what: string, run: () => Promise<Credentials>): Promise<Credentials> {
    if (!limit.take(peer, clock.monotonic())) throw new DroverError('RATE_LIMITED', what, 'too many requests from this address');
    try {
      return await run();
    } catch (thrown) {
      limit.charge(peer, clock.monotonic(), FAILURE_COST);
      const error = DroverError.from(thrown, what);
      deps.log.warn({ peer, err: error }, 'enrolment refused');
      throw error;
    }
  }

  async function join(request: JoinRequest): Promise<Credentials> {
    const token = parseJoinToken(request.token);
    if (token.caDigest !== keys.ca.keyDigest) throw new DroverError('TOKEN_INVALID', 'join token', 'it was made by another hub');
    checkShape(request);
    const publicKey = await readCsr(request.csr);
    const joined = await store.write((tx) => record(tx, request, token, keyDigest(publicKey)));
    deps.onJoined(joined);
    return credentials({ uid: request.uid, name: joined.name, accepted: joined.accepted, natsUser: request.natsUser }, publicKey);
  }

  async function record(
    tx: Transaction<Database>,
    request: JoinRequest,
    token: { readonly id: string; readonly secret: string },
    key: string,
  ): Promise<Joined & { readonly accepted: boolean }> {
    const now = clock.now();
    const row = await proveJoinToken(tx, token);
    const state = stateOf(row, now);
    if (state === 'Revoked') throw new DroverError('TOKEN_INVALID', 'join token', 'it was revoked');
    if (state === 'Expired') throw new DroverError('TOKEN_INVALID', 'join token', `it has expired; at the hub it is ${iso(now)}`);
    const known = await tx.selectFrom('cluster').selectAll().where('uid', '=', request.uid).executeTakeFirst();
    const sameKey = known?.identity_key === key;
    if (state === 'Used' && !sameKey) throw new DroverError('TOKEN_INVALID', 'join token', 'it was used');
    const told = {
      sealing_key: request.sealingKey,
      identity_key: key,
      nats_user: request.natsUser,
      ...(request.facts === undefined ? {} : { facts: JSON.stringify(request.facts), agent_version: request.facts.agentVersion }),
      ...(request.seen === undefined
        ? {}
        : { seen_fleet: request.seen.fleet, seen_epoch: request.seen.epoch, seen_generation: request.seen.generation }),
    };
    if (state !== 'Used')
      await tx
        .updateTable('token')
        .set({ uses: row.uses + 1 })
        .where('id', '=', row.id)
        .execute();

    if (known !== undefined) {
      if (row.cluster !== null && row.cluster !== known.name) {
        throw refused(row.cluster, `this cluster has joined as ${known.name}, and the token is for ${row.cluster}`);
      }
      if (!sameKey && row.cluster === null) {
        throw refused(
          known.name,
          `this cluster has joined as ${known.name} with another key; make a token for it: --cluster ${known.name}`,
        );
      }
      await tx.updateTable('cluster').set(told).where('uid', '=', request.uid).execute();
      const replaced = sameKey ? {} : { replaced: { natsUser: known.nats_user ?? undefined } };
      if (!sameKey) {
        const message = `joined again with a new key, by token ${row.id}; its record stays`;
        await store.event(tx, { severity: 'Warning', reason: 'ClusterRejoined', cluster: known.name, message });
      }
      return { uid: known.uid, name: known.name, accepted: known.accepted === 1, ...replaced };
    }

    const name = row.cluster ?? request.name ?? `cluster-${request.uid.slice(0, 8)}`;
    if (!isClusterName(name)) throw refused(name, 'it is no name for a cluster: letters, digits, dots and dashes, at most 63');
    if ((await tx.selectFrom('cluster').select('uid').where('name', '=', name).executeTakeFirst()) !== undefined) {
      throw refused(name, 'another cluster has joined under this name; remove that one, or choose another name');
    }
    const accepted = row.cluster !== null && row.max_uses === 1;
    await tx
      .insertInto('cluster')
      .values({
        facts: null,
        agent_version: null,
        seen_fleet: null,
        seen_epoch: 0,
        seen_generation: 0,
        ...told,
        uid: request.uid,
        name,
        namespace: 'drover',
        accepted: accepted ? 1 : 0,
        labels: row.labels,
        mode: row.enforce === 1 ? 'Enforce' : 'Observe',
        joined_at: now,
        last_seen: null,
        online: 0,
        applied_content: null,
      })
      .execute();
    const message = accepted ? `joined by token ${row.id}` : `joined by token ${row.id}; waits to be accepted`;
    await store.event(tx, { severity: accepted ? 'Info' : 'Warning', reason: 'ClusterJoined', cluster: name, message });
    return { uid: request.uid, name, accepted };
  }

  async function renew(request: RenewRequest): Promise<Credentials> {
    const now = clock.now();
    const certificate = readAgentCertificate(keys.ca, keys.fleet, request.certificate);
    const signed = verify('sha256', renewalBytes(request.certificate, request.time), certificate.publicKey, request.signature);
    if (!signed) throw refused('renewal', 'it is not signed by the key of the certificate');
    const row = await store.db.selectFrom('cluster').selectAll().where('uid', '=', certificate.uid).executeTakeFirst();
    if (row === undefined)
      throw new DroverError('CLUSTER_UNKNOWN', certificate.uid, 'this hub does not know the cluster, or has removed it');
    if (row.identity_key !== certificate.keyDigest) {
      throw new DroverError('CLUSTER_UNKNOWN', row.name, 'the cluster has joined again since, with another key');
    }
    if (now > certificate.notAfter + RENEW_GRACE_MS) {
      const what = `the certificate ended ${iso(certificate.notAfter)}, too long ago: it is ${iso(now)} here, ${iso(request.time)} at the agent`;
      throw new DroverError('IDENTITY_EXPIRED', row.name, what);
    }
    const natsUser = row.nats_user ?? '';
    return credentials({ uid: row.uid, name: row.name, accepted: row.accepted === 1, natsUser }, certificate.publicKey);
  }

  async function credentials(
    cluster: { readonly uid: string; readonly name: string; readonly accepted: boolean; readonly natsUser: string },
    publicKey: KeyObject,
  ): Promise<Credentials> {
    const now = clock.now();
    const { uid, name, accepted, natsUser } = cluster;
    return {
      name,
      fleet: keys.fleet,
      certificatePem: await issueAgentCertificate(random, keys.ca, { fleet: keys.fleet, uid, publicKey }, now),
      caPem: keys.ca.certificatePem,
      natsJwt: agentUserJwt(keys.nats, { user: natsUser, uid, name }, now),
      headKeys: keys.headKeys.map(rawPublicKey),
      accepted,
      ...deps.addresses(),
    };
  }

  function checkShape(request: JoinRequest): void {
    if (!isUid(request.uid)) throw refused('uid', 'it is no UID of a namespace');
    if (Buffer.from(request.sealingKey, 'base64').length !== 32) throw refused('sealing key', 'it is no X25519 key');
    if (!NATS_USER.test(request.natsUser)) throw refused('NATS user', 'it is no public key of a user');
  }

  return {
    join: (request, peer) => limited(peer, 'join', () => join(request)),
    renew: (request, peer) => limited(peer, 'renewal', () => renew(request)),
  };
}

function iso(ms: number): string {
  // oxlint-disable-next-line no-restricted-globals -- writes a time, reads no clock
  return new Date(ms).toISOString();
}

function refused(subject: string, what: string): DroverError {
  return new DroverError('JOIN_REFUSED', subject, what);
}
