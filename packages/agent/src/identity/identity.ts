import { createPrivateKey, sign, X509Certificate } from 'node:crypto';
import type { Clock, Credentials, Facts, Logger, Random, Seen } from '@drover/contract';
import { backoffMs, DroverError, parseJoinToken, renewalBytes } from '@drover/contract';
import type { SecretStore } from '#inventory/secrets.ts';
import type { CertificateAge } from './certificate-age.ts';
import { certificateAge } from './certificate-age.ts';
import { decodeIdentity, encodeIdentity } from './record.ts';
import type { AgentKeys, EnrolmentPort, IdentityRecord, KeyMaker, Membership } from './types.ts';
import { IDENTITY_FORMAT, IDENTITY_NAME } from './types.ts';

/**
 * The agent's identity over its life: keys are made and stored before anybody hears of them, then the token is
 * exchanged, then certificates are renewed at two thirds of their life. Everything but the first join goes on without
 * the hub; what the hub gave is kept in memory when the API server cannot take it.
 */
export interface Identity {
  /** The keys; the same after every restart. */
  readonly keys: AgentKeys;
  /** What the hub gave last; undefined before the cluster has joined. */
  readonly membership: Membership | undefined;
  /** Resolves as soon as there is a membership. */
  joined(signal: AbortSignal): Promise<Membership>;
  /** Called with each newer membership. */
  onRenewed(listener: (membership: Membership) => void): void;
  /**
   * Joins where it has to, and renews, until aborted.
   *
   * @throws DroverError TOKEN_INVALID, JOIN_REFUSED, HUB_UNTRUSTED, KEY_MISSING, USAGE when the cluster cannot join
   */
  run(signal: AbortSignal): Promise<void>;
}

export interface IdentityDeps {
  readonly secrets: Pick<SecretStore, 'read' | 'write'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly maker: KeyMaker;
  readonly enrolment: EnrolmentPort;
  /** UID of `kube-system`, read live. */
  readonly uid: string;
  /** URL of the hub's HTTP API; undefined: only renewals, at the address on record. */
  readonly hub?: string | undefined;
  readonly token?: string | undefined;
  /** Proposed name of the cluster. */
  readonly name?: string | undefined;
  /** Highest head on record in this cluster. */
  readonly seen: (signal: AbortSignal) => Promise<Seen | undefined>;
  readonly facts: (signal: AbortSignal) => Promise<Facts | undefined>;
}

const RENEW_AT = 2 / 3;
/** Renewals of a fleet that joined together drift apart. */
const RENEW_JITTER = 0.05;
/** A machine that slept is noticed this soon after. */
const LOOK_MS = 60_000;
/** Renewals have hours: they are tried again this many times more slowly. */
const RENEW_PATIENCE = 6;
const MAX_WRITES = 3;
/** The hub does not know us by what we have: only a new token helps. */
const LOST: ReadonlySet<string> = new Set(['CLUSTER_UNKNOWN', 'IDENTITY_EXPIRED']);

/**
 * Reads the identity, or makes the keys of a new one; waits for the API server as long as it takes.
 *
 * @throws DroverError TOKEN_INVALID when the token cannot be one
 */
export async function openIdentity(deps: IdentityDeps, signal: AbortSignal): Promise<Identity> {
  const { secrets, clock, random, log, enrolment } = deps;
  const token = deps.token === undefined ? undefined : parseJoinToken(deps.token);
  let record = await patiently({ message: 'identity cannot be read or written now', endless: true }, () => load(signal), signal);
  let unsaved = false;
  let age: CertificateAge | undefined =
    record.membership === undefined ? undefined : certificateAge(record.membership.certificatePem, clock, false);
  let renewAt = drawRenewal();
  const listeners = new Set<(membership: Membership) => void>();
  const waiting = new Set<(membership: Membership) => void>();

  async function load(at: AbortSignal): Promise<IdentityRecord> {
    for (;;) {
      const secret = await secrets.read(IDENTITY_NAME, at);
      const found = secret === undefined ? undefined : decodeIdentity(secret);
      if (found?.uid === deps.uid) return found;
      if (found !== undefined)
        log.warn({ uid: deps.uid, found: found.uid }, 'Secret drover-identity is of another cluster; new keys are made');
      else if (secret !== undefined)
        log.error({}, 'Secret drover-identity is damaged; new keys are made, and the cluster has to join again');
      const made: IdentityRecord = { format: IDENTITY_FORMAT, uid: deps.uid, keys: await deps.maker.make() };
      if ((await secrets.write('identity-write', IDENTITY_NAME, 'identity', encodeIdentity(made), at)) === 'written') return made;
    }
  }

  function drawRenewal(): number {
    return RENEW_AT - RENEW_JITTER * random.fraction();
  }

  function wantsJoin(): boolean {
    if (record.membership === undefined) return true;
    // Another authority in the token: the cluster moves to another hub.
    return token !== undefined && token.caDigest !== record.membership.caDigest;
  }

  async function join(at: AbortSignal): Promise<void> {
    if (token === undefined || deps.token === undefined) {
      throw new DroverError('KEY_MISSING', 'identity', 'this cluster has not joined a hub, and no join token was given');
    }
    if (deps.hub === undefined) throw new DroverError('USAGE', '--hub', 'the URL of the hub is needed to join');
    const address = (await enrolment.addresses(deps.hub, at)).enrolment;
    const caPem = await enrolment.authority(address, token.caDigest, at);
    const [seen, facts] = await Promise.all([deps.seen(at), deps.facts(at)]);
    const credentials = await enrolment.join(
      address,
      caPem,
      {
        token: deps.token,
        csr: await deps.maker.request(record.keys, record.uid),
        sealingKey: record.keys.sealing.publicKey,
        uid: record.uid,
        natsUser: record.keys.natsUser,
        ...(seen === undefined ? {} : { seen }),
        ...(facts === undefined ? {} : { facts }),
        ...(deps.name === undefined ? {} : { name: deps.name }),
      },
      at,
    );
    // The authority is the one that was authenticated, whatever the answer says of itself.
    adopt({ ...credentials, caPem, enrolment: address, tokenId: token.id, caDigest: token.caDigest });
    log.info({ cluster: credentials.name, fleet: credentials.fleet, accepted: credentials.accepted }, 'joined');
  }

  async function renew(membership: Membership, at: AbortSignal): Promise<void> {
    const certificate = new X509Certificate(membership.certificatePem).raw;
    const time = clock.now();
    const signature = sign('sha256', renewalBytes(certificate, time), createPrivateKey(record.keys.privateKeyPem));
    const ask = (address: string): Promise<Credentials> => enrolment.renew(address, membership.caPem, { certificate, signature, time }, at);
    let address = membership.enrolment;
    let credentials: Credentials;
    try {
      credentials = await ask(address);
    } catch (thrown) {
      if (deps.hub === undefined || DroverError.from(thrown, 'renewal').code !== 'HUB_UNREACHABLE') throw thrown;
      const named = (await enrolment.addresses(deps.hub, at)).enrolment;
      if (named === address) throw thrown;
      // It has moved.
      address = named;
      credentials = await ask(address);
    }
    adopt({ ...membership, ...credentials, caPem: membership.caPem, enrolment: address });
    log.info({ cluster: credentials.name }, 'certificate renewed');
  }

  async function renewOrRejoin(membership: Membership, at: AbortSignal): Promise<void> {
    try {
      await renew(membership, at);
    } catch (thrown) {
      const error = DroverError.from(thrown, 'renewal');
      if (!LOST.has(error.code) || token === undefined || token.id === membership.tokenId) throw error;
      log.warn({ err: error }, 'the hub does not know this identity any more; joining again with the token');
      await join(at);
    }
  }

  function adopt(membership: Membership): void {
    record = { ...record, membership };
    unsaved = true;
    age = certificateAge(membership.certificatePem, clock, true);
    renewAt = drawRenewal();
    for (const resolve of waiting) resolve(membership);
    waiting.clear();
    for (const listener of listeners) listener(membership);
  }

  async function save(at: AbortSignal): Promise<void> {
    for (let write = 0; write < MAX_WRITES; write++) {
      if ((await secrets.write('identity-write', IDENTITY_NAME, 'identity', encodeIdentity(record), at)) === 'written') {
        unsaved = false;
        return;
      }
      const secret = await secrets.read(IDENTITY_NAME, at);
      const found = secret === undefined ? undefined : decodeIdentity(secret);
      // A second agent of this cluster has renewed too: either certificate is as good.
      if (found === undefined || found.keys.privateKeyPem === record.keys.privateKeyPem) continue;
      log.error({}, 'Secret drover-identity holds other keys now; they count after a restart');
      unsaved = false;
      return;
    }
  }

  async function run(at: AbortSignal): Promise<void> {
    while (!at.aborted) {
      if (wantsJoin()) await patiently({ message: 'cannot join now', endless: false }, () => join(at), at);
      if (unsaved) await patiently({ message: 'identity cannot be written now', endless: true }, () => save(at), at);
      const { membership } = record;
      const restMs = age?.until(renewAt) ?? 0;
      if (membership !== undefined && restMs <= 0) {
        const how = { message: 'certificate cannot be renewed now', endless: true, patience: RENEW_PATIENCE };
        await patiently(how, () => renewOrRejoin(membership, at), at);
      } else await clock.sleep(Math.min(LOOK_MS, restMs), at).catch(() => undefined);
    }
  }

  /** Runs until it succeeds; a terminal failure ends it too, unless it is `endless`. */
  async function patiently<T>(
    how: { readonly message: string; readonly endless: boolean; readonly patience?: number },
    attempt: () => Promise<T>,
    at: AbortSignal,
  ): Promise<T> {
    for (let failures = 1; ; failures++) {
      at.throwIfAborted();
      try {
        return await attempt();
      } catch (thrown) {
        at.throwIfAborted();
        const error = DroverError.from(thrown, 'identity');
        if (!how.endless && error.kind === 'terminal') throw error;
        const retryMs = Math.round((how.patience ?? 1) * backoffMs(failures, random.fraction()));
        log.warn({ err: error, retryMs }, how.message);
        await clock.sleep(retryMs, at).catch(() => undefined);
      }
    }
  }

  return {
    keys: record.keys,
    get membership() {
      return record.membership;
    },
    async joined(at) {
      at.throwIfAborted();
      if (record.membership !== undefined) return record.membership;
      const { promise, resolve, reject } = Promise.withResolvers<Membership>();
      const abort = (): void => reject(at.reason as Error);
      waiting.add(resolve);
      at.addEventListener('abort', abort, { once: true });
      try {
        return await promise;
      } finally {
        waiting.delete(resolve);
        at.removeEventListener('abort', abort);
      }
    },
    onRenewed: (listener) => void listeners.add(listener),
    async run(at) {
      try {
        await run(at);
      } catch (thrown) {
        if (!at.aborted) throw thrown;
      }
    },
  };
}
