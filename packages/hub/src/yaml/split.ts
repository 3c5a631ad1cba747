/** Part of an input: from one line `---` to the next, the marker and the directives above it included. */
export interface Chunk {
  readonly text: string;
  /** Offset in the input. */
  readonly start: number;
}

/**
 * Cuts an input before each line that starts a document. YAML forbids such a line inside any scalar, so the cut never
 * goes through a document.
 *
 * @returns undefined when there would be more than `maxChunks`
 */
export function splitDocuments(text: string, maxChunks: number): readonly Chunk[] | undefined {
  const chunks: Chunk[] = [];
  let start = 0;
  for (let at = text.indexOf('---'); at >= 0; at = text.indexOf('---', at + 3)) {
    if (!startsLine(text, at) || !endsMarker(text.charCodeAt(at + 3))) continue;
    const cut = directivesAbove(text, start, at) ?? (text.charCodeAt(at - 1) === BOM ? at - 1 : at);
    if (cut <= start) continue;
    chunks.push({ text: text.slice(start, cut), start });
    if (chunks.length >= maxChunks) return undefined;
    start = cut;
  }
  chunks.push({ text: text.slice(start), start });
  return chunks;
}

const BOM = 0xfeff;

function startsLine(text: string, at: number): boolean {
  const before = text.charCodeAt(at - 1);
  // files that were joined may carry their byte order mark before the line
  return at === 0 || before === 10 || before === 13 || (before === BOM && startsLine(text, at - 1));
}

/** Space, tab, line break or the end of the text (NaN). */
function endsMarker(code: number): boolean {
  return code === 32 || code === 9 || code === 10 || code === 13 || Number.isNaN(code);
}

/** Where the directives start that belong to the marker at `end`; they stand at the top, or after a line `...`. */
function directivesAbove(text: string, start: number, end: number): number | undefined {
  const above = text.slice(start, end);
  if (!/^%/m.test(above)) return undefined;
  const marker = [...above.matchAll(/^(?:---|\.\.\.)(?=\s|$)/gm)].at(-1);
  if (marker?.[0] === '---') return undefined;
  const tail = marker === undefined ? 0 : marker.index + 3;
  return /(?:\s|#.*$)*%/my.test(above.slice(tail)) ? start + tail : undefined;
}
