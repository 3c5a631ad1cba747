import type { Json } from '@drover/contract';
import { KINDS } from './kinds.ts';
import type { Kind } from './kinds.ts';
import { HOLDS, LEADING_SLASH, NOT_YET, NOT_YET_VALUES, TEXT_KIND } from './schema/fields.ts';
import { oneOf } from './validate.ts';

/** A schema as it is published: `$schema`, `$id` and plain JSON Schema. */
export type PublishedSchema = Readonly<Record<string, Json>>;

/** The published JSON Schema of every kind, by `<kind>.<group>`: `delivery.drover.dev`. */
export function jsonSchemas(): Readonly<Record<string, PublishedSchema>> {
  return Object.fromEntries(
    KINDS.map(({ group, kind, schema }) => {
      const id = `${kind.toLowerCase()}.${group}`;
      const published = publish(schema) as PublishedSchema;
      return [
        id,
        {
          $schema: 'https://json-schema.org/draft/2020-12/schema',
          $id: `https://drover.dev/schemas/${id}.json`,
          title: kind,
          ...published,
        },
      ];
    }),
  );
}

const OURS = new Set([NOT_YET, HOLDS, NOT_YET_VALUES, LEADING_SLASH]);

/** Without our own words; what is not implemented says so in its description, and allows what would hold without it. */
function publish(schema: unknown): Json {
  if (Array.isArray(schema)) return schema.map(publish);
  if (typeof schema !== 'object' || schema === null) return schema as Json;
  const given = schema as Record<string, unknown>;
  const published: Record<string, Json> = {};
  for (const [key, value] of Object.entries(given))
    if (!OURS.has(key) && !key.startsWith('~')) published[key === TEXT_KIND ? 'format' : key] = publish(value);
  const holds = given[HOLDS];
  if (Array.isArray(holds)) published['enum'] = [...holds.map(publish), null];
  return published;
}

/** One field as `drover explain delivery.spec.deletes` shows it. */
export interface Explained {
  /** As it is written: `delivery.spec.deletes`. */
  readonly field: string;
  /** `text`, `duration`, `true or false`, `Follow or Hold`, `list of mappings`, … */
  readonly type: string;
  readonly description: string;
  readonly default?: Json;
  readonly required: boolean;
  readonly implemented: boolean;
  readonly fields: readonly { readonly name: string; readonly type: string; readonly description: string; readonly implemented: boolean }[];
}

/**
 * Explains a field of a kind of drover.dev, or of Flux by `kustomization` and `gitrepository.source.toolkit.fluxcd.io`.
 *
 * @param path `delivery.spec.deletes`; items of lists without an index
 * @returns undefined when there is no such field
 */
export function explainField(path: string): Explained | undefined {
  const lower = `${path.toLowerCase()}.`;
  const idOf = ({ kind, group }: Kind): string => `${kind}.${group}.`.toLowerCase();
  const byGroup = KINDS.find((known) => lower.startsWith(idOf(known)));
  const found = byGroup ?? KINDS.find(({ kind }) => lower.startsWith(`${kind.toLowerCase()}.`));
  if (found === undefined) return undefined;
  const prefix = byGroup === undefined ? found.kind.length : idOf(found).length - 1;
  const steps = path
    .slice(prefix)
    .split('.')
    .filter((step) => step !== '');
  let schema: Described = found.schema;
  let required = true;
  const written = [found.kind.toLowerCase()];
  for (const step of steps) {
    const holder: Described = schema.items ?? schema;
    const name = Object.keys(holder.properties ?? {}).find((key) => key.toLowerCase() === step.toLowerCase());
    const next = name === undefined ? undefined : holder.properties?.[name];
    if (name === undefined || next === undefined) return undefined;
    required = holder.required?.includes(name) === true;
    schema = next;
    written.push(name);
  }
  const inner: Described = schema.items ?? schema;
  return {
    field: written.join('.'),
    type: typeOf(schema),
    description: schema.description ?? '',
    ...(schema.default === undefined ? {} : { default: schema.default }),
    required,
    implemented: schema[NOT_YET] !== true,
    fields: Object.entries(inner.properties ?? {}).map(([name, field]) => ({
      name,
      type: typeOf(field),
      description: field.description ?? '',
      implemented: field[NOT_YET] !== true,
    })),
  };
}

interface Described {
  readonly type?: string;
  readonly const?: string;
  readonly enum?: readonly string[];
  readonly description?: string;
  readonly default?: Json;
  readonly properties?: Readonly<Record<string, Described>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: unknown;
  readonly items?: Described;
  readonly [NOT_YET]?: true;
  readonly [TEXT_KIND]?: string;
}

function typeOf(schema: Described): string {
  if (schema[NOT_YET] === true) return 'not implemented yet';
  if (schema.const !== undefined) return schema.const;
  if (schema.enum !== undefined) return oneOf(schema.enum);
  switch (schema.type) {
    case 'boolean':
      return 'true or false';
    case 'array':
      return `list of ${schema.items?.properties === undefined ? 'texts' : 'mappings'}`;
    case 'object':
      return schema.properties === undefined ? 'mapping of texts' : 'mapping';
    default:
      return schema[TEXT_KIND] ?? 'text';
  }
}
