import type { Code, Json, JsonObject, Position } from '@drover/contract';
import { DroverError } from '@drover/contract';
import { isList, isObject } from './json.ts';

/** An object as an engine gave it, before Drover judges it. */
export interface Built {
  readonly value: Json;
  /** Where it was written, where that is known. */
  readonly position: Position | undefined;
  /** The engine that gave it. */
  readonly engine: 'kustomize' | 'plain';
}

export interface BuiltObject extends Built {
  readonly value: JsonObject;
}

/** How an object is spoken of before its identity is known to be complete. */
export function subjectOf(value: JsonObject): string {
  const { kind, metadata } = value;
  const { name, namespace } = isObject(metadata) ? metadata : {};
  const shown =
    typeof name === 'string' ? (typeof namespace === 'string' && namespace !== '' ? `${namespace}/${name}` : name) : '(without name)';
  return `${typeof kind === 'string' ? kind : 'object'} ${shown}`;
}

export function objectError(code: Code, object: BuiltObject, what: string): DroverError {
  return new DroverError(code, subjectOf(object.value), what, object.position === undefined ? {} : { position: object.position });
}

export function showPosition(position: Position | undefined): string {
  if (position === undefined) return 'a generated object';
  return position.line === undefined ? position.file : `${position.file}:${position.line}`;
}

const MAX_LIST_DEPTH = 8;

/**
 * Takes lists apart, nested ones too, in order.
 *
 * @throws DroverError OBJECT_INVALID for what is no mapping
 */
export function flattenLists(built: readonly Built[], depth = 0): readonly BuiltObject[] {
  return built.flatMap((one) => {
    const { value, position } = one;
    if (!isObject(value)) {
      const file = position?.file ?? 'the output';
      throw new DroverError(
        'OBJECT_INVALID',
        file,
        'a document is no mapping, so no Kubernetes object',
        position === undefined ? {} : { position },
      );
    }
    const object = { ...one, value };
    const items = itemsOf(value);
    if (items === undefined) return [object];
    if (depth >= MAX_LIST_DEPTH) throw objectError('OBJECT_INVALID', object, `lists lie in each other more than ${MAX_LIST_DEPTH} deep`);
    return flattenLists(
      items.map((item) => ({ ...one, value: item })),
      depth + 1,
    );
  });
}

/** Items of a `List`, or of a typed list as `ConfigMapList`, whose items need not repeat their kind. */
function itemsOf(value: JsonObject): readonly Json[] | undefined {
  const { apiVersion, kind, items, metadata } = value;
  if (typeof kind !== 'string' || !kind.endsWith('List') || (isObject(metadata) && typeof metadata['name'] === 'string')) return undefined;
  if (items === null || items === undefined) return kind === 'List' ? [] : undefined;
  if (!isList(items)) return undefined;
  if (kind === 'List' || typeof apiVersion !== 'string') return items;
  return items.map((item) => (isObject(item) ? { apiVersion, kind: kind.slice(0, -'List'.length), ...item } : item));
}
