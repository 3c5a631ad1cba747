import type { Context } from './context.ts';
import type { Column } from './format/table.ts';
import { table } from './format/table.ts';
import { toYaml } from './format/yaml.ts';
import type { ViewOptions } from './views/status.ts';

export const FORMATS = ['table', 'wide', 'json', 'yaml', 'name'] as const;
export type Format = (typeof FORMATS)[number];

const DEFAULT_WIDTH = 100;
const MIN_WIDTH = 80;

/** How wide a text may be: as the terminal, else 100 columns. */
export function viewOptions(context: Pick<Context, 'columns' | 'paint'>, format: Format): ViewOptions {
  return { width: Math.max(MIN_WIDTH, context.columns ?? DEFAULT_WIDTH), wide: format === 'wide', paint: context.paint };
}

/** A list in the format that was asked for. */
export function showList<T>(
  list: { readonly items: readonly T[]; readonly total: number },
  format: Format,
  how: { readonly columns: readonly Column<T>[]; readonly name: (row: T) => string; readonly empty: string },
  options: ViewOptions,
): string {
  switch (format) {
    case 'json':
      return `${JSON.stringify(list, null, 2)}\n`;
    case 'yaml':
      return toYaml(list);
    case 'name':
      return list.items.map((row) => `${how.name(row)}\n`).join('');
    default: {
      if (list.items.length === 0) return `${how.empty}\n`;
      const more = list.total > list.items.length ? `\n${list.total - list.items.length} more` : '';
      return `${table(how.columns, list.items, options)}${more}\n`;
    }
  }
}

/** One thing in the format that was asked for. */
export function showOne<T>(
  value: T,
  format: Format,
  how: { readonly name: (value: T) => string; readonly text: (value: T) => string },
): string {
  switch (format) {
    case 'json':
      return `${JSON.stringify(value, null, 2)}\n`;
    case 'yaml':
      return toYaml(value);
    case 'name':
      return `${how.name(value)}\n`;
    default:
      return how.text(value);
  }
}
