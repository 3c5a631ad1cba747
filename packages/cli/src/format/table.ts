import { clean, cut, widthOf, wrap } from './clean.ts';
import type { Paint, Style } from './paint.ts';

/** A cell: its text, and how it is meant. */
export type Cell = string | { readonly text: string; readonly style: Style | undefined };

export interface Column<T> {
  readonly title: string;
  readonly cell: (row: T) => Cell;
  readonly align?: 'left' | 'right';
  /** Gives way where the table is too wide; without one the last column does. */
  readonly flexible?: boolean;
  readonly minWidth?: number;
  /** The last column: goes on below instead of being cut. */
  readonly wraps?: boolean;
  /** Only with `-o wide`. */
  readonly wide?: boolean;
}

export interface TableOptions {
  /** Columns of the terminal; Infinity cuts nothing. */
  readonly width: number;
  readonly wide: boolean;
  readonly paint: Paint;
}

const GAP = 2;
/** A column that gives way keeps so much. */
const MIN_FLEXIBLE = 8;

/** A table without lines: titles, then rows, each at most `width` columns. */
export function table<T>(columns: readonly Column<T>[], rows: readonly T[], options: TableOptions): string {
  const shown = columns.filter((column) => options.wide || column.wide !== true);
  const cells = rows.map((row) => shown.map((column) => read(column.cell(row))));
  const widths = shown.map((column, index) =>
    Math.max(widthOf(column.title), column.minWidth ?? 0, ...cells.map((row) => widthOf(row[index]?.text ?? ''))),
  );
  if (!options.wide) squeeze(shown, widths, options.width);
  const indent = ' '.repeat(widths.slice(0, -1).reduce((all, some) => all + some + GAP, 0));
  const line = (parts: readonly Text[]): string => {
    const [below, ...rest] = shown.at(-1)?.wraps === true ? wrap(parts.at(-1)?.text ?? '', widths.at(-1) ?? 0) : [];
    const first = below === undefined ? parts : [...parts.slice(0, -1), { text: below, style: parts.at(-1)?.style }];
    const drawn = first.map(({ text, style }, index) => {
      const width = widths[index] ?? 0;
      const short = cut(text, width);
      const space = ' '.repeat(Math.max(0, width - widthOf(short)));
      const painted = options.paint(short, style);
      return shown[index]?.align === 'right' ? space + painted : painted + space;
    });
    return [drawn.join(' '.repeat(GAP)).trimEnd(), ...rest.map((text) => indent + cut(text, widths.at(-1) ?? 0))].join('\n');
  };
  const titles = shown.map((column): Text => ({ text: column.title, style: 'dim' }));
  return [titles, ...cells].map(line).join('\n');
}

interface Text {
  readonly text: string;
  readonly style: Style | undefined;
}

function read(cell: Cell): Text {
  return typeof cell === 'string' ? { text: clean(cell), style: undefined } : { text: clean(cell.text), style: cell.style };
}

/** Narrows the flexible columns, the widest first, until the table fits. */
function squeeze(columns: readonly Column<never>[], widths: number[], width: number): void {
  const flexible = columns.flatMap((column, index) => (column.flexible === true ? [index] : []));
  if (flexible.length === 0) flexible.push(columns.length - 1);
  let over = widths.reduce((all, some) => all + some, 0) + GAP * (widths.length - 1) - width;
  while (over > 0) {
    const widest = flexible.reduce((a, b) => ((widths[a] ?? 0) >= (widths[b] ?? 0) ? a : b));
    const current = widths[widest] ?? 0;
    if (current <= MIN_FLEXIBLE) return;
    widths[widest] = current - 1;
    over--;
  }
}
