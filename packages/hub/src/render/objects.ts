import type { Code, JsonObject, ObjectRef, Problem } from '@drover/contract';
import {
  canonicalJson,
  compareForApply,
  digestOf,
  DroverError,
  FAILURES,
  groupOf,
  keyOf,
  MANAGED_LABEL,
  MAX_UNIT_OBJECTS,
  showRef,
  UNIT_ANNOTATION,
} from '@drover/contract';
import { findAutoscaled } from './autoscaler.ts';
import { isLeftAloneByKustomize } from './builtin-kinds.ts';
import type { Built, BuiltObject } from './built.ts';
import { flattenLists, objectError, showPosition, subjectOf } from './built.ts';
import { isList, isObject, without } from './json.ts';
import { annotationsFault, labelsFault, nameFault, namespaceFault } from './names.ts';
import { readDirections } from './own-annotations.ts';
import type { ScopeOf } from './scope.ts';
import { normalConfigMap, normalSecret } from './secret-data.ts';
import { stripServerFields } from './server-fields.ts';
import type { RenderedObject } from './types.ts';

export interface ObjectOptions {
  /** `<namespace>/<delivery>`. */
  readonly unit: string;
  readonly targetNamespace: string | undefined;
  readonly commonMetadata: { readonly labels: Readonly<Record<string, string>>; readonly annotations: Readonly<Record<string, string>> };
  /** Replaces variables, after lists are taken apart and before anything is judged. */
  readonly substitute: ((object: BuiltObject) => BuiltObject) | undefined;
  /** Made once the unit's own definitions are known. */
  scopes(objects: readonly JsonObject[]): ScopeOf;
}

export interface FinishedObjects {
  /** In apply order. */
  readonly objects: readonly RenderedObject[];
  readonly warnings: readonly Problem[];
}

/** Larger than anything that an API server takes; what lies between fails there, alone. */
const MAX_OBJECT_BYTES = 8 * 1024 * 1024;

interface Judged {
  readonly object: BuiltObject;
  readonly ref: ObjectRef;
  readonly apiVersion: string;
  readonly value: JsonObject;
}

/**
 * Judges and completes the objects of a unit: lists taken apart, variables replaced, identities complete and unique,
 * server fields taken out, scopes settled, Drover's marks set.
 *
 * @throws DroverError of the first object that is wrong, with its place
 */
export function finishObjects(built: readonly Built[], options: ObjectOptions): FinishedObjects {
  const warnings: Problem[] = [];
  const { substitute } = options;
  let objects = flattenLists(built);
  if (substitute !== undefined) objects = objects.map(substitute);
  if (objects.length > MAX_UNIT_OBJECTS)
    throw new DroverError('RENDER_LIMIT', options.unit, `${objects.length} objects, at most ${MAX_UNIT_OBJECTS} are allowed`);
  for (const object of objects) checkIdentity(object);
  const scopeOf = options.scopes(objects.map((object) => object.value));
  const judged = objects.map((object) => judge(object, options, scopeOf, warnings));
  refuseDuplicates(judged);
  for (const { autoscaler, workload } of findAutoscaled(judged)) {
    warnings.push(warning('REPLICAS_AUTOSCALED', showRef(workload), `states spec.replicas, which ${showRef(autoscaler)} decides`));
  }
  const rendered = judged.toSorted((a, b) => compareForApply(a.ref, b.ref)).map(render);
  return { objects: rendered, warnings };
}

function checkIdentity(object: BuiltObject): void {
  const { apiVersion, kind, metadata } = object.value;
  if (typeof apiVersion !== 'string' || apiVersion === '') throw objectError('OBJECT_INVALID', object, 'apiVersion is missing');
  if (typeof kind !== 'string' || kind === '') throw objectError('OBJECT_INVALID', object, 'kind is missing');
  if (!isObject(metadata)) throw objectError('OBJECT_INVALID', object, 'metadata.name is missing');
  const { name, namespace, generateName } = metadata;
  if (generateName !== undefined && generateName !== null && generateName !== '') {
    throw objectError('OBJECT_INVALID', object, 'metadata.generateName makes another object at every apply; give it a name');
  }
  if (typeof name !== 'string' || name === '') {
    throw objectError(
      'OBJECT_INVALID',
      object,
      name === undefined || name === '' || name === null ? 'metadata.name is missing' : 'metadata.name must be text; write it in quotes',
    );
  }
  if (namespace !== undefined && namespace !== null && typeof namespace !== 'string')
    throw objectError('OBJECT_INVALID', object, 'metadata.namespace must be text; write it in quotes');
  const group = groupOf(apiVersion);
  const fault = nameFault(group, kind, name) ?? (typeof namespace === 'string' && namespace !== '' ? namespaceFault(namespace) : undefined);
  if (fault !== undefined) throw objectError('OBJECT_INVALID', object, fault);
  if (group.endsWith('.toolkit.fluxcd.io')) {
    throw objectError('FLUX_KIND_IN_OUTPUT', object, 'is an object of Flux, which a render does not expand');
  }
}

function judge(object: BuiltObject, options: ObjectOptions, scopeOf: ScopeOf, warnings: Problem[]): Judged {
  const written = object.value as JsonObject & { readonly apiVersion: string; readonly kind: string; readonly metadata: JsonObject };
  const directed = readDirections(object, withCommon(tidy(object, written.metadata), options));
  const { value, metadata, fields } = stripServerFields(written, directed.metadata);
  const stripped = [...directed.stripped, ...fields];
  if (stripped.length > 0)
    warnings.push(about(object, 'FIELD_STRIPPED', `${stripped.join(', ')}: left out, as only the cluster or Drover sets them`));
  const fault =
    labelsFault(isObject(metadata['labels']) ? metadata['labels'] : {}) ??
    annotationsFault(isObject(metadata['annotations']) ? metadata['annotations'] : {});
  if (fault !== undefined) throw objectError('OBJECT_INVALID', object, fault);
  const placed = place(object, metadata, options, scopeOf, warnings);
  const whole = withData(object, { ...value, metadata: { ...placed, ...marks(placed, options.unit) } });
  const group = groupOf(written.apiVersion);
  const name = placed['name'] as string;
  const namespace = placed['namespace'] as string | undefined;
  const ref = namespace === undefined ? { group, kind: written.kind, name } : { group, kind: written.kind, namespace, name };
  return { object, ref, apiVersion: written.apiVersion, value: whole };
}

/** Metadata without what is null or empty and means absence. */
function tidy(object: BuiltObject, metadata: JsonObject): JsonObject {
  const { ownerReferences, labels, annotations } = metadata;
  if (isList(ownerReferences) && ownerReferences.length > 0) {
    throw objectError(
      'OBJECT_INVALID',
      object,
      'metadata.ownerReferences hold UIDs of one cluster, so a source cannot state them; remove them',
    );
  }
  for (const [field, part] of [
    ['labels', labels],
    ['annotations', annotations],
  ] as const) {
    if (part !== undefined && part !== null && !isObject(part))
      throw objectError('OBJECT_INVALID', object, `metadata.${field} must be a mapping`);
  }
  const absent = [
    'ownerReferences',
    'generateName',
    ...['labels', 'annotations', 'namespace'].filter((key) => metadata[key] === null || metadata[key] === ''),
  ];
  return without(metadata, absent);
}

function withCommon(metadata: JsonObject, { commonMetadata }: ObjectOptions): JsonObject {
  const { labels, annotations } = commonMetadata;
  const parts: Record<string, JsonObject> = {};
  if (Object.keys(labels).length > 0) parts['labels'] = { ...(metadata['labels'] as JsonObject | undefined), ...labels };
  if (Object.keys(annotations).length > 0)
    parts['annotations'] = { ...(metadata['annotations'] as JsonObject | undefined), ...annotations };
  return { ...metadata, ...parts };
}

/** Settles the namespace by the scope of the kind. */
function place(object: BuiltObject, metadata: JsonObject, options: ObjectOptions, scopeOf: ScopeOf, warnings: Problem[]): JsonObject {
  const { apiVersion, kind } = object.value as { readonly apiVersion: string; readonly kind: string };
  const group = groupOf(apiVersion);
  const scope = scopeOf(group, kind);
  const hasNamespace = metadata['namespace'] !== undefined;
  if (scope === 'Namespaced') return hasNamespace ? metadata : { ...metadata, namespace: options.targetNamespace ?? 'default' };
  if (scope === 'Cluster') {
    if (!hasNamespace) return metadata;
    if (object.engine === 'plain' || isLeftAloneByKustomize(group, kind)) {
      throw objectError('OBJECT_INVALID', object, `${kind} is cluster-scoped and cannot have metadata.namespace; remove it`);
    }
    warnings.push(
      about(
        object,
        'FIELD_STRIPPED',
        `metadata.namespace: left out, as ${kind} is cluster-scoped; kustomize writes it on kinds that it does not know`,
      ),
    );
    return without(metadata, ['namespace']);
  }
  if (!hasNamespace) {
    warnings.push(
      about(
        object,
        'SCOPE_UNKNOWN',
        `nobody knows yet whether ${kind} of ${group || 'the core group'} has namespaces; it is kept as written, without one`,
      ),
    );
  }
  return metadata;
}

function marks(metadata: JsonObject, unit: string): JsonObject {
  return {
    labels: { ...(metadata['labels'] as JsonObject | undefined), [MANAGED_LABEL]: 'true' },
    annotations: { ...(metadata['annotations'] as JsonObject | undefined), [UNIT_ANNOTATION]: unit },
  };
}

function withData(object: BuiltObject, value: JsonObject): JsonObject {
  const { apiVersion, kind } = value;
  if (apiVersion !== 'v1' || (kind !== 'Secret' && kind !== 'ConfigMap')) return value;
  const result = kind === 'Secret' ? normalSecret(value) : normalConfigMap(value);
  if ('fault' in result) throw objectError('OBJECT_INVALID', object, result.fault);
  return result.value;
}

function refuseDuplicates(judged: readonly Judged[]): void {
  const seen = new Map<string, Judged>();
  for (const one of judged) {
    const key = keyOf(one.ref);
    const first = seen.get(key);
    if (first === undefined) {
      seen.set(key, one);
      continue;
    }
    const versions = first.apiVersion === one.apiVersion ? '' : `, as ${first.apiVersion} and as ${one.apiVersion}`;
    const places = `${showPosition(first.object.position)} and ${showPosition(one.object.position)}`;
    const position = one.object.position;
    throw new DroverError(
      'OBJECT_DUPLICATE',
      showRef(one.ref),
      `is there twice: ${places}${versions}`,
      position === undefined ? {} : { position },
    );
  }
}

function render({ object, ref, apiVersion, value }: Judged): RenderedObject {
  let json: string;
  try {
    json = canonicalJson(value);
  } catch (thrown) {
    if (!(thrown instanceof TypeError)) throw thrown;
    throw objectError('OBJECT_INVALID', object, thrown.message);
  }
  const bytes = Buffer.byteLength(json);
  if (bytes > MAX_OBJECT_BYTES)
    throw objectError('OBJECT_TOO_LARGE', object, `has ${bytes} bytes, at most ${MAX_OBJECT_BYTES} are allowed`);
  const rendered = { key: keyOf(ref), apiVersion, digest: digestOf(json), json };
  return object.position === undefined ? rendered : { ...rendered, position: object.position };
}

function about(object: BuiltObject, code: Code, message: string): Problem {
  return warning(code, subjectOf(object.value), message, object);
}

function warning(code: Code, subject: string, message: string, object?: BuiltObject): Problem {
  const position = object?.position;
  return { code, subject, message, hint: FAILURES[code].hint, ...(position === undefined ? {} : { position }) };
}
