import type { KubeObject, ObjectRef } from '@drover/contract';

/** A served kind: where its objects live. */
export interface KindInfo {
  readonly group: string;
  /** The version asked for, or the preferred one. */
  readonly version: string;
  readonly kind: string;
  /** Plural name in the URL. */
  readonly resource: string;
  readonly namespaced: boolean;
}

/** Answer of discovery for one kind. Absence must be stated by the server: everything else is `unavailable`. */
export type KindLookup =
  | { readonly type: 'served'; readonly info: KindInfo }
  /** Discovery of the group was read in full and does not list the kind in this version; `elsewhere` is another that has it. */
  | { readonly type: 'absent'; readonly elsewhere?: KindInfo }
  /** The group could not be read (503, partial discovery, network): no information. */
  | { readonly type: 'unavailable'; readonly message: string };

export interface ManagedField {
  readonly manager?: string;
  readonly operation?: string;
  readonly subresource?: string;
  readonly apiVersion?: string;
  readonly time?: string;
  readonly fieldsV1?: unknown;
}

/** A live object with the metadata that every object of the server has. */
export interface LiveObject extends KubeObject {
  readonly metadata: KubeObject['metadata'] & {
    readonly uid: string;
    readonly resourceVersion: string;
    readonly generation?: number;
    readonly deletionTimestamp?: string;
    readonly finalizers?: readonly string[];
    readonly managedFields?: readonly ManagedField[];
  };
}

export interface ApplyOptions {
  readonly fieldManager: string;
  readonly force: boolean;
  readonly dryRun?: boolean;
  /** Sends `resourceVersion`/`uid` checks are the caller's: they are in the body. */
  readonly fieldValidation?: 'Strict' | 'Warn';
}

export interface DeleteOptions {
  readonly uid: string;
  readonly resourceVersion: string;
  readonly propagation: 'Background' | 'Foreground';
}

export type WatchEvent =
  | { readonly type: 'Added' | 'Modified' | 'Deleted'; readonly object: LiveObject }
  | { readonly type: 'Bookmark'; readonly resourceVersion: string };

export interface ListOptions {
  readonly namespace?: string;
  readonly labelSelector?: string;
}

export interface ListPage {
  readonly items: readonly LiveObject[];
  readonly resourceVersion: string;
}

/**
 * The Kubernetes API as the agent uses it. Raw JSON goes out as it came. Errors are DroverErrors of the codes KUBE_*,
 * with the server's message; 429, 5xx with Retry-After and connection failures are retried inside (bounded, jitter)
 * where the request is idempotent: GET, apply. Create, replace, patch and delete are sent again only when the server said
 * that it did not begin (429, refused connection); a lost reply is KUBE_OUTCOME_UNKNOWN.
 */
export interface Kube {
  /** `v1.36.3` */
  version(signal: AbortSignal): Promise<string>;
  /** Discovery, cached; `fresh` reads anew (rate-limited to one read a second). */
  lookup(apiVersion: string, kind: string, signal: AbortSignal, fresh?: boolean): Promise<KindLookup>;
  /** All served kinds, or undefined when discovery could not be read in full. */
  kinds(signal: AbortSignal): Promise<readonly KindInfo[] | undefined>;
  get(kind: KindInfo, ref: ObjectRef, signal: AbortSignal): Promise<LiveObject | undefined>;
  /** One consistent list (`resourceVersion` unset), paged inside. Never partial: rejects instead. */
  list(kind: KindInfo, options: ListOptions, signal: AbortSignal): Promise<ListPage>;
  /**
   * As `list`, but hands over the objects one by one and keeps none: what was visited counts only once this resolves.
   *
   * @returns the resource version of the list
   */
  scan(kind: KindInfo, options: ListOptions, visit: (object: LiveObject) => void, signal: AbortSignal): Promise<string>;
  /** Resource version of the kind now, by a list of at most one object: tells whether the server's store went back in time. */
  revision(kind: KindInfo, signal: AbortSignal): Promise<string>;
  /** Server-side apply of exactly these JSON bytes. `created` tells 201 from 200. */
  apply(
    kind: KindInfo,
    ref: ObjectRef,
    json: string,
    options: ApplyOptions,
    signal: AbortSignal,
  ): Promise<{ readonly object: LiveObject; readonly created: boolean; readonly warnings: readonly string[] }>;
  /** Create by POST; rejects with KUBE_CONFLICT when it exists. */
  create(kind: KindInfo, namespace: string | undefined, json: string, signal: AbortSignal): Promise<LiveObject>;
  /** Replace by PUT with the resourceVersion in the body; rejects with KUBE_CONFLICT when it moved. */
  replace(kind: KindInfo, ref: ObjectRef, json: string, signal: AbortSignal): Promise<LiveObject>;
  /** JSON patch; used only to migrate managers. */
  patch(kind: KindInfo, ref: ObjectRef, json: string, signal: AbortSignal): Promise<LiveObject>;
  /**
   * DELETE with both preconditions; `gone` when it was no longer there.
   *
   * @throws DroverError KUBE_CONFLICT when a precondition failed; KUBE_OUTCOME_UNKNOWN when the reply was lost: read the
   *   object again before anything else
   */
  delete(kind: KindInfo, ref: ObjectRef, options: DeleteOptions, signal: AbortSignal): Promise<'accepted' | 'gone'>;
  /**
   * Watches from a resource version, with bookmarks. Returns when its time (5 to 10 minutes) is over, after 90 s without
   * event or bookmark, and when aborted.
   *
   * @throws DroverError KUBE_WATCH_EXPIRED when the version has left the server's history (410): list again;
   *   KUBE_WATCH_FAILED for any earlier end; KUBE_KIND_UNKNOWN when the kind is
   *   no longer served there; KUBE_FORBIDDEN
   */
  watch(
    kind: KindInfo,
    options: { readonly labelSelector?: string; readonly resourceVersion: string },
    signal: AbortSignal,
  ): AsyncIterable<WatchEvent>;
}
