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
  /** Closes streams and revokes NATS access of a cluster that was rejected. */
  disconnect(uid: string): Promise<void>;
  /** What a unit is rendered to: canonical JSON of its objects, Secrets' values masked. */
  manifest(unit: { readonly namespace: string; readonly delivery: string; readonly uid: string }): Promise<readonly string[] | undefined>;
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
}

export interface ApiDeps {
  readonly store: Store;
  readonly now: () => number;
  readonly actions: HubActions;
  readonly info: () => HubInfo;
}
