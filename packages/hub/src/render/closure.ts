import { DroverError } from '@drover/contract';
import type { Code, Position } from '@drover/contract';
import { LRUCache } from 'lru-cache';
import { KUSTOMIZATION_NAMES } from './kustomization-fields.ts';
import type { Flaw, Kustomization, Reference } from './kustomization.ts';
import { isFlaw, parseKustomization } from './kustomization.ts';
import { baseOf, isWithin, joinPath, nearest, parentOf } from './paths.ts';
import type { ReadLog } from './reads.ts';
import { isRemote } from './remote.ts';
import type { TreeView } from './tree-view.ts';

/** A file that a build may read. */
export interface ClosureFile {
  readonly oid: string;
  /** Present for a kustomization file: what it says, which is exported in place of its bytes. */
  readonly kustomization?: Kustomization;
  /** True where kustomize reads objects from it. */
  readonly resource: boolean;
}

/** Everything that one `kustomize build` may read, and nothing else. Paths are free of links. */
export interface Closure {
  readonly directory: string;
  readonly files: ReadonlyMap<string, ClosureFile>;
  /** Symbolic links that were followed, each with the path it stands for. */
  readonly links: ReadonlyMap<string, string>;
}

export interface ClosureScanner {
  /**
   * Follows every reference of the kustomizations in some directories.
   *
   * @returns undefined when one of the directories holds no kustomization file
   * @throws DroverError RENDER_RESOURCE_MISSING, RENDER_PATH_REFUSED, RENDER_FIELD_REFUSED, RENDER_KUSTOMIZE,
   *   RENDER_LIMIT or YAML_INVALID, with file, line and column
   */
  scan(view: TreeView, request: ScanRequest, reads: ReadLog, signal: AbortSignal): Promise<Closure | undefined>;
}

export interface ScanRequest {
  /** What the closure is named after, and what `components` are relative to. */
  readonly directory: string;
  /** Directories that are built; most often the one. */
  readonly roots: readonly string[];
  /** Components of the Delivery. */
  readonly components: readonly string[];
}

/** Files of one build; the largest platform repositories have some hundreds. */
const MAX_FILES = 10_000;
/** Directories inside directories that name each other. */
const MAX_DEPTH = 64;
/** Kustomization files kept parsed; bases are shared by thousands of overlays. */
const KEPT_KUSTOMIZATIONS = 20_000;

interface Scan {
  readonly view: TreeView;
  readonly reads: ReadLog;
  readonly files: Map<string, ClosureFile>;
  readonly links: Map<string, string>;
  /** Directories being read, outermost first. */
  readonly stack: string[];
  readonly done: Set<string>;
}

/** Where a reference stands: in a file of the repository, or in the Delivery. */
interface Origin {
  readonly directory: string;
  fail(code: Code, what: string): DroverError;
}

export function createClosureScanner(): ClosureScanner {
  const parsed = new LRUCache<string, Kustomization | Flaw>({ max: KEPT_KUSTOMIZATIONS });

  async function scan(view: TreeView, request: ScanRequest, reads: ReadLog, signal: AbortSignal): Promise<Closure | undefined> {
    const work: Scan = { view, reads, files: new Map(), links: new Map(), stack: [], done: new Set() };
    const { path: directory } = (await view.resolve(request.directory, reads, work.links, signal)) ?? { path: request.directory };
    for (const root of request.roots) {
      const found = await view.resolve(root, reads, work.links, signal);
      if (found?.entry.type !== 'directory' || !(await readDirectory(work, found.path, signal))) return undefined;
    }
    for (const [index, path] of request.components.entries()) {
      const field = `components[${index}]`;
      const origin = { directory, fail: (code: Code, what: string) => new DroverError(code, `spec.${field}`, what) };
      await follow(work, origin, { path, field, wants: 'directory', at: () => ({ line: 1, column: 1 }) }, signal);
    }
    return { directory, files: work.files, links: work.links };
  }

  /** False when the directory holds no kustomization file. */
  async function readDirectory(work: Scan, directory: string, signal: AbortSignal): Promise<boolean> {
    if (work.done.has(directory)) return true;
    const found = await findKustomization(work, directory, signal);
    if (found === undefined) return false;
    const { file, oid } = found;
    const kustomization = await load(work, file, oid, signal);
    addFile(work, file, { oid, kustomization, resource: false });
    work.stack.push(directory);
    for (const reference of kustomization.references) await follow(work, originIn(file, directory, reference), reference, signal);
    work.stack.pop();
    work.done.add(directory);
    return true;
  }

  async function findKustomization(work: Scan, directory: string, signal: AbortSignal): Promise<{ file: string; oid: string } | undefined> {
    let found: { file: string; oid: string } | undefined;
    for (const name of KUSTOMIZATION_NAMES) {
      const resolved = await work.view.resolve(joinPath(directory, name) ?? name, work.reads, work.links, signal);
      if (resolved?.entry.type !== 'file') continue;
      // through a link the file is exported where it really lies, and kustomize finds it by the link
      if (found !== undefined) {
        const what = `${baseOf(found.file)} and ${name} lie side by side; keep one of them`;
        throw new DroverError('RENDER_KUSTOMIZE', directory || '.', what, { position: { file: resolved.path } });
      }
      found = { file: resolved.path, oid: resolved.entry.oid };
    }
    return found;
  }

  async function load(work: Scan, file: string, oid: string, signal: AbortSignal): Promise<Kustomization> {
    let read = parsed.get(oid);
    if (read === undefined) {
      const bytes = await work.view.tree.read(oid, signal);
      refusePointer(bytes, file);
      read = parseKustomization(bytes, file);
      parsed.set(oid, read);
    }
    if (isFlaw(read)) throw new DroverError(read.code, file, read.what, { position: { file, line: read.line, column: read.column } });
    return read;
  }

  async function follow(work: Scan, origin: Origin, reference: Reference, signal: AbortSignal): Promise<void> {
    const { path: written, wants } = reference;
    if (written === '') throw origin.fail('RENDER_PATH_REFUSED', 'the path is empty');
    if (isRemote(written))
      throw origin.fail('RENDER_PATH_REFUSED', `${written} is remote, and nothing is fetched during a render; commit a copy`);
    if (written.startsWith('/')) throw origin.fail('RENDER_PATH_REFUSED', `${written} is absolute; write it relative to this file`);
    const path = joinPath(origin.directory, written);
    if (path === undefined) throw origin.fail('RENDER_PATH_REFUSED', `${written} leads out of the repository`);
    const found = await view(work, path, origin, signal);
    if (found === undefined) throw await missing(work, origin, written, path, signal);
    if (found.entry.type === 'file') {
      if (wants === 'directory') throw origin.fail('RENDER_KUSTOMIZE', `${written} is a file; ${reference.field} takes directories`);
      addFile(work, found.path, { oid: found.entry.oid, resource: wants === 'resource' });
      return;
    }
    if (wants === 'file') throw origin.fail('RENDER_KUSTOMIZE', `${written} is a directory; ${reference.field} takes files`);
    await enter(work, origin, written, found.path, signal);
  }

  /** Reads a directory that another one names. */
  async function enter(work: Scan, origin: Origin, written: string, directory: string, signal: AbortSignal): Promise<void> {
    const around = work.stack.find((open) => isWithin(open, directory));
    if (around !== undefined) {
      throw origin.fail(
        'RENDER_KUSTOMIZE',
        `${written} contains ${around || 'the root'}, which is being built: a directory cannot be its own base`,
      );
    }
    if (work.stack.length >= MAX_DEPTH) throw origin.fail('RENDER_LIMIT', `more than ${MAX_DEPTH} directories name each other in a row`);
    if (!(await readDirectory(work, directory, signal))) {
      throw origin.fail(
        'RENDER_RESOURCE_MISSING',
        `directory ${written} holds no kustomization file; name its files one by one, or add one`,
      );
    }
  }

  return { scan };
}

async function view(work: Scan, path: string, origin: Origin, signal: AbortSignal): ReturnType<TreeView['resolve']> {
  try {
    return await work.view.resolve(path, work.reads, work.links, signal);
  } catch (thrown) {
    if (thrown instanceof DroverError && thrown.code === 'RENDER_PATH_REFUSED')
      throw origin.fail(thrown.code, `${thrown.subject} ${thrown.what}`);
    throw thrown;
  }
}

function addFile(work: Scan, path: string, file: ClosureFile): void {
  const before = work.files.get(path);
  work.files.set(path, before === undefined ? file : { ...before, resource: before.resource || file.resource });
  if (work.files.size > MAX_FILES) throw new DroverError('RENDER_LIMIT', path, `the build would read more than ${MAX_FILES} files`);
}

function originIn(file: string, directory: string, reference: Reference): Origin {
  return {
    directory,
    fail: (code, what) => {
      const position: Position = { file, ...reference.at() };
      return new DroverError(code, file, what, { position });
    },
  };
}

async function missing(work: Scan, origin: Origin, written: string, path: string, signal: AbortSignal): Promise<DroverError> {
  let directory = parentOf(path);
  let name = baseOf(path);
  // the first name of the path that is not there
  while (directory !== '' && (await work.view.entry(directory, signal))?.type !== 'directory') {
    name = baseOf(directory);
    directory = parentOf(directory);
  }
  const listed = (await work.view.list(directory, signal)) ?? [];
  work.reads.add(directory, (await work.view.entry(directory, signal))?.oid ?? null);
  const near = nearest(
    name,
    listed.map((entry) => entry.name),
  );
  const hint = near === undefined ? '' : `; did you mean ${written.replace(name, near)}?`;
  return origin.fail(
    'RENDER_RESOURCE_MISSING',
    `${written} does not exist at this commit: no file or directory ${JSON.stringify(name)} in ${directory || 'the root'}${hint}`,
  );
}

const LFS_POINTER = /^version https:\/\/(?:git-lfs\.github\.com|hawser\.github\.com)\/spec\//;

/** @throws DroverError RENDER_PATH_REFUSED for a file whose content lies in Git LFS */
export function refusePointer(bytes: Uint8Array, file: string): void {
  if (bytes.byteLength > 1024 || bytes[0] !== 0x76) return;
  if (!LFS_POINTER.test(Buffer.from(bytes).toString('latin1'))) return;
  throw new DroverError('RENDER_PATH_REFUSED', file, 'is a Git LFS pointer: its content is not in the repository', { position: { file } });
}
