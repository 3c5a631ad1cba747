import type { Action, Effect, KubeObject } from '@drover/contract';
import {
  canonicalJson,
  digestOf,
  DroverError,
  FIELD_MANAGER,
  parseJson,
  parseKey,
  PRUNE_ANNOTATION,
  showRef,
  UNIT_ANNOTATION,
} from '@drover/contract';
import { guardObject } from '#guard/refuse.ts';
import type { Entry } from '#inventory/types.ts';
import type { KindInfo, Kube, LiveObject } from '#kube/types.ts';
import type { NotKept } from './kept.ts';
import { judgeKept } from './kept.ts';
import { migrationPatch } from './migrate.ts';
import { isOurs, otherTool, ownField } from './owner.ts';
import type { Task } from './types.ts';

/** Flux's form of the annotation is honoured besides our own. */
const PRUNE_ANNOTATIONS = [PRUNE_ANNOTATION, 'kustomize.toolkit.fluxcd.io/prune'];
/** etcd takes 1.5 MiB in one request. */
const MAX_OBJECT_BYTES = 1_500_000;

export interface Applied {
  readonly type: 'Applied';
  readonly entry: Omit<Entry, 'fields'>;
  readonly action: Extract<Action, 'Created' | 'Configured' | 'Unchanged'>;
  readonly live: LiveObject;
  readonly kept: NotKept;
  /** The object as it was found, where the task asked for it. */
  readonly found?: LiveObject;
  readonly warnings: readonly string[];
}

export type Outcome = Applied | { readonly type: 'Failed'; readonly error: DroverError };

export interface ApplyObjectDeps {
  readonly kube: Kube;
  readonly effect: Effect;
  /** Canonical JSON of an object, verified. @throws DroverError BLOB_MISSING, BLOB_REJECTED, … */
  content(task: Task, signal: AbortSignal): Promise<string>;
}

/**
 * Sends one object. On first contact the request demands that the object does not exist (its resource version is one
 * that no object has), so that nobody else's object is ever overwritten before it was looked at; when it does exist, it
 * is read and judged.
 *
 * @returns the failure as a value; only what ends the whole run (a lost Lease, an abort) is thrown
 */
export async function applyObject(deps: ApplyObjectDeps, task: Task, before: Entry | undefined, signal: AbortSignal): Promise<Outcome> {
  const { kube, effect } = deps;
  const ref = parseKey(task.object.key);
  const subject = showRef(ref);
  try {
    guardObject(ref);
    const kind = await kindOf(kube, task, signal);
    const json = await deps.content(task, signal);
    const bytes = Buffer.byteLength(json);
    if (bytes > MAX_OBJECT_BYTES)
      throw new DroverError('OBJECT_TOO_LARGE', subject, `${bytes} bytes, at most ${MAX_OBJECT_BYTES} can be stored`);
    const sent = parseJson(json) as unknown as KubeObject;
    if (digestOf(json) !== task.object.digest)
      throw new DroverError('BLOB_REJECTED', subject, 'its content does not have the digest of the manifest');
    if (sent.metadata.annotations?.[UNIT_ANNOTATION] !== task.unit.name) {
      throw new DroverError('BLOB_REJECTED', subject, `its content is not marked as part of ${task.unit.name}`);
    }

    const options = { fieldManager: FIELD_MANAGER, force: true, fieldValidation: 'Strict' } as const;
    const send = (body: string): ReturnType<Kube['apply']> => effect('apply', () => kube.apply(kind, ref, body, options, signal));
    let adopted = before?.adopted ?? false;
    const found = task.inspect === true ? await kube.get(kind, ref, signal) : undefined;
    let response: Awaited<ReturnType<Kube['apply']>>;
    if (task.reason === 'Create') {
      const first = await create(send, sent);
      if (first === undefined) {
        adopted = await judge(kind, ref, subject);
        response = await send(json);
      } else response = first;
    } else response = await send(json);

    const { object: live, created, warnings } = response;
    const keep = sent.metadata.annotations !== undefined && isPruneDisabled(sent.metadata.annotations);
    const entry: Omit<Entry, 'fields'> = {
      key: task.object.key,
      apiVersion: task.object.apiVersion,
      uid: live.metadata.uid,
      digest: task.object.digest,
      unit: task.unit.name,
      adopted,
      ...(keep ? { keep: 'Disabled' as const } : {}),
    };
    return {
      type: 'Applied',
      entry,
      action: created ? 'Created' : 'Configured',
      live,
      kept: judgeKept(sent, live),
      warnings,
      ...(found === undefined ? {} : { found }),
    };
  } catch (thrown) {
    signal.throwIfAborted();
    const error = DroverError.from(thrown, subject);
    if (error.code === 'LEASE_LOST') throw error;
    return { type: 'Failed', error };
  }

  /** Looks at what is there before it is touched; true when it was not ours. */
  async function judge(kind: KindInfo, at: ReturnType<typeof parseKey>, name: string): Promise<boolean> {
    const live = await kube.get(kind, at, signal);
    if (live === undefined) return false;
    refuseTerminating(live, name);
    if (ownField(live) !== undefined && isOurs(live)) return false;
    const other = otherTool(live);
    if (other !== undefined) throw new DroverError('OWNED_BY', name, `${other.tool} manages it (${other.mark})`);
    const patch = migrationPatch(live);
    if (patch !== undefined) await effect('migrate', () => kube.patch(kind, at, patch, signal));
    return true;
  }
}

/** Applies on condition that the object does not exist; undefined when it does. */
async function create(
  send: (body: string) => ReturnType<Kube['apply']>,
  sent: KubeObject,
): Promise<Awaited<ReturnType<Kube['apply']>> | undefined> {
  try {
    return await send(canonicalJson({ ...sent, metadata: { ...sent.metadata, resourceVersion: '1' } }));
  } catch (thrown) {
    if (DroverError.from(thrown, 'create').code === 'KUBE_CONFLICT') return undefined;
    throw thrown;
  }
}

/** @throws DroverError KUBE_KIND_UNKNOWN, KUBE_UNREACHABLE, KUBE_REJECTED for a namespace where the kind has none */
async function kindOf(kube: Kube, task: Task, signal: AbortSignal): Promise<KindInfo> {
  const ref = parseKey(task.object.key);
  const subject = showRef(ref);
  let lookup = await kube.lookup(task.object.apiVersion, ref.kind, signal);
  if (lookup.type === 'absent') lookup = await kube.lookup(task.object.apiVersion, ref.kind, signal, true);
  if (lookup.type === 'unavailable') throw new DroverError('KUBE_UNREACHABLE', subject, `discovery: ${lookup.message}`);
  if (lookup.type === 'absent')
    throw new DroverError('KUBE_KIND_UNKNOWN', subject, `the server does not serve ${ref.kind} of ${task.object.apiVersion}`);
  const { info } = lookup;
  if (`${info.group}${info.group === '' ? '' : '/'}${info.version}` !== task.object.apiVersion) {
    throw new DroverError(
      'KUBE_KIND_UNKNOWN',
      subject,
      `the server does not serve ${ref.kind} of ${task.object.apiVersion}, but of version ${info.version}`,
    );
  }
  if (info.namespaced !== (ref.namespace !== undefined)) {
    throw new DroverError(
      'KUBE_REJECTED',
      subject,
      info.namespaced ? 'the kind needs a namespace' : 'the kind is cluster-scoped and has no namespace',
    );
  }
  return info;
}

/** @throws DroverError KUBE_TERMINATING naming its finalizers */
export function refuseTerminating(live: LiveObject, subject: string): void {
  const { deletionTimestamp, finalizers = [] } = live.metadata;
  if (deletionTimestamp === undefined) return;
  const held = finalizers.length === 0 ? 'no finalizer' : `finalizers ${finalizers.join(', ')}`;
  throw new DroverError('KUBE_TERMINATING', subject, `being deleted since ${deletionTimestamp}, ${held}`);
}

export function isPruneDisabled(annotations: Readonly<Record<string, string>>): boolean {
  return PRUNE_ANNOTATIONS.some((name) => annotations[name]?.toLowerCase() === 'disabled');
}
