// The documents say of configuration what the schemas say: every field that is read, every field that is refused.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { KINDS, LATER_KINDS } from '../packages/hub/src/config/kinds.ts';
import { HOLDS, NOT_YET, NOT_YET_VALUES, TEXT_KIND } from '../packages/hub/src/config/schema/fields.ts';

interface Schema {
  readonly type?: string;
  readonly const?: string;
  readonly enum?: readonly string[];
  readonly description?: string;
  readonly default?: string | boolean | readonly unknown[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly [NOT_YET]?: true;
  readonly [HOLDS]?: readonly unknown[];
  readonly [NOT_YET_VALUES]?: readonly string[];
  readonly [TEXT_KIND]?: string;
}

interface Field {
  readonly path: string;
  readonly schema: Schema;
  readonly required: boolean;
}

/** All fields below a schema, outermost first; lists by `[]`. */
function* fieldsBelow(schema: Schema, prefix = ''): Generator<Field> {
  const holder = schema.items ?? schema;
  for (const [name, field] of Object.entries(holder.properties ?? {})) {
    const path = `${prefix}${name}`;
    yield { path, schema: field, required: holder.required?.includes(name) === true };
    if (field[NOT_YET] !== true) yield* fieldsBelow(field, `${path}${field.items?.properties === undefined ? '' : '[]'}.`);
  }
}

const code = (text: string): string => `\`${text}\``;

function typeOf(schema: Schema): string {
  if (schema.enum !== undefined) return schema.enum.map(code).join(', ');
  if (schema.type === 'boolean') return '`true`, `false`';
  if (schema.type === 'array') return schema.items?.properties === undefined ? 'texts' : 'list';
  if (schema.type === 'object') return schema.properties === undefined ? 'texts by key' : 'mapping';
  return schema[TEXT_KIND] ?? 'text';
}

/** The table of `spec` in docs/spec/configuration.md. */
function fieldTable(kind: (typeof KINDS)[number]): string {
  const { spec } = (kind.schema as Schema).properties ?? {};
  const rows = [...fieldsBelow(spec ?? {})]
    .filter(({ schema }) => schema[NOT_YET] !== true)
    .map(({ path, schema, required }) => {
      const { default: byDefault = '' } = schema;
      const note = required ? 'required' : byDefault === '' || typeof byDefault === 'object' ? '' : code(`${byDefault}`);
      return `| ${code(path)} | ${typeOf(schema)} | ${note} | ${schema.description ?? ''} |`;
    });
  return ['| Field | Type | Default | |', '|---|---|---|---|', ...rows].join('\n');
}

/** One line a kind in CHANGELOG.md: fields, each with what is accepted in it all the same, and values of choices. */
function refusedLine(kind: (typeof KINDS)[number]): string {
  const refused = [...fieldsBelow(kind.schema as Schema)].flatMap(({ path, schema }) => {
    if (path === 'status' || path === 'metadata.creationTimestamp') return [];
    const held = (schema[HOLDS] ?? []).map((value) => code(JSON.stringify(value)));
    if (schema[NOT_YET] === true) return [code(path) + (held.length === 0 ? '' : ` (but ${held.join(', ')})`)];
    const values = schema[NOT_YET_VALUES] ?? [];
    return values.length === 0 ? [] : [`${code(path)}: ${values.map(code).join(', ')}`];
  });
  return `- ${kind.kind} (${kind.group}): ${refused.join('; ')}`;
}

/** What stands between `<!-- name -->` and `<!-- end -->`. */
async function block(file: string, name: string): Promise<string> {
  const text = await readFile(new URL(`../${file}`, import.meta.url), 'utf8');
  const start = text.indexOf(`<!-- ${name} -->`);
  const end = text.indexOf('<!-- end -->', start);
  assert.ok(start >= 0 && end > start, `${file} has no block <!-- ${name} --> … <!-- end -->`);
  return text.slice(text.indexOf('\n', start), end).trim();
}

for (const kind of KINDS.filter(({ group }) => group === 'drover.dev')) {
  test(`docs/spec/configuration.md lists every field of ${kind.kind} that is read`, async () => {
    assert.equal(await block('docs/spec/configuration.md', `fields of ${kind.kind}`), fieldTable(kind));
  });
}

test('CHANGELOG.md names every field, value and kind that is refused by FIELD_NOT_YET', async () => {
  assert.equal(await block('CHANGELOG.md', 'refused fields'), KINDS.map(refusedLine).join('\n'));
  assert.equal(await block('CHANGELOG.md', 'refused kinds'), [...LATER_KINDS].map(code).join(', '));
});
