import type { JsonObject } from '@drover/contract';
import { canonicalJson, FIELD_MANAGER, sha256Hex } from '@drover/contract';
import type { LiveObject, ManagedField } from '#kube/types.ts';
import type { Drift, FieldsHash } from './types.ts';

/**
 * Ownership, read from `managedFields`. A field set is a tree of steps: `f:<name>` a field, `k:<json>` the list item with
 * these keys, `v:<json>` a member of a set, `i:<n>` the n-th item, `.` the node itself. A step without children is owned
 * as it stands.
 *
 * @see https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
 * @see https://github.com/kubernetes-sigs/structured-merge-diff/blob/master/fieldpath/serialize-pe.go
 */
export type Trie = { readonly [step: string]: Trie };

export interface OwnedFields {
  readonly hash: FieldsHash;
  /** Canonical JSON of the trie; the empty string where nothing is ours. */
  readonly set: string;
}

const NOTHING: OwnedFields = { hash: '', set: '' };
/** Most paths in one report. */
export const MAX_PATHS = 20;

/** What manager `drover` holds by server-side apply. */
export function ownedFields(live: LiveObject): OwnedFields {
  const own = live.metadata.managedFields?.find(isOwn);
  if (own?.fieldsV1 === undefined) return NOTHING;
  const set = canonicalJson(own.fieldsV1 as JsonObject);
  return set === '{}' ? NOTHING : { hash: sha256Hex(set).slice(0, 16), set };
}

/**
 * The paths of a baseline that are no longer ours, and who holds them now.
 *
 * @param baseline `set` of {@link ownedFields} of the response of the last apply
 */
export function lostPaths(baseline: string, live: LiveObject): Drift {
  return describe(missingSteps(parseTrie(baseline), parseTrie(ownedFields(live).set)), live);
}

/**
 * What an apply of the same content took back.
 *
 * @param before the object as it was found
 * @param after the response of the correcting apply, or of a dry run of it
 */
export function driftBetween(before: LiveObject, after: LiveObject): Drift {
  return describe(missingSteps(parseTrie(ownedFields(after).set), parseTrie(ownedFields(before).set)), before);
}

/** The manager that holds all of these steps, or else the first of them; the latest where several do. */
export function managerOf(live: LiveObject, steps: readonly string[]): string | undefined {
  let found: ManagedField | undefined;
  for (const field of live.metadata.managedFields ?? []) {
    if (isOwn(field) || !holds(field.fieldsV1 as Trie | undefined, steps)) continue;
    if (found === undefined || (field.time ?? '') >= (found.time ?? '')) found = field;
  }
  return found?.manager;
}

/** Paths as lists of steps, in order; a path whose whole subtree was an item of a list ends at the item. */
function missingSteps(wanted: Trie, found: Trie): readonly (readonly string[])[] {
  const missing: (readonly string[])[] = [];
  const compare = (want: Trie, have: Trie | undefined, path: readonly string[]): void => {
    const below = Object.keys(want).filter((step) => step !== '.');
    const gone = have === undefined;
    const isItem = /^[kvi]:/.test(path.at(-1) ?? '');
    if (gone && (below.length === 0 || isItem)) {
      missing.push(path);
      return;
    }
    if (!gone && below.length === 0) return;
    for (const step of below) compare(want[step] ?? {}, have?.[step], [...path, step]);
  };
  compare(wanted, found, []);
  return missing;
}

function describe(missing: readonly (readonly string[])[], live: LiveObject): Drift {
  const shown = missing.slice(0, MAX_PATHS);
  const paths = shown.map((steps) => pointerOf(steps, live));
  let manager: string | undefined;
  for (const steps of shown) manager ??= managerOf(live, steps);
  return manager === undefined ? { paths } : { paths, manager };
}

/** JSON pointer into the live object; an item that is not there any more is written as its keys: `[name=web]`. */
function pointerOf(steps: readonly string[], live: LiveObject): string {
  let here: unknown = live;
  let pointer = '';
  for (const step of steps) {
    const { segment, value } = follow(step, here);
    pointer += `/${segment.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    here = value;
  }
  return pointer;
}

function follow(step: string, here: unknown): { readonly segment: string; readonly value: unknown } {
  const kind = step.slice(0, 2);
  const rest = step.slice(2);
  if (kind === 'f:') return { segment: rest, value: (here as Readonly<Record<string, unknown>> | null | undefined)?.[rest] };
  const items: readonly unknown[] = Array.isArray(here) ? here : [];
  if (kind === 'i:') return { segment: rest, value: items[Number(rest)] };
  const wanted = JSON.parse(rest) as unknown;
  const index = items.findIndex((item) =>
    kind === 'v:' ? same(item, wanted) : hasKeys(item, wanted as Readonly<Record<string, unknown>>),
  );
  if (index >= 0) return { segment: String(index), value: items[index] };
  return {
    segment: kind === 'v:' ? `[${String(wanted)}]` : `[${showKeys(wanted as Readonly<Record<string, unknown>>)}]`,
    value: undefined,
  };
}

function hasKeys(item: unknown, keys: Readonly<Record<string, unknown>>): boolean {
  if (typeof item !== 'object' || item === null) return false;
  return Object.entries(keys).every(([name, value]) => same((item as Readonly<Record<string, unknown>>)[name], value));
}

function showKeys(keys: Readonly<Record<string, unknown>>): string {
  return Object.entries(keys)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(',');
}

function same(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

function holds(trie: Trie | undefined, steps: readonly string[]): boolean {
  let here = trie;
  for (const step of steps) {
    if (here === undefined) return false;
    // A leaf owns everything below it: an atomic list or map.
    if (Object.keys(here).length === 0) return here !== trie;
    here = here[step];
  }
  return here !== undefined;
}

function isOwn(field: ManagedField): boolean {
  return field.manager === FIELD_MANAGER && field.operation === 'Apply' && (field.subresource ?? '') === '';
}

function parseTrie(set: string): Trie {
  return set === '' ? {} : (JSON.parse(set) as Trie);
}
