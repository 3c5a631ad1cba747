import { DroverError } from '@drover/contract';
import type { Code, Json, JsonObject } from '@drover/contract';
import { readDocuments } from '#yaml/read.ts';
import type { YamlDocument } from '#yaml/read.ts';
import type { FieldClass } from './kustomization-fields.ts';
import { ITEM_KEYS, KUSTOMIZATION_FIELDS } from './kustomization-fields.ts';
import { nearest } from './paths.ts';
import { isObject } from './json.ts';

/** Line and column in the file, both from 1. */
export interface Spot {
  readonly line: number;
  readonly column: number;
}

/** A path that a kustomization file names. */
export interface Reference {
  /** As shown: `resources[0]`. */
  readonly field: string;
  readonly path: string;
  readonly wants: 'resource' | 'directory' | 'file';
  /** Looked up when asked for: only errors need it. */
  at(): Spot;
}

/** A failure in a file whose path is known only to the reader: one blob may lie at many paths. */
export interface Flaw extends Spot {
  readonly code: Code;
  readonly what: string;
}

/** A ConfigMap or Secret that a kustomization file makes. */
export interface Generated {
  readonly kind: 'ConfigMap' | 'Secret';
  readonly name: string;
  at(): Spot;
}

/** What a kustomization file says; the same for the same blob, wherever it lies. */
export interface Kustomization {
  readonly value: JsonObject;
  readonly references: readonly Reference[];
  /** Names of generated ConfigMaps and Secrets, for telling where an object was written. */
  readonly generated: readonly Generated[];
}

/**
 * Reads a kustomization file: the first document, as kustomize does; more than one is refused.
 *
 * @throws DroverError YAML_INVALID
 */
export function parseKustomization(bytes: Uint8Array, file: string): Kustomization | Flaw {
  const documents = readDocuments(bytes, { file }).documents;
  const [document, second] = documents;
  if (document === undefined) return { code: 'RENDER_KUSTOMIZE', what: 'the kustomization file is empty', line: 1, column: 1 };
  if (second !== undefined) {
    return { code: 'RENDER_KUSTOMIZE', what: 'the kustomization file has more than one document', line: second.line, column: 1 };
  }
  const { value } = document;
  if (!isObject(value)) return { code: 'RENDER_KUSTOMIZE', what: 'the kustomization file is no mapping', line: document.line, column: 1 };
  try {
    return { value, references: referencesOf(value, document), generated: generatedBy(value, document) };
  } catch (thrown) {
    if (thrown instanceof FlawError) return thrown.flaw;
    throw thrown;
  }
}

export function isFlaw(read: Kustomization | Flaw): read is Flaw {
  return 'code' in read;
}

class FlawError extends Error {
  readonly flaw: Flaw;
  constructor(flaw: Flaw) {
    super(flaw.what);
    this.flaw = flaw;
  }
}

type Path = readonly (string | number)[];

interface Collector {
  readonly document: YamlDocument;
  readonly found: Reference[];
}

function referencesOf(value: JsonObject, document: YamlDocument): readonly Reference[] {
  const collector: Collector = { document, found: [] };
  for (const [field, content] of Object.entries(value)) {
    const known: FieldClass | undefined = Object.hasOwn(KUSTOMIZATION_FIELDS, field) ? KUSTOMIZATION_FIELDS[field] : undefined;
    if (known === undefined) throw unknownField(collector, [field], field, Object.keys(KUSTOMIZATION_FIELDS));
    if (content === null) continue;
    if (typeof known === 'object') {
      if (isEmpty(content)) continue;
      throw refuse(collector, [field], 'RENDER_FIELD_REFUSED', `${field}: ${known.refused}`);
    }
    collect(collector, field, known, content);
  }
  return collector.found;
}

function collect(collector: Collector, field: string, known: Exclude<FieldClass, { readonly refused: string }>, content: Json): void {
  switch (known) {
    case 'plain':
      return;
    case 'resources':
      return strings(collector, [field], content, 'resource');
    case 'directories':
      return strings(collector, [field], content, 'directory');
    case 'files':
      return strings(collector, [field], content, 'file');
    case 'patchesOrFiles':
      return strings(collector, [field], content, 'file', isWrittenOut);
    case 'patches':
      for (const [index, item] of items(collector, [field], content).entries()) {
        const object = objectAt(collector, [field, index], item, field === 'replacements' ? ITEM_KEYS.replacements : ITEM_KEYS.patches);
        one(collector, [field, index, 'path'], object['path']);
      }
      return;
    case 'generators':
      for (const [index, item] of items(collector, [field], content).entries()) {
        const object = objectAt(collector, [field, index], item, ITEM_KEYS.generators);
        for (const [at, source] of items(collector, [field, index, 'files'], object['files']).entries()) {
          if (typeof source === 'string') one(collector, [field, index, 'files', at], source.slice(source.indexOf('=') + 1));
          else throw notText(collector, [field, index, 'files', at]);
        }
        strings(collector, [field, index, 'envs'], object['envs'], 'file');
        one(collector, [field, index, 'env'], object['env']);
      }
      return;
    case 'openapi':
      one(collector, ['openapi', 'path'], objectAt(collector, ['openapi'], content, ITEM_KEYS.openapi)['path']);
      return;
    default:
      known satisfies never;
  }
}

function strings(
  collector: Collector,
  path: Path,
  content: Json | undefined,
  wants: Reference['wants'],
  isContent: (text: string) => boolean = () => false,
): void {
  for (const [index, item] of items(collector, path, content).entries()) {
    if (typeof item !== 'string') throw notText(collector, [...path, index]);
    if (!isContent(item)) add(collector, [...path, index], item, wants);
  }
}

function one(collector: Collector, path: Path, content: Json | undefined): void {
  if (content === undefined || content === null || content === '') return;
  if (typeof content !== 'string') throw notText(collector, path);
  add(collector, path, content, 'file');
}

function add(collector: Collector, path: Path, reference: string, wants: Reference['wants']): void {
  collector.found.push({ field: show(path), path: reference, wants, at: () => collector.document.positionOf(path) });
}

function items(collector: Collector, path: Path, content: Json | undefined): readonly Json[] {
  if (content === undefined || content === null) return [];
  if (!Array.isArray(content)) throw refuse(collector, path, 'RENDER_KUSTOMIZE', `${show(path)} must be a list`);
  return content as readonly Json[];
}

function objectAt(collector: Collector, path: Path, content: Json, keys: readonly string[]): JsonObject {
  if (!isObject(content)) throw refuse(collector, path, 'RENDER_KUSTOMIZE', `${show(path)} must be a mapping`);
  for (const key of Object.keys(content))
    if (!keys.includes(key)) throw unknownField(collector, [...path, key], show([...path, key]), keys);
  return content;
}

function unknownField(collector: Collector, path: Path, shown: string, known: readonly string[]): FlawError {
  const near = nearest(String(path.at(-1)), known);
  return refuse(
    collector,
    path,
    'RENDER_FIELD_REFUSED',
    `${shown} is no known field of a kustomization file${near === undefined ? '' : `; did you mean ${near}?`}`,
  );
}

function notText(collector: Collector, path: Path): FlawError {
  return refuse(collector, path, 'RENDER_KUSTOMIZE', `${show(path)} must be a string`);
}

function refuse(collector: Collector, path: Path, code: Code, what: string): FlawError {
  return new FlawError({ code, what, ...collector.document.keyPositionOf(path) });
}

function show(path: Path): string {
  return path.map((step, index) => (typeof step === 'number' ? `[${step}]` : index === 0 ? step : `.${step}`)).join('');
}

/** kustomize takes an entry of patchesStrategicMerge as a patch when it reads as YAML objects, else as a path. */
function isWrittenOut(text: string): boolean {
  if (!text.includes('\n') && !/[:{]/.test(text)) return false;
  try {
    return readDocuments(text, { file: 'patchesStrategicMerge' }).documents.some((document) => isObject(document.value));
  } catch (thrown) {
    if (thrown instanceof DroverError) return text.includes('\n');
    throw thrown;
  }
}

function generatedBy(value: JsonObject, document: YamlDocument): Kustomization['generated'] {
  const found: Generated[] = [];
  for (const [field, kind] of [
    ['configMapGenerator', 'ConfigMap'],
    ['secretGenerator', 'Secret'],
  ] as const) {
    const list = value[field];
    if (!Array.isArray(list)) continue;
    for (const [index, item] of (list as readonly Json[]).entries()) {
      const name = isObject(item) ? item['name'] : undefined;
      if (typeof name === 'string') found.push({ kind, name, at: () => document.positionOf([field, index]) });
    }
  }
  return found;
}

function isEmpty(content: Json): boolean {
  return typeof content === 'object' && content !== null && Object.keys(content).length === 0;
}
