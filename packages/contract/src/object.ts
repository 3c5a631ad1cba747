/**
 * Identity of Kubernetes objects. An object is group, kind, namespace, name; the version is how it is spoken of, not
 * what it is. Objects stay untyped (`KubeObject`): a field we do not know passes through untouched.
 */
export type Json = null | boolean | number | bigint | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly [key: string]: unknown;
  };
  readonly [key: string]: unknown;
}

/** Identity; `namespace` is absent for cluster-scoped objects. */
export interface ObjectRef {
  /** API group, `''` for the core group. */
  readonly group: string;
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
}

/** Identity in one string: `group/Kind/namespace/name`, with empty parts kept: `/ConfigMap/shop/web`. */
export type ObjectKey = string;

export function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf('/');
  return slash < 0 ? '' : apiVersion.slice(0, slash);
}

export function versionOf(apiVersion: string): string {
  return apiVersion.slice(apiVersion.indexOf('/') + 1);
}

export function refOf(object: KubeObject): ObjectRef {
  const { name, namespace } = object.metadata;
  const group = groupOf(object.apiVersion);
  return namespace === undefined ? { group, kind: object.kind, name } : { group, kind: object.kind, namespace, name };
}

export function keyOf(ref: ObjectRef): ObjectKey {
  return `${ref.group}/${ref.kind}/${ref.namespace ?? ''}/${ref.name}`;
}

export function parseKey(key: ObjectKey): ObjectRef {
  const [group = '', kind = '', namespace = '', ...name] = key.split('/');
  return namespace === '' ? { group, kind, name: name.join('/') } : { group, kind, namespace, name: name.join('/') };
}

/** As people write it: `Deployment shop/web`, `Namespace shop`; the group only where it tells two kinds apart. */
export function showRef(ref: ObjectRef): string {
  return ref.namespace === undefined ? `${ref.kind} ${ref.name}` : `${ref.kind} ${ref.namespace}/${ref.name}`;
}

/** A Delivery's name with its namespace, as in the annotation `drover.dev/unit`: `drover/shop`. */
export type UnitName = string;

export const DEFAULT_NAMESPACE = 'drover';

export function unitName(namespace: string, delivery: string): UnitName {
  return `${namespace}/${delivery}`;
}

export function parseUnitName(name: UnitName): { readonly namespace: string; readonly delivery: string } {
  const slash = name.indexOf('/');
  return { namespace: name.slice(0, slash), delivery: name.slice(slash + 1) };
}

/** `shop@prod-eu`, or `team-a/shop@prod-eu` outside the default namespace. */
export function showUnit(name: UnitName, cluster: string): string {
  const { namespace, delivery } = parseUnitName(name);
  return namespace === DEFAULT_NAMESPACE ? `${delivery}@${cluster}` : `${name}@${cluster}`;
}

/** Parses what {@link showUnit} writes; undefined when it is no unit. */
export function parseUnit(text: string): { readonly namespace: string; readonly delivery: string; readonly cluster: string } | undefined {
  const match = /^(?:([a-z0-9][a-z0-9.-]*)\/)?([a-z0-9][a-z0-9.-]*)@([A-Za-z0-9][A-Za-z0-9._-]*)$/.exec(text);
  if (match === null) return undefined;
  const [, namespace = DEFAULT_NAMESPACE, delivery = '', cluster = ''] = match;
  return { namespace, delivery, cluster };
}

/** Marks of ownership, on every object that Drover applies (never a revision: an unchanged object stays byte for byte). */
export const MANAGED_LABEL = 'drover.dev/managed';
export const UNIT_ANNOTATION = 'drover.dev/unit';
export const PRUNE_ANNOTATION = 'drover.dev/prune';
/** Field manager of server-side apply. */
export const FIELD_MANAGER = 'drover';
export const AGENT_NAMESPACE = 'drover-system';
