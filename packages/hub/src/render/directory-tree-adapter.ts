import { createHash, randomUUID } from 'node:crypto';
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { DroverError } from '@drover/contract';
import type { Ignores } from '#sources/ignore-rules.ts';
import { compileIgnores, IGNORE_FILES } from '#sources/ignore-rules.ts';
import type { Tree, TreeEntry } from '#sources/types.ts';

const DEFAULT_MAX_BYTES = 16 * 1024 * 1024;

/**
 * A tree over files on disk, as if all of them were committed; `.git` is left out, and what ignore files at the root name. Files have the object ids that git
 * would give them, directories ids of their own. What is read is read once: the tree does not change.
 *
 * @param root absolute path
 */
export function createDirectoryTree(root: string): Tree {
  const instance = randomUUID();
  const listings = new Map<string, readonly TreeEntry[] | undefined>();
  const blobs = new Map<string, Buffer>();
  let ignores: Promise<Ignores | undefined> | undefined;

  async function list(path: string): Promise<readonly TreeEntry[] | undefined> {
    if (listings.has(path)) return listings.get(path);
    const listed = await readDirectory(path);
    listings.set(path, listed);
    return listed;
  }

  async function readDirectory(path: string): Promise<readonly TreeEntry[] | undefined> {
    const absolute = join(root, path);
    const names = await absentIsUndefined(async () => ((await lstat(absolute)).isDirectory() ? await readdir(absolute) : undefined));
    if (names === undefined) return undefined;
    const hides = await (ignores ??= readIgnores());
    const entries: TreeEntry[] = [];
    for (const name of names.filter((candidate) => candidate !== '.git').sort()) {
      const entry = await readEntry(join(path, name), name);
      if (entry !== undefined && hides?.(join(path, name), entry.type === 'directory') !== true) entries.push(entry);
    }
    return entries;
  }

  async function readIgnores(): Promise<Ignores | undefined> {
    const files: { file: string; text: string }[] = [];
    for (const file of IGNORE_FILES) {
      const text = await absentIsUndefined(() => readFile(join(root, file), 'utf8'));
      if (text !== undefined) files.push({ file, text });
    }
    return compileIgnores(files);
  }

  async function readEntry(path: string, name: string): Promise<TreeEntry | undefined> {
    const absolute = join(root, path);
    const stats = await lstat(absolute);
    if (stats.isDirectory()) return { name, type: 'directory', oid: directoryId(instance, path) };
    if (stats.isSymbolicLink()) return { name, type: 'symlink', oid: keep(Buffer.from(await readlink(absolute))) };
    return stats.isFile() ? { name, type: 'file', oid: keep(await readFile(absolute)) } : undefined;
  }

  function keep(bytes: Buffer): string {
    const oid = createHash('sha1').update(`blob ${bytes.byteLength}\0`).update(bytes).digest('hex');
    blobs.set(oid, bytes);
    return oid;
  }

  return {
    commit: { sha: '0'.repeat(40), subject: '', author: '', time: 0 },
    revision: 'files',
    list,
    async entry(path) {
      if (path === '') return { name: '', type: 'directory', oid: directoryId(instance, '') };
      const slash = path.lastIndexOf('/');
      const parent = await list(slash < 0 ? '' : path.slice(0, slash));
      return parent?.find((entry) => entry.name === path.slice(slash + 1));
    },
    async read(oid, _signal, maxBytes = DEFAULT_MAX_BYTES) {
      const bytes = blobs.get(oid);
      if (bytes === undefined) throw new DroverError('GIT_CORRUPT', oid, 'no file of the directory has this content');
      if (bytes.byteLength > maxBytes)
        throw new DroverError('RENDER_LIMIT', oid, `a file has ${bytes.byteLength} bytes, at most ${maxBytes} are allowed`);
      return bytes;
    },
  };
}

function directoryId(instance: string, path: string): string {
  return createHash('sha1').update(`${instance} ${path}`).digest('hex');
}

async function absentIsUndefined<T>(run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}
