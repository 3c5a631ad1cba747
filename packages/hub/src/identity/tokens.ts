import { createHash, timingSafeEqual } from 'node:crypto';
import type { Clock, Random } from '@drover/contract';
import { DroverError, isClusterName, writeJoinToken } from '@drover/contract';
import type { Selectable } from 'kysely';
import type { TokenTable } from '#state/schema.ts';
import type { Db, Store } from '#state/store.ts';
import type { FleetKeys } from './types.ts';

/**
 * Join tokens and API tokens. A token is shown once, when it is made; the store keeps the SHA-256 of its secret, which
 * is random enough (160 bits) that nothing slower is needed.
 */
export const ROLES = ['viewer', 'operator', 'admin'] as const;
export type Role = (typeof ROLES)[number];

export interface NewJoinToken {
  /** The cluster that may join with it; absent: any. */
  readonly cluster?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** The cluster starts in mode `Enforce`. */
  readonly enforce?: boolean;
  /** 1 without. A token for a named cluster has one use. */
  readonly maxUses?: number;
  /** {@link JOIN_TOKEN_TTL_MS} without. */
  readonly ttlMs?: number;
}

export interface NewApiToken {
  readonly name: string;
  readonly role: Role;
  /** Without: does not expire. */
  readonly ttlMs?: number;
}

/** A token just made: the only time its text is known. */
export interface MadeToken {
  readonly id: string;
  readonly token: string;
  readonly expiresAt: number | undefined;
}

export interface ListedToken {
  readonly id: string;
  readonly kind: 'join' | 'api';
  readonly name: string | undefined;
  readonly cluster: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly enforce: boolean;
  readonly role: Role | undefined;
  readonly maxUses: number;
  readonly uses: number;
  readonly createdAt: number;
  readonly expiresAt: number | undefined;
  readonly revokedAt: number | undefined;
  readonly state: 'Active' | 'Used' | 'Expired' | 'Revoked';
}

/** Who calls the API. */
export interface Caller {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
}

export const JOIN_TOKEN_TTL_MS = 24 * 3_600_000;
const MAX_TOKEN_USES = 100_000;
const API_TOKEN = /^drover_api_([0-9a-f]{12})_([0-9a-f]{40})$/;

interface Deps {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
}

/** @throws DroverError CONFIG_INVALID naming what is wrong */
export async function createJoinToken(deps: Deps, keys: Pick<FleetKeys, 'ca'>, wish: NewJoinToken, actor?: string): Promise<MadeToken> {
  const maxUses = wish.maxUses ?? 1;
  if (wish.cluster !== undefined && !isClusterName(wish.cluster))
    throw invalid('cluster', 'it has to be a DNS name of at most 63 characters');
  if (!Number.isSafeInteger(maxUses) || maxUses < 1 || maxUses > MAX_TOKEN_USES)
    throw invalid('maxUses', `it has to be from 1 to ${MAX_TOKEN_USES}`);
  if (wish.cluster !== undefined && maxUses !== 1) throw invalid('maxUses', 'a token for a named cluster has one use');
  const { id, secret } = make(deps.random);
  const now = deps.clock.now();
  const expiresAt = now + lifetime(wish.ttlMs ?? JOIN_TOKEN_TTL_MS);
  await deps.store.write(async (tx) => {
    await tx
      .insertInto('token')
      .values({
        id,
        kind: 'join',
        hash: hashOf(secret),
        name: null,
        cluster: wish.cluster ?? null,
        labels: JSON.stringify(wish.labels ?? {}),
        enforce: wish.enforce === true ? 1 : 0,
        role: null,
        max_uses: maxUses,
        uses: 0,
        expires_at: expiresAt,
        created_at: now,
        revoked_at: null,
      })
      .execute();
    const whom = wish.cluster === undefined ? `${maxUses} clusters at most` : `cluster ${wish.cluster}`;
    await deps.store.event(tx, { severity: 'Info', reason: 'TokenCreated', message: `join token ${id} for ${whom}`, actor });
  });
  return { id, token: writeJoinToken({ id, secret, caDigest: keys.ca.keyDigest }), expiresAt };
}

/** @throws DroverError CONFIG_INVALID naming what is wrong */
export async function createApiToken(deps: Deps, wish: NewApiToken, actor?: string): Promise<MadeToken> {
  if (!ROLES.includes(wish.role)) throw invalid('role', `it has to be one of ${ROLES.join(', ')}`);
  if (!/^[\w.@ -]{1,64}$/.test(wish.name)) throw invalid('name', 'it has to have 1 to 64 letters, digits, spaces or any of . _ @ -');
  const { id, secret } = make(deps.random);
  const now = deps.clock.now();
  const expiresAt = wish.ttlMs === undefined ? undefined : now + lifetime(wish.ttlMs);
  await deps.store.write(async (tx) => {
    await tx
      .insertInto('token')
      .values({
        id,
        kind: 'api',
        hash: hashOf(secret),
        name: wish.name,
        cluster: null,
        labels: '{}',
        enforce: 0,
        role: wish.role,
        max_uses: 0,
        uses: 0,
        expires_at: expiresAt ?? null,
        created_at: now,
        revoked_at: null,
      })
      .execute();
    await deps.store.event(tx, {
      severity: 'Info',
      reason: 'TokenCreated',
      message: `API token ${id} (${wish.name}, ${wish.role})`,
      actor,
    });
  });
  return { id, token: `drover_api_${id}_${secret}`, expiresAt };
}

/** Newest first. */
export async function listTokens(deps: Pick<Deps, 'store' | 'clock'>): Promise<readonly ListedToken[]> {
  const rows = await deps.store.db.selectFrom('token').selectAll().orderBy('created_at', 'desc').orderBy('id').execute();
  const now = deps.clock.now();
  return rows.map((row) => ({
    id: row.id,
    kind: row.kind,
    name: row.name ?? undefined,
    cluster: row.cluster ?? undefined,
    labels: JSON.parse(row.labels) as Record<string, string>,
    enforce: row.enforce === 1,
    role: (row.role as Role | null) ?? undefined,
    maxUses: row.max_uses,
    uses: row.uses,
    createdAt: row.created_at,
    expiresAt: row.expires_at ?? undefined,
    revokedAt: row.revoked_at ?? undefined,
    state: stateOf(row, now),
  }));
}

/** Revoking again is harmless. @throws DroverError NOT_FOUND */
export async function revokeToken(deps: Pick<Deps, 'store' | 'clock'>, id: string, actor?: string): Promise<void> {
  await deps.store.write(async (tx) => {
    const row = await tx.selectFrom('token').select(['kind', 'revoked_at']).where('id', '=', id).executeTakeFirst();
    if (row === undefined) throw new DroverError('NOT_FOUND', `token ${id}`, 'there is none');
    if (row.revoked_at !== null) return;
    await tx.updateTable('token').set({ revoked_at: deps.clock.now() }).where('id', '=', id).execute();
    await deps.store.event(tx, { severity: 'Info', reason: 'TokenRevoked', message: `${row.kind} token ${id}`, actor });
  });
}

/** Who an API token stands for; undefined for anything that is not one in force. */
export async function authenticate(deps: Pick<Deps, 'store' | 'clock'>, text: string): Promise<Caller | undefined> {
  const [, id = '', secret = ''] = API_TOKEN.exec(text) ?? [];
  if (id === '') return undefined;
  const row = await deps.store.db.selectFrom('token').selectAll().where('id', '=', id).where('kind', '=', 'api').executeTakeFirst();
  if (row === undefined || !matches(secret, row.hash) || stateOf(row, deps.clock.now()) !== 'Active') return undefined;
  return { id, name: row.name ?? id, role: row.role as Role };
}

/**
 * A join token as stored, once its secret was proven. Its state is for the caller to judge.
 *
 * @throws DroverError TOKEN_INVALID: the same for an id that is not known and a secret that is wrong
 */
export async function proveJoinToken(db: Db, token: { readonly id: string; readonly secret: string }): Promise<Selectable<TokenTable>> {
  const row = await db.selectFrom('token').selectAll().where('id', '=', token.id).where('kind', '=', 'join').executeTakeFirst();
  if (row === undefined || !matches(token.secret, row.hash))
    throw new DroverError('TOKEN_INVALID', 'join token', 'this hub did not make it');
  return row;
}

export function stateOf(
  row: Pick<Selectable<TokenTable>, 'kind' | 'max_uses' | 'uses' | 'expires_at' | 'revoked_at'>,
  now: number,
): ListedToken['state'] {
  if (row.revoked_at !== null) return 'Revoked';
  if (row.expires_at !== null && row.expires_at <= now) return 'Expired';
  if (row.kind === 'join' && row.uses >= row.max_uses) return 'Used';
  return 'Active';
}

function make(random: Random): { readonly id: string; readonly secret: string } {
  return { id: Buffer.from(random.bytes(6)).toString('hex'), secret: Buffer.from(random.bytes(20)).toString('hex') };
}

function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

function matches(secret: string, hash: string): boolean {
  return timingSafeEqual(Buffer.from(hashOf(secret)), Buffer.from(hash.padEnd(64).slice(0, 64)));
}

function lifetime(ms: number): number {
  if (!Number.isFinite(ms) || ms < 1000) throw invalid('ttl', 'it has to be at least a second');
  return ms;
}

function invalid(field: string, what: string): DroverError {
  return new DroverError('CONFIG_INVALID', field, what);
}
