import type { Position } from '@drover/contract';
import { DroverError } from '@drover/contract';
import { readDocuments } from '#yaml/read.ts';
import type { Closure } from './closure.ts';
import { secretTexts } from './secret-texts.ts';

const MAX_MESSAGE_CHARACTERS = 600;

/**
 * Turns what kustomize printed into an error that names file and line, as far as they can be found, and shows no
 * content: kustomize quotes whole objects, patches and generator settings.
 *
 * @param bytes files of the closure by path
 */
export function blame(failure: DroverError, closure: Closure, bytes: ReadonlyMap<string, Uint8Array>): DroverError {
  const raw = failure.what;
  if (/yaml|json:|mapping key/i.test(raw)) {
    const fault = firstYamlFault(closure, bytes);
    if (fault !== undefined) return fault;
  }
  const message = withoutContent(raw, secretTexts(closure, bytes));
  const position = placeNamed(message, closure, bytes);
  return new DroverError('RENDER_KUSTOMIZE', position?.file ?? failure.subject, message, position === undefined ? {} : { position });
}

/** kustomize seldom names the file of a syntax error, and no column: our own reader does. */
function firstYamlFault(closure: Closure, bytes: ReadonlyMap<string, Uint8Array>): DroverError | undefined {
  for (const [file, { resource }] of closure.files) {
    const content = bytes.get(file);
    if (content === undefined || !(resource || /\.(?:ya?ml|json)$/.test(file))) continue;
    try {
      readDocuments(content, { file });
    } catch (thrown) {
      if (thrown instanceof DroverError) return thrown;
      throw thrown;
    }
  }
  return undefined;
}

/** The message in one or two lines, without quoted content. */
function withoutContent(raw: string, secrets: readonly string[]): string {
  let message = raw
    .split('\n')
    .filter((line) => !line.startsWith('# Warning'))
    .join('\n')
    .replace(/^Error: /, '')
    .replace(/`[^`]*(?:`|$)/g, '…')
    .replace(/map\[[\s\S]*\}/g, '…')
    .replace(/\{\{[\s\S]*\}\}/g, '…')
    .replace(/\[[^\]]*[=\n:{][^\]]*\]/g, '[…]')
    .replace(/literal source \S+,/g, 'literal source …,');
  // the same failure is told once for each directory around it
  const nested = /^(?:accumulating resources: )?accumulation err='([\s\S]*)': (?!.*accumulation err=)([\s\S]*)$/.exec(message);
  if (nested !== null)
    message = nested[2]?.startsWith('must build at directory') === true ? (nested[1] ?? message) : (nested[2] ?? message);
  for (const secret of secrets) message = message.replaceAll(secret, '…');
  return message.length > MAX_MESSAGE_CHARACTERS ? `${message.slice(0, MAX_MESSAGE_CHARACTERS)}…` : message;
}

/** The file, and where possible the line, that a message speaks of. */
function placeNamed(message: string, closure: Closure, bytes: ReadonlyMap<string, Uint8Array>): Position | undefined {
  const quoted = [...message.matchAll(/'([^'\n]{3,200})'|"([^"\n]{3,200})"|File: (\S+)/g)].map(
    (match) => match[1] ?? match[2] ?? match[3] ?? '',
  );
  for (const text of quoted) {
    const file = fileNamed(text, closure);
    if (file !== undefined) {
      const line = /\byaml: line (\d+)/.exec(message)?.[1];
      return line === undefined ? { file } : { file, line: Number(line) };
    }
  }
  for (const text of quoted) {
    const places: Position[] = [];
    for (const [file, { resource }] of closure.files) {
      const content = resource ? undefined : bytes.get(file);
      if (content === undefined) continue;
      const lines = Buffer.from(content).toString('utf8').split('\n');
      for (const [index, line] of lines.entries()) if (line.includes(text)) places.push({ file, line: index + 1 });
    }
    const [only, second] = places;
    if (only !== undefined && second === undefined) return only;
  }
  for (const [file, { kustomization }] of closure.files) if (kustomization !== undefined) return { file };
  return undefined;
}

function fileNamed(text: string, closure: Closure): string | undefined {
  const plain = text.replace(/^(?:\.\.?\/)+/, '');
  if (plain === '') return undefined;
  let found: string | undefined;
  for (const file of closure.files.keys()) {
    if (file !== plain && !file.endsWith(`/${plain}`)) continue;
    if (found !== undefined) return undefined;
    found = file;
  }
  return found;
}
