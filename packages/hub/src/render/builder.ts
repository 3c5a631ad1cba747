import type { Json, JsonObject, Position, Problem } from '@drover/contract';
import { canonicalJson, DroverError, FAILURES, sha256Hex } from '@drover/contract';
import { LRUCache } from 'lru-cache';
import { readDocuments } from '#yaml/read.ts';
import { blame } from './blame.ts';
import type { Built } from './built.ts';
import type { Closure } from './closure.ts';
import { refusePointer } from './closure.ts';
import { createCoalescer } from './coalescer.ts';
import type { KustomizeBuild, KustomizeEngine } from './kustomize.ts';
import { createLimiter } from './limiter.ts';
import { createOrigins, findOrigin } from './origins.ts';
import type { WrittenObject } from './origins.ts';
import { identityOf, meetsAny } from './patch-targets.ts';
import { joinPath, relativePath } from './paths.ts';
import type { TopFields } from './top.ts';
import { fromTop, needsTop, topKustomization } from './top.ts';
import type { TreeView } from './tree-view.ts';

/** What an engine made, before Drover judges it. */
export interface BuildOutput {
  readonly built: readonly Built[];
  readonly warnings: readonly Problem[];
}

/** Manifests that lie beside the directories to build, under a kustomization on top. */
export interface BesideFiles {
  readonly built: readonly Built[];
  /** Directories of the closure that are built with them. */
  readonly roots: readonly string[];
}

export interface Builder {
  /**
   * Builds the kustomization of one closure, with a Delivery's fields on top where it has any.
   *
   * @throws DroverError RENDER_KUSTOMIZE, YAML_INVALID, RENDER_LIMIT; RENDER_ENGINE_FAILED
   */
  build(view: TreeView, closure: Closure, fields: TopFields, signal: AbortSignal): Promise<BuildOutput>;
  /** Builds plain manifests, and kustomizations below them, under a kustomization on top. */
  buildBeside(view: TreeView, beside: BesideFiles, closure: Closure, fields: TopFields, signal: AbortSignal): Promise<BuildOutput>;
}

const MAX_EXPORT_BYTES = 64 * 1024 * 1024;
/** Builds whose files are in memory; the engine runs fewer at a time. */
const MAX_JOBS = 8;
const KEPT_FILE_BYTES = 32 * 1024 * 1024;
const KEPT_OUTPUT_BYTES = 32 * 1024 * 1024;
const PLAIN_FILE = 'plain.yaml';

/** Output with positions relative to the directory, so that it serves every overlay that builds the same. */
interface KeptOutput {
  readonly values: readonly { readonly value: Json; readonly position: Position | undefined }[];
  readonly unusedPatches: readonly number[];
}

interface Job {
  readonly key: string;
  readonly closure: Closure;
  readonly top: KustomizeBuild['top'];
  readonly fields: TopFields;
  /** Objects written outside the closure. */
  readonly beside: readonly WrittenObject[];
}

export function createBuilder(engine: KustomizeEngine): Builder {
  const files = new LRUCache<string, Buffer>({ maxSize: KEPT_FILE_BYTES });
  const kept = new LRUCache<string, KeptOutput>({ maxSize: KEPT_OUTPUT_BYTES });
  const running = createCoalescer<KeptOutput>();
  const origins = createOrigins();
  const limited = createLimiter(MAX_JOBS);

  async function build(view: TreeView, closure: Closure, fields: TopFields, signal: AbortSignal): Promise<BuildOutput> {
    const below = [...closure.files.values()].find((file) => file.kustomization !== undefined)?.kustomization?.value;
    const top = needsTop(fields)
      ? {
          kustomization: topKustomization(fields, closure.directory, [fromTop(closure.directory)], below),
          files: new Map<string, string>(),
        }
      : undefined;
    return await run(view, { key: await keyOf(closure, top, signal), closure, top, fields, beside: [] }, signal);
  }

  async function buildBeside(
    view: TreeView,
    beside: BesideFiles,
    closure: Closure,
    fields: TopFields,
    signal: AbortSignal,
  ): Promise<BuildOutput> {
    const { built, roots } = beside;
    const resources = [...(built.length === 0 ? [] : [PLAIN_FILE]), ...roots.map((root) => fromTop(root))];
    const kustomization = topKustomization(fields, closure.directory, resources, undefined);
    // as JSON, so that kustomize reads what our reader read
    const text = built.map(({ value }) => `---\n${canonicalJson(value)}\n`).join('');
    const top = { kustomization, files: new Map(built.length === 0 ? [] : [[PLAIN_FILE, text]]) };
    const written = built.flatMap(({ value, position }) =>
      position === undefined ? [] : identityOf(value).map((identity) => ({ ...identity, position })),
    );
    return await run(view, { key: await keyOf(closure, top, signal), closure, top, fields, beside: written }, signal);
  }

  async function run(view: TreeView, job: Job, signal: AbortSignal): Promise<BuildOutput> {
    const { directory } = job.closure;
    const { values, unusedPatches } = await once(view, job, signal);
    return {
      built: values.map(({ value, position }) => ({
        value,
        engine: 'kustomize',
        position: position === undefined ? undefined : { ...position, file: joinPath(directory, position.file) ?? position.file },
      })),
      warnings: unusedPatches.map((index) => ({
        code: 'PATCH_UNUSED',
        subject: `patches[${index}]`,
        message: 'its target meets no object',
        hint: FAILURES.PATCH_UNUSED.hint,
      })),
    };
  }

  async function once(view: TreeView, job: Job, signal: AbortSignal): Promise<KeptOutput> {
    return kept.get(job.key) ?? (await running(job.key, signal, () => limited(signal, () => output(view, job, signal))));
  }

  async function output(view: TreeView, job: Job, signal: AbortSignal): Promise<KeptOutput> {
    const { closure, top, fields } = job;
    const bytes = await load(view, closure, signal);
    const written = [...origins.written(closure, bytes), ...job.beside];
    const printed = await printedBy(closure, bytes, written, top, signal);
    const values = readDocuments(printed, {
      file: `the output of kustomize build ${closure.directory || '.'}`,
      dialect: 'kustomize',
    }).documents.map(({ value }) => {
      const position = findOrigin(written, value);
      return {
        value,
        position: position === undefined ? undefined : { ...position, file: relativePath(closure.directory, position.file) },
      };
    });
    const candidates = [...written, ...values.flatMap(({ value }) => identityOf(value))];
    const unusedPatches = fields.patches.flatMap((patch, index) => (meetsAny(patch, candidates) ? [] : [index]));
    const result = { values, unusedPatches };
    kept.set(job.key, result, { size: printed.byteLength + 1 });
    return result;
  }

  async function printedBy(
    closure: Closure,
    bytes: ReadonlyMap<string, Uint8Array>,
    written: readonly WrittenObject[],
    top: KustomizeBuild['top'],
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const exported = new Map<string, Uint8Array | string>(bytes);
    // what we read of a kustomization is what kustomize shall read, whatever its parser makes of the bytes
    for (const [path, { kustomization }] of closure.files)
      if (kustomization !== undefined) exported.set(path, canonicalJson(kustomization.value));
    const build = { files: exported, links: closure.links, directory: closure.directory };
    try {
      return await engine.build(top === undefined ? build : { ...build, top }, signal);
    } catch (thrown) {
      if (thrown instanceof DroverError && thrown.code === 'RENDER_KUSTOMIZE') throw blame(thrown, { closure, bytes, written });
      throw thrown;
    }
  }

  async function load(view: TreeView, closure: Closure, signal: AbortSignal): Promise<ReadonlyMap<string, Uint8Array>> {
    const loaded = new Map<string, Uint8Array>();
    let total = 0;
    const missing = [...closure.files].filter(([, { oid }]) => !files.has(oid));
    await Promise.all(
      missing.map(async ([, { oid }]) => {
        const bytes = await view.tree.read(oid, signal);
        files.set(oid, bytes, { size: bytes.byteLength + 1 });
      }),
    );
    for (const [path, { oid }] of closure.files) {
      const bytes = files.get(oid) ?? (await view.tree.read(oid, signal));
      refusePointer(bytes, path);
      total += bytes.byteLength;
      if (total > MAX_EXPORT_BYTES)
        throw new DroverError('RENDER_LIMIT', path, `the files of one build have more than ${MAX_EXPORT_BYTES} bytes`);
      loaded.set(path, bytes);
    }
    return loaded;
  }

  async function keyOf(closure: Closure, top: KustomizeBuild['top'], signal: AbortSignal): Promise<string> {
    const from = closure.directory;
    const entries = Array.from(closure.files, ([path, { oid }]) => `${relativePath(from, path)}\0${oid}`).sort();
    const links = Array.from(closure.links, ([path, target]) => `${relativePath(from, path)}\0${relativePath(from, target)}`).sort();
    const onTop = top === undefined ? null : ([relativeTop(top.kustomization, from), [...top.files]] as Json);
    return sha256Hex(canonicalJson([await engine.version(signal), entries, links, onTop]));
  }

  return { build, buildBeside };
}

/** The kustomization on top with paths as seen from the directory, so that overlays with equal content share a key. */
function relativeTop(kustomization: JsonObject, directory: string): Json {
  const text = canonicalJson(kustomization);
  return directory === '' ? text : text.replaceAll(fromTop(directory), '');
}
