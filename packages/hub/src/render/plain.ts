import { DroverError } from '@drover/contract';
import { LRUCache } from 'lru-cache';
import type { Ignores } from '#sources/ignore-rules.ts';
import { compileIgnores, IGNORE_FILES, MAX_IGNORE_BYTES } from '#sources/ignore-rules.ts';
import type { TreeEntry } from '#sources/types.ts';
import { readDocuments } from '#yaml/read.ts';
import type { Built } from './built.ts';
import { refusePointer } from './closure.ts';
import { KUSTOMIZATION_NAMES } from './kustomization-fields.ts';
import { joinPath, parentOf } from './paths.ts';
import type { ReadLog } from './reads.ts';
import type { TreeView } from './tree-view.ts';

/** A directory without a kustomization file: manifests as they are. */
export interface PlainDirectory {
  readonly files: readonly { readonly path: string; readonly oid: string }[];
  /** Directories below that hold a kustomization file: they are built. */
  readonly kustomizations: readonly string[];
}

export interface PlainReader {
  /**
   * Finds `*.yaml`, `*.yml` and `*.json` below a directory. Names that begin with a dot are left out, and what
   * `.droverignore` and `.sourceignore` files there and above it exclude, each by itself.
   *
   * @throws DroverError RENDER_PATH_REFUSED, RENDER_RESOURCE_MISSING for a link that leads nowhere, RENDER_LIMIT
   */
  find(view: TreeView, directory: string, reads: ReadLog, signal: AbortSignal): Promise<PlainDirectory>;
  /** @throws DroverError YAML_INVALID, RENDER_PATH_REFUSED for a Git LFS pointer */
  read(view: TreeView, file: { readonly path: string; readonly oid: string }, signal: AbortSignal): Promise<readonly Built[]>;
}

const MANIFEST = /\.(?:yaml|yml|json)$/;
const MAX_FILES = 50_000;
const MAX_DEPTH = 64;
const KEPT_BYTES = 32 * 1024 * 1024;

interface Walk {
  readonly view: TreeView;
  readonly reads: ReadLog;
  readonly files: Map<string, string>;
  readonly kustomizations: Set<string>;
  readonly stack: string[];
}

export function createPlainReader(): PlainReader {
  const parsed = new LRUCache<string, readonly { readonly value: Built['value']; readonly line: number }[]>({ maxSize: KEPT_BYTES });

  async function read(
    view: TreeView,
    file: { readonly path: string; readonly oid: string },
    signal: AbortSignal,
  ): Promise<readonly Built[]> {
    let documents = parsed.get(file.oid);
    if (documents === undefined) {
      const bytes = await view.tree.read(file.oid, signal);
      refusePointer(bytes, file.path);
      documents = readDocuments(bytes, { file: file.path }).documents.map(({ value, line }) => ({ value, line }));
      parsed.set(file.oid, documents, { size: bytes.byteLength + 1 });
    }
    return documents.map(({ value, line }) => ({ value, position: { file: file.path, line }, engine: 'plain' }));
  }

  return { find, read };
}

async function find(view: TreeView, directory: string, reads: ReadLog, signal: AbortSignal): Promise<PlainDirectory> {
  const walk: Walk = { view, reads, files: new Map(), kustomizations: new Set(), stack: [] };
  const ignores: Ignores[] = [];
  for (const above of ancestorsOf(directory)) {
    for (const name of IGNORE_FILES) {
      const path = joinPath(above, name) ?? name;
      reads.add(path, (await view.entry(path, signal))?.oid ?? null);
    }
    ignores.push(...(await ignoresIn(walk, above, signal)));
  }
  // one read covers all below it: a directory has another id as soon as anything in it has
  reads.add(directory, (await view.entry(directory, signal))?.oid ?? null);
  await enter(walk, directory, ignores, signal);
  return { files: Array.from(walk.files, ([path, oid]) => ({ path, oid })), kustomizations: [...walk.kustomizations] };
}

async function enter(walk: Walk, directory: string, above: readonly Ignores[], signal: AbortSignal): Promise<void> {
  if (walk.stack.length >= MAX_DEPTH)
    throw new DroverError('RENDER_LIMIT', directory, `directories lie in each other more than ${MAX_DEPTH} deep`);
  walk.stack.push(directory);
  const ignores = [...above, ...(await ignoresIn(walk, directory, signal))];
  for (const entry of (await walk.view.list(directory, signal)) ?? []) {
    if (entry.name.startsWith('.')) continue;
    const path = directory === '' ? entry.name : `${directory}/${entry.name}`;
    if (ignores.some((hides) => hides(path, entry.type === 'directory'))) continue;
    const target = await follow(walk, path, entry, signal);
    if (target.entry.type === 'directory') await enterBelow(walk, path, target.path, ignores, signal);
    else if (MANIFEST.test(entry.name)) addFile(walk, target.path, target.entry.oid);
  }
  walk.stack.pop();
}

async function enterBelow(walk: Walk, path: string, directory: string, ignores: readonly Ignores[], signal: AbortSignal): Promise<void> {
  if (walk.stack.includes(directory)) {
    throw new DroverError('RENDER_PATH_REFUSED', path, `is a symbolic link to ${directory || 'the root'}, in which it lies: a loop`, {
      position: { file: path },
    });
  }
  const names = new Set((await walk.view.list(directory, signal))?.map((entry) => entry.name));
  if (KUSTOMIZATION_NAMES.some((name) => names.has(name))) walk.kustomizations.add(directory);
  else await enter(walk, directory, ignores, signal);
}

async function follow(
  walk: Walk,
  path: string,
  entry: TreeEntry,
  signal: AbortSignal,
): Promise<{ readonly path: string; readonly entry: TreeEntry }> {
  if (entry.type === 'submodule') {
    throw new DroverError('RENDER_PATH_REFUSED', path, 'is a submodule: its content is not part of this repository', {
      position: { file: path },
    });
  }
  if (entry.type !== 'symlink') return { path, entry };
  const target = await walk.view.resolve(path, walk.reads, new Map(), signal);
  if (target === undefined)
    throw new DroverError('RENDER_RESOURCE_MISSING', path, 'is a symbolic link that leads nowhere', { position: { file: path } });
  if (target.entry.type === 'directory') walk.reads.add(target.path, target.entry.oid);
  return target;
}

function addFile(walk: Walk, path: string, oid: string): void {
  walk.files.set(path, oid);
  if (walk.files.size > MAX_FILES) throw new DroverError('RENDER_LIMIT', path, `more than ${MAX_FILES} files`);
}

async function ignoresIn(walk: Walk, directory: string, signal: AbortSignal): Promise<readonly Ignores[]> {
  // the tree itself leaves out what the files at its root name
  if (directory === '') return [];
  const files: { readonly file: string; readonly text: string }[] = [];
  for (const name of IGNORE_FILES) {
    const path = joinPath(directory, name) ?? name;
    const entry = await walk.view.entry(path, signal);
    if (entry?.type !== 'file') continue;
    files.push({ file: path, text: (await walk.view.tree.read(entry.oid, signal, MAX_IGNORE_BYTES)).toString('utf8') });
  }
  const ignores = files.length === 0 ? undefined : compileIgnores(files);
  if (ignores === undefined) return [];
  return [(path, isDirectory) => ignores(path.slice(directory.length + 1), isDirectory)];
}

function ancestorsOf(directory: string): readonly string[] {
  const found: string[] = [];
  for (let at = directory; at !== '';) {
    at = parentOf(at);
    found.unshift(at);
  }
  return found;
}
