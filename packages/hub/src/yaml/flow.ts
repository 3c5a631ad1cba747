import { parseEvents, YAMLException } from 'js-yaml';
import type { Event } from 'js-yaml';
import { YamlFault } from './fault.ts';

/** Events of one text, which may have been padded; `origin` turns an offset of it into one of the text as written. */
export interface ParsedEvents {
  readonly source: string;
  readonly events: readonly Event[];
  origin(index: number): number;
}

/** Characters that all retries together may read. */
const MAX_RETRIED_CHARACTERS = 64 * 1024 * 1024;
const MAX_PADDED_LINES = 200;
const PAD = 256;

/** What js-yaml says, where it leaves people puzzled. */
const WORDING: ReadonlyMap<string, string> = new Map([
  ['bad indentation of a mapping entry', 'bad indentation, or a value with ": " in it that is not in quotes'],
  ['end of the stream or a document separator is expected', 'more text than one document holds; start the next with a line ---'],
  ['deficient indentation', 'not indented as deep as the bracket or quote it belongs to; was it closed?'],
]);

/**
 * Parses events. A flow collection may be indented as its author likes, as in Go: js-yaml refuses a line of it that
 * stands no deeper than its key, so on exactly that error the line is indented and the text parsed again.
 *
 * @throws YamlFault with an offset of the text as written
 * @see https://github.com/nodeca/js-yaml/issues/768
 */
export function parseLenientFlow(text: string, maxDepth: number): ParsedEvents {
  const pads: number[] = [];
  const origin = (index: number): number => pads.reduce((left, pad) => (index > pad ? left - Math.min(PAD, index - pad) : left), index);
  let source = text;
  let doubtful: YamlFault | undefined;
  for (;;) {
    try {
      return { source, events: parseEvents(source, { maxDepth }), origin };
    } catch (error) {
      if (!(error instanceof YAMLException)) throw error;
      const fault = new YamlFault(WORDING.get(error.reason) ?? error.reason, origin(error.mark?.position ?? 0));
      const line = lineToPad(source, error);
      const spent = (pads.length + 1) * text.length;
      if (line === undefined || pads.includes(line) || pads.length >= MAX_PADDED_LINES || spent > MAX_RETRIED_CHARACTERS)
        throw doubtful ?? fault;
      // a line that does not close a bracket was more likely not meant to be inside one
      if (!/^[ ]*[\]}]/.test(source.slice(line, line + PAD))) doubtful ??= fault;
      source = source.slice(0, line) + ' '.repeat(PAD) + source.slice(line);
      pads.push(line);
    }
  }
}

/** Start of the line whose indentation js-yaml refuses; undefined when it is another error, or tabs stand there. */
function lineToPad(source: string, error: YAMLException): number | undefined {
  if (error.reason !== 'deficient indentation' || error.mark === undefined) return undefined;
  const start = error.mark.position - error.mark.column;
  return source.slice(start, error.mark.position).includes('\t') ? undefined : start;
}
