import type { KubeObject, ObjectKey } from '@drover/contract';
import { canonicalJson, DroverError, groupOf, keyOf, parseJson, refOf, versionOf } from '@drover/contract';
import type { ApplyOptions, DeleteOptions, KindInfo, LiveObject, ManagedField } from '@drover/agent/sim';
import type { Trie } from './field-set.ts';
import { leavesOf, pathsOf, trieOf, withLeaves } from './field-set.ts';

/**
 * An API server in memory: server-side apply with managers, UIDs, resource versions, finalizers, namespaces, definitions,
 * preconditions and a history for watches. Synchronous: every method is one request that took effect, or an error.
 */
export interface FakeServer {
  lookup(apiVersion: string, kind: string): KindInfo | undefined;
  kinds(): readonly KindInfo[];
  get(key: ObjectKey): LiveObject | undefined;
  all(): readonly LiveObject[];
  list(group: string, kind: string, namespace?: string, labelSelector?: string): readonly LiveObject[];
  apply(json: string, options: ApplyOptions): { readonly object: LiveObject; readonly created: boolean };
  create(json: string, manager: string): LiveObject;
  replace(json: string, manager: string): LiveObject;
  /** Of the agent's patch that migrates managers: `replace` of managedFields and resourceVersion alone. */
  patch(key: ObjectKey, json: string): LiveObject;
  delete(key: ObjectKey, options?: Partial<Pick<DeleteOptions, 'uid' | 'resourceVersion'>>): 'accepted' | 'gone';
  /** As somebody with kubectl: changes an object in place. */
  edit(key: ObjectKey, manager: string, change: (object: Record<string, unknown>) => void): LiveObject | undefined;
  setStatus(key: ObjectKey, status: object): void;
  readonly revision: number;
  /** Events after a version; undefined when it has left the history (410). */
  since(version: number): readonly HistoryEvent[] | undefined;
  /** Forgets history up to now: open watches are fine, older versions are not. */
  compact(): void;
  /** Called after each change of the store. */
  onChange(listener: () => void): void;
}

export interface HistoryEvent {
  readonly version: number;
  readonly before: LiveObject | undefined;
  /** Undefined when it was deleted. */
  readonly after: LiveObject | undefined;
}

const BUILTIN: readonly KindInfo[] = [
  { group: '', version: 'v1', kind: 'Namespace', resource: 'namespaces', namespaced: false },
  { group: '', version: 'v1', kind: 'ConfigMap', resource: 'configmaps', namespaced: true },
  { group: '', version: 'v1', kind: 'Secret', resource: 'secrets', namespaced: true },
  { group: '', version: 'v1', kind: 'Service', resource: 'services', namespaced: true },
  { group: 'apps', version: 'v1', kind: 'Deployment', resource: 'deployments', namespaced: true },
  { group: 'apps', version: 'v1', kind: 'StatefulSet', resource: 'statefulsets', namespaced: true },
  { group: 'rbac.authorization.k8s.io', version: 'v1', kind: 'ClusterRole', resource: 'clusterroles', namespaced: false },
  { group: 'coordination.k8s.io', version: 'v1', kind: 'Lease', resource: 'leases', namespaced: true },
  {
    group: 'apiextensions.k8s.io',
    version: 'v1',
    kind: 'CustomResourceDefinition',
    resource: 'customresourcedefinitions',
    namespaced: false,
  },
];
const GENERATED: ReadonlySet<string> = new Set(['Deployment', 'StatefulSet']);

type Draft = Record<string, unknown> & { metadata: Record<string, unknown> };

export function createFakeServer(options: { readonly uid: () => string; readonly time: () => string }): FakeServer {
  const objects = new Map<ObjectKey, LiveObject>();
  let history: HistoryEvent[] = [];
  let revision = 100;
  let compacted = 0;
  const listeners: (() => void)[] = [];

  function record(before: LiveObject | undefined, after: LiveObject | undefined): void {
    history.push({ version: revision, before, after });
    for (const listener of listeners) listener();
    if (after === undefined) finishDeletions();
  }

  /** Objects that go with this one: of a namespace, or of a definition. */
  function contentsOf(owner: LiveObject): readonly LiveObject[] {
    if (owner.kind === 'Namespace') return [...objects.values()].filter((object) => object.metadata.namespace === owner.metadata.name);
    if (owner.kind !== 'CustomResourceDefinition') return [];
    return [...objects.values()].filter((object) => defines(owner, object));
  }

  /** Namespaces and definitions that were deleted go when nothing is in them any more. */
  function finishDeletions(): void {
    for (const owner of [...objects.values()]) {
      if (owner.metadata.deletionTimestamp === undefined || contentsOf(owner).length > 0 || (owner.metadata.finalizers ?? []).length > 0)
        continue;
      revision++;
      objects.delete(keyOf(refOf(owner)));
      record(owner, undefined);
      return;
    }
  }

  function kinds(): readonly KindInfo[] {
    const defined = [...objects.values()]
      .filter((object) => object.kind === 'CustomResourceDefinition')
      .map((object): KindInfo => {
        const spec = object['spec'] as {
          group: string;
          scope: string;
          names: { kind: string; plural: string };
          versions: { name: string }[];
        };
        const version = spec.versions[0]?.name ?? 'v1';
        return { group: spec.group, version, kind: spec.names.kind, resource: spec.names.plural, namespaced: spec.scope === 'Namespaced' };
      });
    return [...BUILTIN, ...defined];
  }

  function lookup(apiVersion: string, kind: string): KindInfo | undefined {
    const [group, version] = [groupOf(apiVersion), versionOf(apiVersion)];
    return kinds().find((info) => info.group === group && info.version === version && info.kind === kind);
  }

  function admit(object: KubeObject): ObjectKey {
    const key = keyOf(refOf(object));
    const info = lookup(object.apiVersion, object.kind);
    if (info === undefined) throw new DroverError('KUBE_KIND_UNKNOWN', key, 'the API server does not serve it');
    return key;
  }

  function admitCreate(object: KubeObject, key: ObjectKey): void {
    const { namespace } = object.metadata;
    const definition = [...objects.values()].find((owner) => owner.kind === 'CustomResourceDefinition' && defines(owner, object));
    if (definition?.metadata.deletionTimestamp !== undefined) {
      throw new DroverError('KUBE_REJECTED', key, 'create not allowed while custom resource definition is terminating');
    }
    if (namespace === undefined) return;
    const home = objects.get(`/Namespace//${namespace}`);
    if (home === undefined) throw new DroverError('KUBE_NAMESPACE_MISSING', key, `namespace ${namespace} does not exist`);
    if (home.metadata.deletionTimestamp !== undefined)
      throw new DroverError('KUBE_TERMINATING', key, `namespace ${namespace} is being terminated`);
  }

  function validate(before: LiveObject | undefined, draft: Draft, key: ObjectKey): void {
    const size = JSON.stringify(draft).length;
    if (size > 1_500_000) throw new DroverError('OBJECT_TOO_LARGE', key, `${size} bytes`);
    const data = draft['data'];
    if (draft['kind'] === 'ConfigMap' && typeof data === 'object' && data !== null) {
      for (const [name, value] of Object.entries(data)) {
        if (typeof value !== 'string') throw new DroverError('KUBE_REJECTED', key, `data.${name}: expected string`);
      }
    }
    if (before === undefined) return;
    if (before['immutable'] === true && draft['immutable'] !== true)
      throw new DroverError('KUBE_IMMUTABLE', key, 'immutable: field is immutable when `immutable` is set');
    if (before['immutable'] === true && canonicalJson(before['data'] ?? {}) !== canonicalJson(data ?? {})) {
      throw new DroverError('KUBE_IMMUTABLE', key, 'data: field is immutable when `immutable` is set');
    }
    const selector = (value: unknown): string => canonicalJson((value as { selector?: unknown } | undefined)?.selector ?? null);
    if (GENERATED.has(String(draft['kind'])) && selector(before['spec']) !== selector(draft['spec'])) {
      throw new DroverError('KUBE_IMMUTABLE', key, 'spec.selector: field is immutable');
    }
  }

  /** Stores a draft; unchanged content keeps its resource version. */
  function store(
    key: ObjectKey,
    before: LiveObject | undefined,
    draft: Draft,
    fields: readonly ManagedField[],
    dryRun: boolean,
  ): LiveObject {
    validate(before, draft, key);
    const spec = canonicalJson(draft['spec'] ?? null);
    const bumps = before !== undefined && GENERATED.has(before.kind) && canonicalJson(before['spec'] ?? null) !== spec;
    const generation =
      before?.metadata.generation === undefined
        ? GENERATED.has(String(draft['kind']))
          ? 1
          : undefined
        : before.metadata.generation + (bumps ? 1 : 0);
    const { uid: _uid, resourceVersion: _version, generation: _generation, managedFields: _fields, ...metadata } = draft.metadata;
    const body = (version: string): LiveObject =>
      ({
        ...draft,
        metadata: {
          ...metadata,
          uid: before?.metadata.uid ?? (dryRun ? 'dry-run' : options.uid()),
          resourceVersion: version,
          creationTimestamp: before?.metadata['creationTimestamp'] ?? options.time(),
          ...(generation === undefined ? {} : { generation }),
          managedFields: fields,
        },
      }) as unknown as LiveObject;
    if (before !== undefined && canonicalJson(comparable(body(before.metadata.resourceVersion))) === canonicalJson(comparable(before)))
      return before;
    if (dryRun) return body(before?.metadata.resourceVersion ?? '');
    const after = body(String(++revision));
    if (
      after.metadata.deletionTimestamp !== undefined &&
      (after.metadata.finalizers ?? []).length === 0 &&
      contentsOf(after).length === 0
    ) {
      objects.delete(key);
      record(before, undefined);
      return after;
    }
    objects.set(key, after);
    record(before, after);
    return after;
  }

  function apply(
    json: string,
    { fieldManager, force, dryRun = false }: ApplyOptions,
  ): { readonly object: LiveObject; readonly created: boolean } {
    const config = parseJson(json) as unknown as KubeObject;
    const key = admit(config);
    const before = objects.get(key);
    const { resourceVersion, uid } = config.metadata as { resourceVersion?: string; uid?: string };
    if (before === undefined) admitCreate(config, key);
    const moved = before !== undefined && resourceVersion !== undefined && resourceVersion !== before.metadata.resourceVersion;
    if (moved || (uid !== undefined && uid !== before?.metadata.uid))
      throw new DroverError('KUBE_CONFLICT', key, 'the object has been modified');

    const wanted = leavesOf(config);
    const live = before === undefined ? new Map<string, string>() : leavesOf(before);
    const fields = before?.metadata.managedFields ?? [];
    const others = fields.filter((field) => !isManager(field, fieldManager));
    const own = pathsOf(fields.find((field) => isManager(field, fieldManager))?.fieldsV1 as Trie | undefined);
    const changed = new Set([...wanted].filter(([path, text]) => live.get(path) !== text).map(([path]) => path));
    const kept: ManagedField[] = [];
    for (const field of others) {
      const paths = pathsOf(field.fieldsV1 as Trie | undefined);
      const conflicts = [...paths].filter((path) => changed.has(path) && live.has(path));
      if (conflicts.length > 0 && !force)
        throw new DroverError('KUBE_CONFLICT', key, `conflict with "${field.manager}": ${conflicts.length} fields`);
      for (const path of conflicts) paths.delete(path);
      if (paths.size > 0) kept.push(conflicts.length === 0 ? field : { ...field, fieldsV1: trieOf(paths) });
    }
    const othersOwn = new Set(kept.flatMap((field) => [...pathsOf(field.fieldsV1 as Trie | undefined)]));
    const dropped = [...own].filter((path) => !wanted.has(path) && !othersOwn.has(path));
    const base = (before ?? { apiVersion: config.apiVersion, kind: config.kind, metadata: placeOf(config) }) as object;
    const draft = withLeaves(base, wanted, dropped) as Draft;
    const mine: ManagedField = {
      manager: fieldManager,
      operation: 'Apply',
      apiVersion: config.apiVersion,
      time: options.time(),
      fieldsV1: trieOf(wanted.keys()),
    };
    const same = fields.find((field) => isManager(field, fieldManager));
    const entry = same !== undefined && canonicalJson(same.fieldsV1) === canonicalJson(mine.fieldsV1) ? same : mine;
    return { object: store(key, before, draft, [...kept, entry], dryRun), created: before === undefined };
  }

  /** A write that is no apply: what it changes becomes the writer's, with operation Update. */
  function update(key: ObjectKey, before: LiveObject | undefined, draft: Draft, manager: string): LiveObject {
    const live = before === undefined ? new Map<string, string>() : leavesOf(before);
    const next = leavesOf(draft);
    const removed = new Set([...live.keys()].filter((path) => !next.has(path)));
    const changed = new Set([...next].filter(([path, text]) => live.get(path) !== text).map(([path]) => path));
    const fields: ManagedField[] = [];
    let mine: Set<string> | undefined;
    for (const field of before?.metadata.managedFields ?? []) {
      const paths = pathsOf(field.fieldsV1 as Trie | undefined);
      const isMine = field.manager === manager && field.operation === 'Update' && field.subresource === undefined;
      for (const path of removed) paths.delete(path);
      if (isMine) mine = paths;
      else {
        for (const path of changed) paths.delete(path);
        if (paths.size > 0) fields.push({ ...field, fieldsV1: trieOf(paths) });
      }
    }
    const paths = new Set([...(mine ?? []), ...changed]);
    if (paths.size > 0)
      fields.push({ manager, operation: 'Update', apiVersion: String(draft['apiVersion']), time: options.time(), fieldsV1: trieOf(paths) });
    return store(key, before, draft, fields, false);
  }

  function create(json: string, manager: string): LiveObject {
    const object = parseJson(json) as unknown as KubeObject;
    const key = admit(object);
    if (objects.has(key)) throw new DroverError('KUBE_CONFLICT', key, 'already exists');
    admitCreate(object, key);
    return update(key, undefined, structuredClone(object) as unknown as Draft, manager);
  }

  function replace(json: string, manager: string): LiveObject {
    const object = parseJson(json) as unknown as KubeObject;
    const key = admit(object);
    const before = objects.get(key);
    if (before === undefined) throw new DroverError('NOT_FOUND', key, 'not found');
    const { resourceVersion, uid } = object.metadata as { resourceVersion?: string; uid?: string };
    const moved = resourceVersion !== undefined && resourceVersion !== before.metadata.resourceVersion;
    if (moved || (uid !== undefined && uid !== before.metadata.uid))
      throw new DroverError('KUBE_CONFLICT', key, 'the object has been modified');
    return update(key, before, structuredClone(object) as unknown as Draft, manager);
  }

  function patch(key: ObjectKey, json: string): LiveObject {
    const before = objects.get(key);
    if (before === undefined) throw new DroverError('NOT_FOUND', key, 'not found');
    const operations = JSON.parse(json) as readonly { readonly path: string; readonly value: unknown }[];
    const version = operations.find((one) => one.path === '/metadata/resourceVersion')?.value;
    if (version !== before.metadata.resourceVersion) throw new DroverError('KUBE_CONFLICT', key, 'the object has been modified');
    const fields = operations.find((one) => one.path === '/metadata/managedFields')?.value as readonly ManagedField[];
    return store(key, before, structuredClone(before) as unknown as Draft, fields, false);
  }

  function remove(key: ObjectKey, preconditions: Partial<DeleteOptions> = {}): 'accepted' | 'gone' {
    const before = objects.get(key);
    if (before === undefined) return 'gone';
    const { uid, resourceVersion } = preconditions;
    if (uid !== undefined && uid !== before.metadata.uid) throw new DroverError('KUBE_CONFLICT', key, 'precondition failed: UID');
    if (resourceVersion !== undefined && resourceVersion !== before.metadata.resourceVersion) {
      throw new DroverError('KUBE_CONFLICT', key, 'precondition failed: resourceVersion');
    }
    for (const inside of contentsOf(before)) remove(keyOf(refOf(inside)));
    const waits = contentsOf(before).length > 0;
    if ((before.metadata.finalizers ?? []).length > 0 || waits) {
      if (before.metadata.deletionTimestamp === undefined) {
        const draft = structuredClone(before) as unknown as Draft;
        draft.metadata['deletionTimestamp'] = options.time();
        store(key, before, draft, before.metadata.managedFields ?? [], false);
      }
      return 'accepted';
    }
    revision++;
    objects.delete(key);
    record(before, undefined);
    return 'accepted';
  }

  function edit(key: ObjectKey, manager: string, change: (object: Record<string, unknown>) => void): LiveObject | undefined {
    const before = objects.get(key);
    if (before === undefined) return undefined;
    const draft = structuredClone(before) as unknown as Draft;
    change(draft);
    return update(key, before, draft, manager);
  }

  function setStatus(key: ObjectKey, status: object): void {
    const before = objects.get(key);
    if (before === undefined) return;
    const draft = { ...(structuredClone(before) as unknown as Draft), status };
    store(key, before, draft, before.metadata.managedFields ?? [], false);
  }

  return {
    lookup,
    kinds,
    get: (key) => objects.get(key),
    all: () => [...objects.values()],
    list: (group, kind, namespace, selector) =>
      [...objects.values()].filter(
        (object) =>
          object.kind === kind &&
          groupOf(object.apiVersion) === group &&
          (namespace === undefined || object.metadata.namespace === namespace) &&
          selects(selector, object),
      ),
    apply,
    create,
    replace,
    patch,
    delete: remove,
    edit,
    setStatus,
    get revision() {
      return revision;
    },
    since: (version) => (version < compacted ? undefined : history.filter((event) => event.version > version)),
    compact() {
      compacted = revision;
      history = [];
    },
    onChange: (listener) => void listeners.push(listener),
  };
}

function defines(definition: LiveObject, object: KubeObject): boolean {
  const { group, names } = definition['spec'] as { group: string; names: { kind: string } };
  return object.kind === names.kind && groupOf(object.apiVersion) === group;
}

/** `name` or `name=value`. */
export function selects(selector: string | undefined, object: LiveObject): boolean {
  if (selector === undefined) return true;
  const [name = '', value] = selector.split('=');
  const found = object.metadata.labels?.[name];
  return found !== undefined && (value === undefined || found === value);
}

function isManager(field: ManagedField, manager: string): boolean {
  return field.manager === manager && field.operation === 'Apply' && (field.subresource ?? '') === '';
}

function placeOf(object: KubeObject): Record<string, unknown> {
  const { name, namespace } = object.metadata;
  return namespace === undefined ? { name } : { name, namespace };
}

/** Without the times of managers, which alone change nothing. */
function comparable(object: LiveObject): unknown {
  const fields = (object.metadata.managedFields ?? []).map(({ time: _time, ...field }) => field);
  return { ...object, metadata: { ...object.metadata, managedFields: fields } };
}
