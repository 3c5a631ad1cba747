import { agentPermissions, BLOBS_STREAM, blobSubject, HEADS_STREAM, headSubject } from '@drover/contract';
import type { KeyPair } from '@nats-io/nkeys';
import { createAccount, createOperator, createUser } from '@nats-io/nkeys';
import { signClaim } from './nats-jwt.ts';
import type { FleetKeys } from './types.ts';

/**
 * Keys and claims of NATS' operator mode. The operator vouches for two accounts: the fleet's, which holds the streams
 * and everybody who speaks, and the system account, by which claims are pushed. The fleet's account vouches for users.
 */
export type NatsKeys = FleetKeys['nats'];

/** A user that was revoked, and when, epoch ms: claims issued then or before no longer count. */
export interface Revocation {
  /** Public nkey of the user. */
  readonly user: string;
  readonly at: number;
}

/** A connection's credentials; the seed is a secret. */
export interface NatsUser {
  readonly jwt: string;
  readonly seed: string;
}

/** Inbox prefixes of the hub's own users. */
export const HUB_INBOX = '_INBOX_hub';

const UNLIMITED = { subs: -1, data: -1, payload: -1, conn: -1, imports: -1, exports: -1, wildcards: true } as const;

export function makeNatsKeys(now: number): NatsKeys {
  const operator = createOperator();
  const system = createAccount();
  const account = createAccount();
  const operatorSeed = seedOf(operator);
  const keys = {
    operatorSeed,
    systemAccountSeed: seedOf(system),
    accountSeed: seedOf(account),
    systemAccount: system.getPublicKey(),
    account: account.getPublicKey(),
  };
  return {
    ...keys,
    operatorJwt: signClaim(
      operatorSeed,
      { subject: operator.getPublicKey(), name: 'drover', nats: { type: 'operator', system_account: keys.systemAccount } },
      now,
    ),
    systemAccountJwt: signClaim(
      operatorSeed,
      { subject: keys.systemAccount, name: 'system', nats: { type: 'account', limits: { ...UNLIMITED, leaf: 0 } } },
      now,
    ),
    accountJwt: accountJwt(keys, [], now),
  };
}

/**
 * The claim of the fleet's account. Pushed to the running server with a new revocation it cuts that user's connections
 * at once; every later claim has to list all revocations again.
 */
export function accountJwt(keys: Pick<NatsKeys, 'operatorSeed' | 'account'>, revocations: readonly Revocation[], now: number): string {
  return signClaim(
    keys.operatorSeed,
    {
      subject: keys.account,
      name: 'fleet',
      nats: {
        type: 'account',
        limits: { ...UNLIMITED, leaf: 0, mem_storage: 0, disk_storage: -1, streams: -1, consumer: -1 },
        revocations: Object.fromEntries(revocations.map(({ user, at }) => [user, Math.floor(at / 1000)])),
      },
    },
    now,
  );
}

/**
 * The claim of one agent: its own head, blobs by name, its own news and inbox; nothing else.
 *
 * @param agent `user`: public nkey that the agent made; `uid`: UID of its cluster, already checked by `isUid`
 */
export function agentUserJwt(
  keys: Pick<NatsKeys, 'accountSeed'>,
  agent: { readonly user: string; readonly uid: string; readonly name: string; readonly expires?: number },
  now: number,
): string {
  const { publish, subscribe } = agentPermissions(agent.uid);
  return userJwt(keys.accountSeed, agent, { publish, subscribe, subs: 32, payload: 1024 }, now);
}

/** The hub's own user, with a key of its own for each start. */
export function hubUser(keys: Pick<NatsKeys, 'accountSeed'>, now: number): NatsUser {
  const pair = createUser();
  const jwt = userJwt(
    keys.accountSeed,
    { user: pair.getPublicKey(), name: 'hub' },
    {
      publish: [headSubject('*'), blobSubject('*'), '$JS.API.INFO', ...streamApi(HEADS_STREAM), ...streamApi(BLOBS_STREAM)],
      subscribe: [`${HUB_INBOX}.>`, '$JS.EVENT.ADVISORY.STREAM.>'],
      subs: -1,
      payload: -1,
    },
    now,
  );
  return { jwt, seed: seedOf(pair) };
}

/** A user of the system account that may push account claims and nothing else. */
export function systemUser(keys: Pick<NatsKeys, 'systemAccountSeed'>, now: number): NatsUser {
  const pair = createUser();
  const permissions = { publish: ['$SYS.REQ.CLAIMS.UPDATE'], subscribe: [`${HUB_INBOX}.>`], subs: -1, payload: -1 };
  return { jwt: userJwt(keys.systemAccountSeed, { user: pair.getPublicKey(), name: 'hub' }, permissions, now), seed: seedOf(pair) };
}

interface UserLimits {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  readonly subs: number;
  readonly payload: number;
}

function userJwt(
  accountSeed: string,
  user: { readonly user: string; readonly name: string; readonly expires?: number },
  limits: UserLimits,
  now: number,
): string {
  const nats = {
    type: 'user',
    pub: { allow: limits.publish },
    sub: { allow: limits.subscribe },
    subs: limits.subs,
    data: -1,
    payload: limits.payload,
    allowed_connection_types: ['STANDARD'],
  };
  const expires = user.expires === undefined ? undefined : Math.floor(user.expires / 1000);
  return signClaim(accountSeed, { subject: user.user, name: user.name, nats, expires }, now);
}

function streamApi(stream: string): readonly string[] {
  return [
    ...['CREATE', 'UPDATE', 'INFO', 'PURGE'].map((verb) => `$JS.API.STREAM.${verb}.${stream}`),
    ...['GET', 'DELETE'].map((verb) => `$JS.API.STREAM.MSG.${verb}.${stream}`),
    `$JS.API.DIRECT.GET.${stream}`,
    `$JS.API.DIRECT.GET.${stream}.>`,
  ];
}

function seedOf(pair: KeyPair): string {
  return new TextDecoder().decode(pair.getSeed());
}
