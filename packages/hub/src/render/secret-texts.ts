import type { Json, JsonObject } from '@drover/contract';
import { canonicalJson, DroverError } from '@drover/contract';
import { readDocuments } from '#yaml/read.ts';
import type { Closure } from './closure.ts';
import { joinPath, parentOf } from './paths.ts';
import { isObject } from './json.ts';

/** Shorter texts occur by chance, and blotting them out would leave no message. */
const MIN_CHARACTERS = 4;

/**
 * Texts of Secrets that a build can hold: values of written Secrets and of secret generators. An error message shows
 * none of them. Only errors need this; longest first.
 */
export function secretTexts(closure: Closure, bytes: ReadonlyMap<string, Uint8Array>): readonly string[] {
  const found = new Set<string>();
  for (const [file, { kustomization }] of closure.files) {
    if (kustomization !== undefined) generatorTexts(kustomization.value, parentOf(file), bytes, found);
    const content = bytes.get(file);
    if (content === undefined || !/\.(?:ya?ml|json)$/.test(file)) continue;
    try {
      for (const { value } of readDocuments(content, { file }).documents) objectTexts(value, found);
    } catch (thrown) {
      if (!(thrown instanceof DroverError)) throw thrown;
      // unreadable: nothing of it is shown
      for (const line of Buffer.from(content).toString('utf8').split('\n')) add(found, line.slice(line.indexOf(':') + 1).trim());
    }
  }
  return [...found].sort((a, b) => b.length - a.length);
}

function objectTexts(value: Json, found: Set<string>): void {
  if (Array.isArray(value)) for (const item of value as readonly Json[]) objectTexts(item, found);
  if (!isObject(value)) return;
  if (value['kind'] === 'Secret') {
    for (const part of [value['data'], value['stringData']]) {
      if (isObject(part)) for (const text of Object.values(part)) addText(found, text);
    }
  }
  if (Array.isArray(value['items'])) objectTexts(value['items'], found);
}

function generatorTexts(value: JsonObject, directory: string, bytes: ReadonlyMap<string, Uint8Array>, found: Set<string>): void {
  const generators = value['secretGenerator'];
  if (!Array.isArray(generators)) return;
  for (const generator of generators as readonly Json[]) {
    if (!isObject(generator)) continue;
    for (const literal of texts(generator['literals'])) add(found, literal.slice(literal.indexOf('=') + 1));
    const files = [
      ...texts(generator['files']).map((source) => source.slice(source.indexOf('=') + 1)),
      ...texts(generator['envs']),
      ...texts(generator['env']),
    ];
    for (const file of files) {
      const content = bytes.get(joinPath(directory, file) ?? '');
      if (content === undefined) continue;
      const text = Buffer.from(content).toString('utf8');
      add(found, text.trim());
      for (const line of text.split('\n')) {
        add(found, line.trim());
        add(found, line.slice(line.indexOf('=') + 1).trim());
      }
    }
  }
}

function texts(value: Json | undefined): readonly string[] {
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? (value as readonly Json[]).filter((item) => typeof item === 'string') : [];
}

function addText(found: Set<string>, value: Json): void {
  if (typeof value !== 'string') return add(found, canonicalJson(value));
  add(found, value);
  const decoded = Buffer.from(value, 'base64');
  if (decoded.length > 0 && decoded.toString('base64') === value) add(found, decoded.toString('utf8'));
}

function add(found: Set<string>, text: string): void {
  if (text.length >= MIN_CHARACTERS) found.add(text);
}
