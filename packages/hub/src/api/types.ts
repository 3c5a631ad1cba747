import type { Clock, Logger } from '@drover/contract';
import type { Kysely } from 'kysely';
import type { ClusterSpec } from '#config/types.ts';
import type { Caller, ListedToken, MadeToken, NewApiToken, NewJoinToken } from '#identity/tokens.ts';
import type { Database } from '#state/schema.ts';
import type { Store } from '#state/store.ts';

/** What the API can ask the running hub to do; everything else it reads from the record. */
export interface HubActions {
  /** Fetches a source now; resolves when that fetch has ended and what it changed was published. */
  fetchSource(source: { readonly namespace: string; readonly name: string }): Promise<void>;
  /** A webhook said that a source moved: recorded, and fetched now. */
  hintSource(source: { readonly namespace: string; readonly name: string }): Promise<void>;
  /** HMAC keys of the generic webhook of a source; undefined when its secret has none. */
  webhookKey(source: { readonly namespace: string; readonly name: string }): Promise<Uint8Array | undefined>;
  /** Renders again and asks the agents to verify everything; of one unit, or of a whole cluster. */
  verify(target: { readonly uid: string; readonly unit?: string }): Promise<void>;
  /** The record changed in a way that bundles depend on: suspension, mode, acceptance, labels. Resolves when published. */
  recompose(uids: readonly string[] | 'all'): Promise<void>;
  /** Closes streams and revokes NATS access of a cluster that was rejected; its user where the record has forgotten it. */
  disconnect(uid: string, natsUser?: string): Promise<void>;
  /** What a unit is rendered to: canonical JSON of its objects, Secrets' values masked. */
  manifest(unit: { readonly namespace: string; readonly delivery: string; readonly uid: string }): Promise<readonly string[] | undefined>;
  /** Clusters as the configuration in force declares them, by name: their labels, variables, mode and suspension. */
  declared?(): ReadonlyMap<string, ClusterSpec>;
  /** Text of a file of a Delivery's source at the newest revision; undefined when it is absent, binary or too large. */
  readSource?(delivery: { readonly namespace: string; readonly name: string }, path: string): Promise<string | undefined>;
  /** Names that do not meet: directories below `clusters/` without a cluster, clusters without their directory. */
  unmatched?(): Promise<{ readonly directories: readonly string[]; readonly clusters: readonly string[] }>;
}

export interface HubInfo {
  readonly version: string;
  readonly fleet: string;
  readonly startedAt: number;
  readonly addresses: { readonly enrolment: string; readonly fleet: string; readonly nats: readonly string[] };
  /** Heads and blobs that NATS has not stored yet, and why. */
  readonly publish: { readonly pending: number; readonly problem: string | undefined };
  /** True once the first configuration was read or restored, and heads were compared with NATS. */
  readonly ready: boolean;
  /** Of nats-server, where the hub runs it as its child. */
  readonly natsPid?: number | undefined;
}

/** Tokens, as `identity/tokens.ts` keeps them. */
export interface ApiTokens {
  authenticate(text: string): Promise<Caller | undefined>;
  createJoin(wish: NewJoinToken, actor: string): Promise<MadeToken>;
  createApi(wish: NewApiToken, actor: string): Promise<MadeToken>;
  list(): Promise<readonly ListedToken[]>;
  /** @throws DroverError NOT_FOUND */
  revoke(id: string, actor: string): Promise<void>;
}

export interface ApiDeps {
  readonly store: Store;
  /** A second connection for reads, so that they do not wait for a transaction; `store.db` without. */
  readonly reads?: Kysely<Database>;
  readonly now: () => number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly actions: HubActions;
  readonly tokens: ApiTokens;
  readonly info: () => HubInfo;
  /** Address that the listener is bound to: without a token a caller is let in only where this and the peer are loopback. */
  readonly host: string;
}
