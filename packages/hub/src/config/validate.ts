import type { Code, Json, JsonObject } from '@drover/contract';
import { canonicalJson } from '@drover/contract';
import { Check } from 'typebox/value';
import type { Static, TSchema } from 'typebox';
import type { NodePath } from '#yaml/locate.ts';
import { nearest } from './nearest.ts';
import { HOLDS, LEADING_SLASH, NOT_YET, NOT_YET_VALUES, TEXT_KIND } from './schema/fields.ts';
import type { TextKind } from './schema/fields.ts';
import { TEXT_KINDS } from './text-kinds.ts';

/** One fault of a document. */
export interface Issue {
  readonly code: Code;
  readonly path: NodePath;
  /** Whether the key of the path is at fault, or its value. */
  readonly at: 'key' | 'value';
  readonly message: string;
}

/** The part of JSON Schema that our schemas use. */
interface Schema {
  readonly type?: 'object' | 'array' | 'string' | 'boolean' | 'number' | 'integer';
  readonly const?: string;
  readonly enum?: readonly string[];
  readonly default?: Json;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly propertyNames?: Schema;
  readonly items?: Schema;
  readonly [NOT_YET]?: true;
  readonly [HOLDS]?: readonly unknown[];
  readonly [NOT_YET_VALUES]?: readonly string[];
  readonly [TEXT_KIND]?: TextKind;
  readonly [LEADING_SLASH]?: true;
}

/** Known fields are listed up to as many. */
const MAX_LISTED = 8;

interface Work {
  readonly issues: Issue[];
  readonly textOf: (path: NodePath) => string | undefined;
}

/**
 * Judges a document by the schema of its kind: fills in defaults, takes null for absent, sets the capitals of choices
 * right, leaves out what is accepted without effect.
 *
 * @param textOf a scalar as its author wrote it, for messages
 * @returns `value` only when there is no issue
 */
export function validate<S extends TSchema>(
  schema: S,
  value: Json,
  textOf: (path: NodePath) => string | undefined,
): { readonly value: Static<S> | undefined; readonly issues: readonly Issue[] } {
  const work: Work = { issues: [], textOf };
  const judged = judge(work, schema as Schema, value, []);
  if (work.issues.length > 0) return { value: undefined, issues: work.issues };
  if (!Check(schema, judged)) return { value: undefined, issues: [issue('CONFIG_INVALID', [], 'value', 'does not fit its schema')] };
  return { value: judged, issues: [] };
}

function judge(work: Work, schema: Schema, value: Json | undefined, path: NodePath): Json | undefined {
  if (schema[NOT_YET] === true) return judgeNotYet(work, schema, value, path);
  if (value === undefined || value === null) return schema.default;
  if (schema.const !== undefined) {
    if (value !== schema.const) work.issues.push(issue('CONFIG_INVALID', path, 'value', `must be ${schema.const}`));
    return value;
  }
  switch (schema.type) {
    case 'object':
      return judgeObject(work, schema, value, path);
    case 'array':
      return judgeArray(work, schema, value, path);
    case 'boolean':
      if (typeof value !== 'boolean') work.issues.push(issue('CONFIG_INVALID', path, 'value', 'must be true or false, without quotes'));
      return value;
    default:
      return judgeText(work, schema, value, path);
  }
}

function judgeNotYet(work: Work, schema: Schema, value: Json | undefined, path: NodePath): undefined {
  const holds = schema[HOLDS] ?? [];
  if (value === undefined || value === null || holds.some((held) => sameContent(value, held))) return undefined;
  const instead = holds.length === 0 ? '' : `, or write ${canonicalJson(holds[0])}`;
  work.issues.push(issue('FIELD_NOT_YET', path, 'key', `is not implemented yet; remove it${instead}`));
  return undefined;
}

/** Equal as JSON; lists in any order. */
function sameContent(value: unknown, held: unknown): boolean {
  const sorted = (list: unknown): unknown => (Array.isArray(list) ? list.map((item) => canonicalJson(item)).sort() : list);
  return canonicalJson(sorted(value)) === canonicalJson(sorted(held));
}

function judgeObject(work: Work, schema: Schema, value: Json, path: NodePath): Json | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    work.issues.push(issue('CONFIG_INVALID', path, 'value', 'must be a mapping'));
    return undefined;
  }
  const given = value as JsonObject;
  if (schema.properties === undefined) return judgeRecord(work, schema, given, path);
  const { properties, required = [] } = schema;
  const known = Object.keys(properties).filter((name) => properties[name]?.[NOT_YET] !== true);
  for (const key of Object.keys(given)) {
    if (Object.hasOwn(properties, key)) continue;
    const meant = nearest(key, known);
    const hint = meant !== undefined ? `; did you mean ${meant}?` : known.length <= MAX_LISTED ? `; known are ${known.join(', ')}` : '';
    work.issues.push(issue('FIELD_UNKNOWN', [...path, key], 'key', `is no field${hint}`));
  }
  const judged: Record<string, Json> = {};
  for (const [key, property] of Object.entries(properties)) {
    const before = work.issues.length;
    const item = judge(work, property, Object.hasOwn(given, key) ? given[key] : undefined, [...path, key]);
    if (item !== undefined) judged[key] = item;
    else if (required.includes(key) && work.issues.length === before)
      work.issues.push(issue('CONFIG_INVALID', [...path, key], 'value', 'is missing'));
  }
  return judged;
}

function judgeRecord(work: Work, schema: Schema, given: JsonObject, path: NodePath): Json {
  const judged: Record<string, Json> = {};
  const { propertyNames, additionalProperties } = schema;
  for (const [key, item] of Object.entries(given)) {
    const kind = propertyNames?.[TEXT_KIND];
    const wrong = kind === undefined ? undefined : TEXT_KINDS[kind](key);
    if (wrong !== undefined) work.issues.push(issue('CONFIG_INVALID', [...path, key], 'key', `: the key ${wrong}`));
    const value = typeof additionalProperties === 'object' ? judgeText(work, additionalProperties, item, [...path, key]) : item;
    if (value !== undefined) Object.defineProperty(judged, key, { value, enumerable: true, configurable: true, writable: true });
  }
  return judged;
}

function judgeArray(work: Work, schema: Schema, value: Json, path: NodePath): Json | undefined {
  if (!Array.isArray(value)) {
    work.issues.push(issue('CONFIG_INVALID', path, 'value', 'must be a list'));
    return undefined;
  }
  const judged: Json[] = [];
  for (const [index, item] of (value as readonly Json[]).entries()) {
    const before = work.issues.length;
    const kept = judge(work, schema.items ?? {}, item, [...path, index]);
    if (kept !== undefined) judged.push(kept);
    else if (work.issues.length === before) work.issues.push(issue('CONFIG_INVALID', [...path, index], 'value', 'is empty'));
  }
  return judged;
}

function judgeText(work: Work, schema: Schema, value: Json, path: NodePath): Json | undefined {
  if (typeof value !== 'string') {
    work.issues.push(issue('CONFIG_INVALID', path, 'value', `must be text${suggestion(work, schema, value, path)}`));
    return undefined;
  }
  if (schema.enum !== undefined) return judgeChoice(work, schema, schema.enum, value, path);
  const kind = schema[TEXT_KIND];
  const judged = schema[LEADING_SLASH] === true ? value.replace(/^\/+/, '') : value;
  const wrong = kind === undefined ? undefined : TEXT_KINDS[kind](judged);
  if (wrong !== undefined)
    work.issues.push(issue(wrong.endsWith('not implemented yet') ? 'FIELD_NOT_YET' : 'CONFIG_INVALID', path, 'value', wrong));
  return judged;
}

function judgeChoice(work: Work, schema: Schema, choices: readonly string[], value: string, path: NodePath): Json | undefined {
  const chosen = choices.find((choice) => choice === value) ?? choices.find((choice) => choice.toLowerCase() === value.toLowerCase());
  if (chosen !== undefined) return chosen;
  if (schema[NOT_YET_VALUES]?.some((later) => later.toLowerCase() === value.toLowerCase()) === true) {
    work.issues.push(issue('FIELD_NOT_YET', path, 'value', `${value} is not implemented yet; write ${oneOf(choices)}`));
    return undefined;
  }
  const meant = nearest(value, choices);
  const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
  work.issues.push(issue('CONFIG_INVALID', path, 'value', `must be ${oneOf(choices)}${hint}`));
  return undefined;
}

/** `; write "NO"`: what the author wrote, in quotes; YAML had read it as something else. */
function suggestion(work: Work, schema: Schema, value: Json, path: NodePath): string {
  if (schema[TEXT_KIND] === 'duration')
    return typeof value === 'number' ? `; write "${value}s" for ${value} seconds` : '; write 90s, 1m or 1h30m';
  if (typeof value === 'object' && value !== null) return '';
  const written = work.textOf(path) ?? (value === null ? '' : String(value));
  return `; write ${JSON.stringify(written)}`;
}

/** `a, b or c` */
export function oneOf(choices: readonly string[]): string {
  return choices.length < 2 ? choices.join('') : `${choices.slice(0, -1).join(', ')} or ${choices.at(-1) ?? ''}`;
}

function issue(code: Code, path: NodePath, at: Issue['at'], message: string): Issue {
  return { code, path, at, message };
}

/** `spec.stages[0].name`; a key that holds other characters in quotes. */
export function showPath(path: NodePath): string {
  return path
    .map((step, index) => {
      if (typeof step === 'number') return `[${step}]`;
      const plain = /^[A-Za-z0-9_-]+$/.test(step);
      return plain ? (index === 0 ? step : `.${step}`) : `[${JSON.stringify(step)}]`;
    })
    .join('');
}
