/**
 * The one reader of YAML and JSON: configuration, plain manifests and what `kustomize build` prints.
 *
 * A **document** is what stands between two lines `---`; one that holds nothing (comments, null) is left out. Scalars
 * mean what they mean to Kubernetes ({@link resolvePlain}); integers are exact up to 64 bits (BigInt beyond 2^53).
 */
import type { Json } from '@drover/contract';
import { DroverError } from '@drover/contract';
import { getScalarValue, EVENT_ID } from 'js-yaml';
import { construct, startOf } from './construct.ts';
import { byteOffset, decodeText, placeOf } from './decode.ts';
import type { DecodedText } from './decode.ts';
import { YamlFault } from './fault.ts';
import { parseLenientFlow } from './flow.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import type { YamlLimits } from './limits.ts';
import { locate } from './locate.ts';
import type { Located, NodePath } from './locate.ts';
import { splitDocuments } from './split.ts';
import type { Chunk } from './split.ts';

/** Counted from 1; columns in characters. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface YamlDocument {
  readonly value: Json;
  /** Line where its content starts. */
  readonly line: number;
  /** Where the value at a path is written; of an absent path, the nearest value above it. */
  positionOf(path: NodePath): Place;
  /** Where the key of a path is written; for an item of a list, the item. */
  keyPositionOf(path: NodePath): Place;
  /** A scalar as its author wrote it, unquoted (`NO`, `0644`); undefined for anything else. */
  textOf(path: NodePath): string | undefined;
}

export interface ReadOptions {
  /** Named in errors. */
  readonly file: string;
  /**
   * `kustomize` reads what `kustomize build` prints. It prints by the same Go library whose reading `kubernetes` is,
   * so every string comes back as the string it was (testdata/kustomize-output.json); only the caps differ: the whole
   * output may be as large as the caller of kustomize allows.
   */
  readonly dialect?: 'kubernetes' | 'kustomize';
  readonly limits?: Partial<YamlLimits>;
}

/**
 * Reads every document, or none.
 *
 * @throws DroverError YAML_INVALID with file, line and column of the first fault
 */
export function readDocuments(input: string | Uint8Array, options: ReadOptions): { readonly documents: readonly YamlDocument[] } {
  const { documents, problems } = surveyDocuments(input, options);
  const [first] = problems;
  if (first !== undefined) throw first;
  return { documents };
}

/**
 * Reads the documents that can be read, with the faults of the others: for configuration, where one bad document leaves
 * the others in force. `problems` is not empty whenever something was left out.
 *
 * @throws DroverError YAML_INVALID for what concerns the whole input: its size, its encoding, the number of documents
 */
export function surveyDocuments(
  input: string | Uint8Array,
  options: ReadOptions,
): { readonly documents: readonly YamlDocument[]; readonly problems: readonly DroverError[] } {
  const { file } = options;
  const limits: YamlLimits = { ...DEFAULT_LIMITS, ...(options.dialect === 'kustomize' ? { maxBytes: Infinity } : {}), ...options.limits };
  const decoded = decodeText(input, file, limits);
  const json = isJson(decoded.text);
  if (!json) refuseOddCharacters(decoded, file);
  // JSON may be indented with tabs, and holds them nowhere else: each becomes one space, so that offsets stay
  const chunks = splitDocuments(json ? decoded.text.replaceAll('\t', ' ') : decoded.text, limits.maxDocuments);
  if (chunks === undefined) {
    throw new DroverError('YAML_INVALID', file, `more than ${limits.maxDocuments} documents (maxDocuments)`, { position: { file } });
  }
  const documents: YamlDocument[] = [];
  const problems: DroverError[] = [];
  let line = 1;
  for (const chunk of chunks) {
    try {
      documents.push(...readChunk(chunk, line, limits, json));
    } catch (error) {
      if (!(error instanceof YamlFault)) throw error;
      problems.push(problemOf(error, decoded, chunk, line, file));
    }
    line += lineBreaks(chunk.text);
  }
  return { documents, problems };
}

function readChunk(chunk: Chunk, firstLine: number, limits: YamlLimits, json: boolean): readonly YamlDocument[] {
  if (chunk.text.length > limits.maxDocumentBytes) {
    throw new YamlFault(`a document of more than ${limits.maxDocumentBytes} bytes (maxDocumentBytes)`, 0);
  }
  const parsed = parseLenientFlow(chunk.text, limits.maxDepth);
  const { source, events } = parsed;
  try {
    return construct(source, events, limits, json)
      .filter(({ value }) => value !== null)
      .map(({ value, event }) => {
        const index = parsed.origin(startOf(events[event + 1]));
        return documentOf(chunk, firstLine, limits, value, event, index);
      });
  } catch (error) {
    if (!(error instanceof YamlFault)) throw error;
    throw new YamlFault(error.message, parsed.origin(error.index), error.first === undefined ? undefined : parsed.origin(error.first));
  }
}

/** Positions are found by parsing the chunk again: only errors need them. */
function documentOf(chunk: Chunk, firstLine: number, limits: YamlLimits, value: Json, event: number, start: number): YamlDocument {
  const find = (path: NodePath): { readonly located: Located; readonly parsed: ReturnType<typeof parseLenientFlow> } => {
    const parsed = parseLenientFlow(chunk.text, limits.maxDepth);
    return { located: locate(parsed.source, parsed.events, event, path), parsed };
  };
  const place = (index: number): Place => {
    const { line, column } = placeOf(chunk.text, index);
    return { line: line + firstLine - 1, column };
  };
  return {
    value,
    line: place(start).line,
    positionOf(path) {
      const { located, parsed } = find(path);
      return place(parsed.origin(located.value));
    },
    keyPositionOf(path) {
      const { located, parsed } = find(path);
      return place(parsed.origin(located.found ? located.key : located.value));
    },
    textOf(path) {
      const { located, parsed } = find(path);
      const found = parsed.events[located.event];
      return located.found && found?.type === EVENT_ID.SCALAR ? getScalarValue(parsed.source, found) : undefined;
    },
  };
}

function problemOf(fault: YamlFault, decoded: DecodedText, chunk: Chunk, firstLine: number, file: string): DroverError {
  const at = Math.min(fault.index, chunk.text.length);
  const lineStart = Math.max(chunk.text.lastIndexOf('\n', at - 1), chunk.text.lastIndexOf('\r', at - 1)) + 1;
  const indent = /^ *(?=\t)/.exec(decoded.text.slice(chunk.start + lineStart, chunk.start + lineStart + 1024));
  const index = indent === null ? at : lineStart + indent[0].length;
  const { line, column } = placeOf(chunk.text, index);
  const position = { file, line: line + firstLine - 1, column };
  if (indent !== null) {
    const what = `a tab indents the line (byte ${byteOffset(decoded, chunk.start + index)}); indent with spaces`;
    return new DroverError('YAML_INVALID', file, what, { position });
  }
  const first = fault.first === undefined ? 0 : placeOf(chunk.text, fault.first).line + firstLine - 1;
  return new DroverError('YAML_INVALID', file, fault.message.replace('{first}', String(first)), { position });
}

function isJson(text: string): boolean {
  if (!/^\s*[{[]/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Line ends of YAML 1.1, as Go reads it, that are none in YAML 1.2; and a byte order mark that would become part of a key. */
const ODD_CHARACTER = /[\u0085\u2028\u2029]|(?<=[\r\n])\uFEFF(?!---)/;

function refuseOddCharacters(decoded: DecodedText, file: string): void {
  const index = decoded.text.search(ODD_CHARACTER);
  if (index < 0) return;
  const code = decoded.text.charCodeAt(index).toString(16).toUpperCase().padStart(4, '0');
  const where = `U+${code} (byte ${byteOffset(decoded, index)})`;
  const what =
    code === 'FEFF'
      ? `${where}: a byte order mark in the middle of the file; remove it`
      : `${where} ends a line for some readers only; write "\\u${code}" in double quotes`;
  throw new DroverError('YAML_INVALID', file, what, { position: { file, ...placeOf(decoded.text, index) } });
}

function lineBreaks(text: string): number {
  return placeOf(text, text.length).line - 1;
}
