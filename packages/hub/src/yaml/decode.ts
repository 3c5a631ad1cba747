import { Buffer, isUtf8 } from 'node:buffer';
import { DroverError } from '@drover/contract';
import type { YamlLimits } from './limits.ts';

const BOM = '\uFEFF';

/** Text of an input, without its byte order mark. */
export interface DecodedText {
  readonly text: string;
  /** Bytes before the first character of `text`. */
  readonly skippedBytes: number;
}

/**
 * @throws DroverError YAML_INVALID for what is larger than `maxBytes`, no UTF-8, or holds a NUL; with the byte offset
 */
export function decodeText(input: string | Uint8Array, file: string, limits: YamlLimits): DecodedText {
  const bytes = typeof input === 'string' ? Buffer.byteLength(input) : input.byteLength;
  if (bytes > limits.maxBytes)
    throw new DroverError('YAML_INVALID', file, `${bytes} bytes are more than ${limits.maxBytes} (maxBytes)`, { position: { file } });
  const whole = typeof input === 'string' ? wellFormed(input, file) : utf8Of(input, file);
  const skippedBytes = whole.startsWith(BOM) ? 3 : 0;
  const text = skippedBytes === 0 ? whole : whole.slice(1);
  const nul = text.indexOf('\0');
  if (nul >= 0) throw refuse(file, text, nul, `a NUL character at byte ${byteOffset({ text, skippedBytes }, nul)}`);
  return { text, skippedBytes };
}

/** Offset in bytes of a character of the text, counted in the input as it was given. */
export function byteOffset(decoded: DecodedText, index: number): number {
  return decoded.skippedBytes + Buffer.byteLength(decoded.text.slice(0, index));
}

/** Line and column, both from 1, of an index into the text; columns count characters. */
export function placeOf(text: string, index: number): { readonly line: number; readonly column: number } {
  let line = 1;
  let start = 0;
  for (let at = 0; at < index; at++) {
    const code = text.charCodeAt(at);
    if (code !== 10 && !(code === 13 && text.charCodeAt(at + 1) !== 10)) continue;
    line++;
    start = at + 1;
  }
  return { line, column: Array.from(text.slice(start, index)).length + 1 };
}

function wellFormed(text: string, file: string): string {
  if (text.isWellFormed()) return text;
  throw new DroverError('YAML_INVALID', file, 'the text holds half a character (a lone surrogate)', { position: { file } });
}

function utf8Of(input: Uint8Array, file: string): string {
  const buffer = Buffer.from(input.buffer, input.byteOffset, input.byteLength);
  const text = buffer.toString('utf8');
  if (isUtf8(buffer)) return text;
  const { index, offset } = firstInvalid(text, buffer);
  throw refuse(file, text, index, `byte ${offset} is no UTF-8`);
}

/** The first replacement character that stands for other bytes than its own. */
function firstInvalid(text: string, buffer: Buffer): { readonly index: number; readonly offset: number } {
  let offset = 0;
  let from = 0;
  for (let index = text.indexOf('\uFFFD'); index >= 0; index = text.indexOf('\uFFFD', from)) {
    offset += Buffer.byteLength(text.slice(from, index));
    if (buffer[offset] !== 0xef || buffer[offset + 1] !== 0xbf || buffer[offset + 2] !== 0xbd) return { index, offset };
    offset += 3;
    from = index + 1;
  }
  return { index: 0, offset: 0 };
}

function refuse(file: string, text: string, index: number, what: string): DroverError {
  return new DroverError('YAML_INVALID', file, what, { position: { file, ...placeOf(text, index) } });
}
