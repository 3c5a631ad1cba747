import { createHash } from 'node:crypto';
import { DroverError } from '@drover/contract';
import type { Tree, TreeEntry } from '#sources/types.ts';

/** Content of a path: a file's text, or what else git can hold there. */
export type Content = string | Uint8Array | { readonly link: string } | { readonly submodule: string };

export interface MemoryTree extends Tree {
  /** Calls so far. */
  readonly calls: { list: number; read: number };
}

/** A commit's files in memory, with the object ids that git would give them. */
export function memoryTree(files: Readonly<Record<string, Content>>): MemoryTree {
  const blobs = new Map<string, Buffer>();
  const entries = new Map<string, TreeEntry>();
  const children = new Map<string, TreeEntry[]>([['', []]]);
  const directories = new Set<string>(['']);
  for (const path of Object.keys(files)) for (let at = path; at !== ''; ) directories.add((at = at.slice(0, Math.max(0, at.lastIndexOf('/')))));

  const add = (path: string, entry: Omit<TreeEntry, 'name'>): void => {
    const slash = path.lastIndexOf('/');
    const named = { ...entry, name: path.slice(slash + 1) };
    entries.set(path, named);
    const parent = path.slice(0, Math.max(0, slash));
    children.set(parent, [...(children.get(parent) ?? []), named]);
  };
  const blob = (bytes: Uint8Array): string => {
    const oid = hash('blob', bytes);
    blobs.set(oid, Buffer.from(bytes));
    return oid;
  };
  for (const [path, content] of Object.entries(files)) {
    if (typeof content === 'string') add(path, { type: 'file', oid: blob(Buffer.from(content)) });
    else if (content instanceof Uint8Array) add(path, { type: 'file', oid: blob(content) });
    else if ('link' in content) add(path, { type: 'symlink', oid: blob(Buffer.from(content.link)) });
    else add(path, { type: 'submodule', oid: content.submodule });
  }
  const listed = (path: string): readonly TreeEntry[] => (children.get(path) ?? []).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  // deepest first, so that a directory's id covers all below it
  for (const path of [...directories].sort((a, b) => b.split('/').length - a.split('/').length || b.length - a.length)) {
    const oid = hash('tree', Buffer.from(JSON.stringify(listed(path))));
    if (path !== '') add(path, { type: 'directory', oid });
    else entries.set('', { name: '', type: 'directory', oid });
  }
  const calls = { list: 0, read: 0 };
  return {
    calls,
    commit: { sha: hash('commit', Buffer.from(JSON.stringify([...entries]))), subject: 'test', author: 'test', time: 0 },
    revision: 'main@sha1:test',
    entry: async (path) => entries.get(path),
    list: async (path) => {
      calls.list++;
      return directories.has(path) ? listed(path) : undefined;
    },
    read: async (oid, _signal, maxBytes = 16 * 1024 * 1024) => {
      calls.read++;
      const bytes = blobs.get(oid);
      if (bytes === undefined) throw new DroverError('GIT_CORRUPT', oid, 'no such blob');
      if (bytes.byteLength > maxBytes) throw new DroverError('RENDER_LIMIT', oid, `${bytes.byteLength} bytes`);
      return bytes;
    },
  };
}

function hash(type: string, bytes: Uint8Array): string {
  return createHash('sha1').update(`${type} ${bytes.byteLength}\0`).update(bytes).digest('hex');
}
