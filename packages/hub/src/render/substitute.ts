import type { Json, JsonObject } from '@drover/contract';
import { DroverError } from '@drover/contract';
import { readDocuments } from '#yaml/read.ts';
import type { BuiltObject } from './built.ts';
import { objectError } from './built.ts';
import type { Lookup } from './expression.ts';
import { evaluate, ExpressionError } from './expression.ts';
import { isList, isObject } from './json.ts';
import { isWrittenPlain } from './plain-scalar.ts';

/**
 * Replaces the variables of one object, in its values and keys, with Flux's effect: what YAML writes without quotes is
 * read anew afterwards, so that `${replicas}` becomes a number and `${list}` may become a list.
 *
 * @throws DroverError SUBSTITUTE_INVALID, and what `lookup` throws
 */
export function substituteObject(object: BuiltObject, lookup: Lookup): BuiltObject {
  const value = inValue(object, object.value, lookup, '');
  return value === object.value ? object : { ...object, value: value as JsonObject };
}

function inValue(object: BuiltObject, value: Json, lookup: Lookup, path: string): Json {
  if (typeof value === 'string') return value.includes('$') ? inText(object, value, lookup, path) : value;
  if (isList(value)) {
    const items = value.map((item, index) => inValue(object, item, lookup, `${path}[${index}]`));
    return items.every((item, index) => item === value[index]) ? value : items;
  }
  if (!isObject(value)) return value;
  let changed = false;
  const entries = new Map<string, Json>();
  for (const [key, item] of Object.entries(value)) {
    const at = path === '' ? key : `${path}.${key}`;
    const newKey = key.includes('$') ? guarded(object, at, () => evaluate(key, lookup)) : key;
    const newItem = inValue(object, item, lookup, at);
    if (entries.has(newKey))
      throw objectError('SUBSTITUTE_INVALID', object, `${at}: its key becomes ${JSON.stringify(newKey)}, which is there already`);
    if (newKey !== key || newItem !== item) changed = true;
    entries.set(newKey, newItem);
  }
  return changed ? Object.fromEntries(entries) : value;
}

function inText(object: BuiltObject, text: string, lookup: Lookup, path: string): Json {
  const result = guarded(object, path, () => evaluate(text, lookup));
  return result === text || !isWrittenPlain(text) ? result : readAnew(object, result, path);
}

/** What a reader of YAML makes of a text that stands where a plain scalar stood. */
function readAnew(object: BuiltObject, text: string, path: string): Json {
  try {
    const [document, second] = readDocuments(`v: ${text}`, { file: path }).documents;
    if (document !== undefined && second === undefined && isObject(document.value)) {
      const { v, ...others } = document.value;
      if (v !== undefined && Object.keys(others).length === 0) return v;
    }
  } catch (thrown) {
    if (!(thrown instanceof DroverError)) throw thrown;
  }
  throw objectError(
    'SUBSTITUTE_INVALID',
    object,
    `${path}: with its variables replaced it reads as no YAML; put quotes into the value or the default`,
  );
}

function guarded<T>(object: BuiltObject, path: string, run: () => T): T {
  try {
    return run();
  } catch (thrown) {
    if (thrown instanceof ExpressionError) throw objectError('SUBSTITUTE_INVALID', object, `${path}: ${thrown.message}`);
    if (thrown instanceof MissingVariable) {
      throw objectError('SUBSTITUTE_MISSING', object, `${path}: variable ${thrown.variable} is not defined and has no default`);
    }
    throw thrown;
  }
}

/** Thrown by a lookup for a variable that nobody defined. */
export class MissingVariable extends Error {
  override readonly name = 'MissingVariable';
  readonly variable: string;

  constructor(variable: string) {
    super(`variable ${variable} is not defined`);
    this.variable = variable;
  }
}
