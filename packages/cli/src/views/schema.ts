import type { explainField } from '@drover/hub/config';
import { wrap } from '../format/clean.ts';
import { table } from '../format/table.ts';
import type { ViewOptions } from './status.ts';

type Explained = NonNullable<ReturnType<typeof explainField>>;

/** A field of the configuration: its type, default, meaning and fields. */
export function schemaView(field: Explained, options: ViewOptions): string {
  const lines = [
    `${options.paint(field.field, 'strong')}  ${field.type}${field.required ? ', required' : ''}${field.implemented ? '' : '; not implemented yet'}`,
  ];
  if (field.default !== undefined) lines.push(`default  ${JSON.stringify(field.default)}`);
  if (field.description !== '') lines.push('', ...wrap(field.description, options.width));
  if (field.fields.length > 0) {
    const columns = [
      { title: 'FIELD', cell: (row: Explained['fields'][number]) => row.name },
      { title: 'TYPE', cell: (row: Explained['fields'][number]) => row.type },
      { title: 'MEANING', cell: (row: Explained['fields'][number]) => row.description, flexible: true },
    ];
    lines.push('', table(columns, field.fields, options));
    lines.push('', `drover explain ${field.field}.<field>`);
  }
  return `${lines.join('\n')}\n`;
}
