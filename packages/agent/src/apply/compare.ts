import type { Digest, ObjectKey } from '@drover/contract';
import { DroverError, FIELD_MANAGER, MANAGED_LABEL, parseKey, showRef, UNIT_ANNOTATION } from '@drover/contract';
import type { Kube, LiveObject } from '#kube/types.ts';
import { CONCURRENCY, createPool } from './pool.ts';
import type { Task, WantedUnit } from './types.ts';

/** How one object stands, compared with what is wanted; nothing was written. */
export type Standing =
  | { readonly type: 'Same' }
  | { readonly type: 'Differs'; readonly paths: readonly string[] }
  | { readonly type: 'Missing' }
  | { readonly type: 'Failed'; readonly error: DroverError };

/** A unit in mode Observe. */
export interface Comparison {
  readonly digest: Digest;
  /** Monotonic ms. */
  readonly at: number;
  readonly standings: ReadonlyMap<ObjectKey, Standing>;
}

const MAX_PATHS = 20;

/** Compares a unit with the cluster by reads and dry runs alone. */
export async function compareUnit(
  deps: { readonly kube: Kube; content(task: Task, signal: AbortSignal): Promise<string> },
  unit: WantedUnit,
  now: number,
  signal: AbortSignal,
): Promise<Comparison> {
  const pool = createPool(CONCURRENCY);
  const standings = new Map<ObjectKey, Standing>();
  const compare = async (task: Task): Promise<void> => {
    try {
      standings.set(task.object.key, await compareObject(deps, task, signal));
    } catch (thrown) {
      signal.throwIfAborted();
      standings.set(task.object.key, { type: 'Failed', error: DroverError.from(thrown, showRef(parseKey(task.object.key))) });
    }
  };
  await Promise.all(unit.objects.map((object) => pool.run(() => compare({ unit, object, reason: 'Unknown' }))));
  return { digest: unit.digest, at: now, standings };
}

async function compareObject(
  deps: { readonly kube: Kube; content(task: Task, signal: AbortSignal): Promise<string> },
  task: Task,
  signal: AbortSignal,
): Promise<Standing> {
  const ref = parseKey(task.object.key);
  const lookup = await deps.kube.lookup(task.object.apiVersion, ref.kind, signal);
  if (lookup.type === 'absent')
    throw new DroverError('KUBE_KIND_UNKNOWN', showRef(ref), `the server does not serve ${ref.kind} of ${task.object.apiVersion}`);
  if (lookup.type === 'unavailable') throw new DroverError('KUBE_UNREACHABLE', showRef(ref), `discovery: ${lookup.message}`);
  const live = await deps.kube.get(lookup.info, ref, signal);
  if (live === undefined) return { type: 'Missing' };
  const options = { fieldManager: FIELD_MANAGER, force: true, fieldValidation: 'Strict', dryRun: true } as const;
  const dry = await deps.kube.apply(lookup.info, ref, await deps.content(task, signal), options, signal);
  const paths = differences(comparable(live), comparable(dry.object));
  return paths.length === 0 ? { type: 'Same' } : { type: 'Differs', paths };
}

/** Without what every write changes, and without our own marks, which say nothing about content. */
function comparable(live: LiveObject): unknown {
  const { managedFields: _fields, resourceVersion: _version, generation: _generation, labels, annotations, ...metadata } = live.metadata;
  const { [MANAGED_LABEL]: _label, ...otherLabels } = labels ?? {};
  const { [UNIT_ANNOTATION]: _annotation, ...otherAnnotations } = annotations ?? {};
  return { ...live, metadata: { ...metadata, labels: otherLabels, annotations: otherAnnotations } };
}

/** JSON pointers of the leaves in which two values differ, at most twenty. */
export function differences(a: unknown, b: unknown): readonly string[] {
  const paths: string[] = [];
  compareAt(a, b, '', paths);
  return paths;
}

function compareAt(a: unknown, b: unknown, path: string, paths: string[]): void {
  if (paths.length >= MAX_PATHS || Object.is(a, b)) return;
  if (typeof a === 'object' && typeof b === 'object' && a !== null && b !== null && Array.isArray(a) === Array.isArray(b)) {
    const [left, right] = [a as Readonly<Record<string, unknown>>, b as Readonly<Record<string, unknown>>];
    for (const name of new Set([...Object.keys(left), ...Object.keys(right)])) {
      compareAt(left[name], right[name], `${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`, paths);
    }
    return;
  }
  paths.push(path);
}
