import type { Position } from '@drover/contract';
import type { SnippetRow } from '../rows.ts';

const LINES_BEFORE = 2;
const MAX_LINE = 200;
const MAX_FILE = 256 * 1024;
/** A file that may hold secret values is not quoted: what is wrong in it is told by name and line alone. */
const MAY_HOLD_SECRETS = /\bkind["']?\s*:\s*["']?Secret\b|secretGenerator|stringData|password|passwd|private.?key|token|BEGIN [A-Z ]+KEY/i;

/** The lines that lead up to a position; undefined where there is nothing to quote, or it may be secret. */
export function snippetOf(text: string, position: Position): SnippetRow | undefined {
  if (position.line === undefined || text.length > MAX_FILE || !/\.(ya?ml|json)$/i.test(position.file)) return undefined;
  if (MAY_HOLD_SECRETS.test(text)) return undefined;
  const lines = text.split(/\r?\n/);
  if (position.line > lines.length) return undefined;
  const first = Math.max(1, position.line - LINES_BEFORE);
  return { file: position.file, first, lines: lines.slice(first - 1, position.line).map((line) => line.slice(0, MAX_LINE)) };
}
