import type { Code, Position } from '@drover/contract';
import { DroverError } from '@drover/contract';
import { readDocuments } from '#yaml/read.ts';
import type { Closure } from './closure.ts';
import { showPosition } from './built.ts';
import { isObject } from './json.ts';
import { plainMessage } from './kustomize-message.ts';
import type { WrittenObject } from './origins.ts';
import { parentOf } from './paths.ts';
import { secretTexts } from './secret-texts.ts';

interface Inputs {
  readonly closure: Closure;
  /** Files of the closure by path. */
  readonly bytes: ReadonlyMap<string, Uint8Array>;
  readonly written: readonly WrittenObject[];
}

/** Turns what kustomize printed into an error that names file and line, as far as they can be found, and shows no content. */
export function blame(failure: DroverError, inputs: Inputs): DroverError {
  const printed = failure.what;
  if (/yaml|json:|mapping key/i.test(printed)) {
    const fault = firstYamlFault(inputs);
    if (fault !== undefined) return fault;
  }
  const message = plainMessage(printed, secretTexts(inputs.closure, inputs.bytes));
  return (
    twice(message, inputs) ??
    incomplete(message, inputs) ??
    error('RENDER_KUSTOMIZE', message, placeNamed(message, inputs), failure.subject)
  );
}

function error(code: Code, message: string, position: Position | undefined, subject: string): DroverError {
  return new DroverError(code, position?.file ?? subject, message, position === undefined ? {} : { position });
}

/** kustomize seldom names the file of a syntax error, and no column: our own reader does. */
function firstYamlFault({ closure, bytes }: Inputs): DroverError | undefined {
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

/** An object that is there twice, with both places where they are known. */
function twice(message: string, { written }: Inputs): DroverError | undefined {
  const match = /already registered id: ((\w+) (?:[\w-]+\/)?([\w.-]+))/.exec(message);
  if (match === null) return undefined;
  const [, shown = '', kind = '', name = ''] = match;
  const [first, second] = written.filter((one) => one.kind === kind && one.name === name);
  const places =
    first === undefined || second === undefined ? '' : `: ${showPosition(first.position)} and ${showPosition(second.position)}`;
  const position = second?.position;
  return new DroverError('OBJECT_DUPLICATE', shown, `is there twice${places}`, position === undefined ? {} : { position });
}

/** An object without the identity that kustomize needs. */
function incomplete(message: string, { closure, bytes }: Inputs): DroverError | undefined {
  const missing = /missing (kind|metadata\.name) in object/.exec(message)?.[1];
  if (missing === undefined) return undefined;
  for (const [file, { resource }] of closure.files) {
    const content = resource ? bytes.get(file) : undefined;
    if (content === undefined) continue;
    for (const { value, line } of readDocuments(content, { file }).documents) {
      if (!isObject(value)) continue;
      const { kind, metadata } = value;
      const there = missing === 'kind' ? kind : isObject(metadata) ? metadata['name'] : undefined;
      if (typeof there === 'string' && there !== '') continue;
      if (typeof kind === 'string' && kind.endsWith('List')) continue;
      return error('OBJECT_INVALID', `${typeof kind === 'string' ? `${kind}: ` : ''}${missing} is missing`, { file, line }, file);
    }
  }
  return undefined;
}

/** The file, and where possible the line, that a message speaks of. */
function placeNamed(message: string, { closure, bytes }: Inputs): Position | undefined {
  const quoted = [...message.matchAll(/'([^'\n]{2,200})'|"([^"\n]{2,200})"|File: (\S+)/g)].map(
    (match) => match[1] ?? match[2] ?? match[3] ?? '',
  );
  for (const text of quoted) {
    const file = fileNamed(text, closure);
    if (file === undefined) continue;
    const line = /\byaml: line (\d+)/.exec(message)?.[1];
    return line === undefined ? { file } : { file, line: Number(line) };
  }
  for (const text of quoted) {
    const [only, second] = linesWith(text, closure, bytes);
    if (only !== undefined && second === undefined) return only;
  }
  for (const [file, { kustomization }] of closure.files) if (kustomization !== undefined) return { file };
  return undefined;
}

/** Lines of kustomization files and patches that hold a text. */
function linesWith(text: string, closure: Closure, bytes: ReadonlyMap<string, Uint8Array>): readonly Position[] {
  const places: Position[] = [];
  for (const [file, { resource }] of closure.files) {
    const content = resource ? undefined : bytes.get(file);
    if (content === undefined) continue;
    for (const [index, line] of Buffer.from(content).toString('utf8').split('\n').entries())
      if (line.includes(text)) places.push({ file, line: index + 1 });
  }
  return places;
}

/** A file by the end of its path, or the kustomization file of a directory. */
function fileNamed(text: string, closure: Closure): string | undefined {
  const plain = text.replace(/^(?:\.\.?\/)+/, '');
  if (plain === '') return undefined;
  const found = [...closure.files].filter(([file, { kustomization }]) => {
    const names = kustomization === undefined ? [file] : [file, parentOf(file)];
    return names.some((name) => name === plain || name.endsWith(`/${plain}`));
  });
  return found.length === 1 ? found[0]?.[0] : undefined;
}
