import type { ObjectHealth, ObjectKey, ObjectRef } from '@drover/contract';
import { healthOf, MANAGED_LABEL, parseKey } from '@drover/contract';
import type { LiveObject } from '#kube/types.ts';
import type { OwnedFields } from './fields.ts';
import { lostPaths } from './fields.ts';
import type { Drift, Expectation, FieldsHash, Observation } from './types.ts';
import { compareVersions } from './versions.ts';

/** What is kept of one live object. */
export interface Seen {
  readonly uid: string;
  readonly resourceVersion: string;
  readonly fields: OwnedFields;
  readonly health: ObjectHealth;
  readonly terminating: boolean;
  /** Without our label no watch shows it. */
  readonly labelled: boolean;
  /** What is no longer ours; undefined while the baseline's set is not known, or nothing was lost. */
  readonly lost: Drift | undefined;
}

/** One expected object; mutated only by the functions of this file. */
export interface Tracked {
  readonly key: ObjectKey;
  readonly ref: ObjectRef;
  apiVersion: string;
  /** Expected UID; null for an intent. */
  uid: string | null;
  baseline: FieldsHash | undefined;
  /** Set of the baseline, once an object with this hash was seen. */
  baselineSet: string | undefined;
  /** Undefined: no information. */
  seen: Seen | 'Missing' | undefined;
  /** Newest resource version that was heard of. */
  newest: string | undefined;
  /** Grows with everything that is learned: who asked before that judges again. */
  turn: number;
  kindAbsent: boolean;
  observation: Observation;
}

const UNKNOWN: Observation = {
  presence: 'Unknown',
  health: { health: 'Unknown', message: 'not seen yet' },
  drifted: false,
  terminating: false,
};
const KIND_ABSENT: Observation = {
  presence: 'Unknown',
  health: { health: 'Unknown', message: 'the API server does not serve its kind any more' },
  drifted: false,
  terminating: false,
  kindAbsent: true,
};
const NOT_FOUND: ObjectHealth = { health: 'NotFound', message: 'does not exist' };

export function track(entry: Pick<Expectation, 'key' | 'apiVersion' | 'uid' | 'fields'>): Tracked {
  const { key, apiVersion, uid, fields } = entry;
  return {
    key,
    ref: parseKey(key),
    apiVersion,
    uid,
    baseline: fields,
    baselineSet: undefined,
    seen: undefined,
    newest: undefined,
    turn: 0,
    kindAbsent: false,
    observation: UNKNOWN,
  };
}

/** Takes over what the inventory says now; keeps what was seen. */
export function retrack(tracked: Tracked, entry: Pick<Expectation, 'apiVersion' | 'uid' | 'fields'>): void {
  tracked.apiVersion = entry.apiVersion;
  tracked.uid = entry.uid;
  if (tracked.baseline === entry.fields) return;
  tracked.baseline = entry.fields;
  tracked.baselineSet = undefined;
  learnBaseline(tracked);
}

/**
 * Takes a live object of a list, a watch or a GET.
 *
 * @param fields of the object, shared where many have the same
 * @returns false when it is older than what is known
 */
export function take(tracked: Tracked, live: LiveObject, fields: OwnedFields): boolean {
  const { uid, resourceVersion, deletionTimestamp, labels } = live.metadata;
  if (isOld(tracked, resourceVersion)) return false;
  const lost = tracked.baselineSet === undefined || tracked.baseline === fields.hash ? undefined : lostPaths(tracked.baselineSet, live);
  const labelled = labels?.[MANAGED_LABEL] === 'true';
  tracked.seen = { uid, resourceVersion, fields, health: healthOf(live), terminating: deletionTimestamp !== undefined, labelled, lost };
  tracked.newest = resourceVersion;
  tracked.kindAbsent = false;
  tracked.turn += 1;
  learnBaseline(tracked);
  return true;
}

/** The response of an apply: from now on this is how it shall be. */
export function rebase(tracked: Tracked, live: LiveObject, fields: OwnedFields): void {
  tracked.uid = live.metadata.uid;
  tracked.apiVersion = live.apiVersion;
  tracked.baseline = fields.hash;
  tracked.baselineSet = fields.set;
  tracked.kindAbsent = false;
  tracked.turn += 1;
  // A newer event may have come before the response: then the event is how it stands now.
  if (!take(tracked, live, fields) && typeof tracked.seen === 'object') tracked.seen = { ...tracked.seen, lost: undefined };
}

/** @returns false when an event of this version tells nothing new */
export function mayBeGone(tracked: Tracked, resourceVersion: string): boolean {
  return !isOld(tracked, resourceVersion);
}

/** A live GET, begun at `turn`, said that the object does not exist. */
export function takeMissing(tracked: Tracked, turn: number): boolean {
  if (tracked.turn !== turn) return false;
  tracked.seen = 'Missing';
  tracked.kindAbsent = false;
  tracked.turn += 1;
  return true;
}

/** Nothing is known of it any more; resource versions are forgotten where the server's store went back. */
export function forget(tracked: Tracked, options: { readonly versions: boolean; readonly kindAbsent?: boolean }): void {
  tracked.seen = undefined;
  tracked.kindAbsent = options.kindAbsent === true;
  if (options.versions) tracked.newest = undefined;
  tracked.turn += 1;
}

/** Renews the observation; true when anything but the resource version is another. */
export function judge(tracked: Tracked): boolean {
  const before = tracked.observation;
  tracked.observation = observationOf(tracked);
  return !sameObservation(before, tracked.observation);
}

function observationOf(tracked: Tracked): Observation {
  const { seen, uid, baseline } = tracked;
  if (tracked.kindAbsent) return KIND_ABSENT;
  if (seen === undefined) return UNKNOWN;
  if (seen === 'Missing') return { presence: 'Missing', health: NOT_FOUND, drifted: uid !== null, terminating: false };
  const differs = baseline !== undefined && seen.fields.hash !== baseline;
  const drifted = uid !== null && (seen.uid !== uid || differs);
  return {
    presence: 'Present',
    uid: seen.uid,
    resourceVersion: seen.resourceVersion,
    health: seen.health,
    drifted,
    ...(drifted && seen.lost !== undefined ? seen.lost : {}),
    terminating: seen.terminating,
  };
}

function sameObservation(a: Observation, b: Observation): boolean {
  return (
    a.presence === b.presence &&
    a.uid === b.uid &&
    a.health.health === b.health.health &&
    a.health.message === b.health.message &&
    a.drifted === b.drifted &&
    a.manager === b.manager &&
    a.terminating === b.terminating &&
    a.kindAbsent === b.kindAbsent &&
    a.paths?.join('\n') === b.paths?.join('\n')
  );
}

function isOld(tracked: Tracked, resourceVersion: string): boolean {
  if (tracked.newest === undefined) return false;
  const order = compareVersions(resourceVersion, tracked.newest);
  if (order === undefined) return false;
  // The version we last heard of is news again when the object was missing, or unknown, since.
  return order < 0 || (order === 0 && typeof tracked.seen === 'object');
}

function learnBaseline(tracked: Tracked): void {
  const { seen, baseline } = tracked;
  if (typeof seen === 'object' && seen.fields.hash === baseline) tracked.baselineSet = seen.fields.set;
}
