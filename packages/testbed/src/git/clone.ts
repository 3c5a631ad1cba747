import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { tempDir } from '../temp.ts';
import { git } from './git.ts';

/** A clone with a work tree, as a developer has one; disposing removes it if it is in a temporary folder. */
export interface WorkingClone extends AsyncDisposable {
  readonly path: string;
  /** Paths are relative to the clone; folders are made. */
  write(files: Readonly<Record<string, string | Uint8Array>>): Promise<void>;
  remove(paths: readonly string[]): Promise<void>;
  /** Commits everything that changed, or an empty commit; returns the commit's id. */
  commit(message: string): Promise<string>;
  push(options?: { readonly force?: boolean; readonly ref?: string }): Promise<void>;
  /** The id of the checked-out commit. */
  head(): Promise<string>;
  /** Any git command; returns what it prints. */
  git(...args: string[]): Promise<string>;
  /** Writes, commits and pushes; returns the commit's id. */
  publish(message: string, files: Readonly<Record<string, string | Uint8Array>>, removed?: readonly string[]): Promise<string>;
}

/** Clones `url` into a folder, a temporary one by default. */
export async function cloneRepository(url: string, dir?: string): Promise<WorkingClone> {
  const own = dir === undefined ? await tempDir('clone') : undefined;
  const path = dir ?? join(own?.path ?? '', 'work');
  await mkdir(dirname(path), { recursive: true });
  await git(dirname(path), 'clone', '--quiet', url, path);
  // For whoever uses this clone by hand.
  await git(path, 'config', 'user.name', 'Testbed');
  await git(path, 'config', 'user.email', 'testbed@example.com');
  await git(path, 'config', 'push.autoSetupRemote', 'true');

  const clone: WorkingClone = {
    path,
    async write(files) {
      for (const [name, content] of Object.entries(files)) {
        await mkdir(dirname(join(path, name)), { recursive: true });
        await writeFile(join(path, name), content);
      }
    },
    async remove(paths) {
      for (const name of paths) await rm(join(path, name), { recursive: true });
    },
    async commit(message) {
      await git(path, 'add', '--all');
      await git(path, 'commit', '--quiet', '--allow-empty', '--message', message);
      return await clone.head();
    },
    async push({ force = false, ref = 'HEAD' } = {}) {
      await git(path, 'push', '--quiet', ...(force ? ['--force'] : []), 'origin', ref);
    },
    head: () => git(path, 'rev-parse', 'HEAD'),
    git: (...args) => git(path, ...args),
    async publish(message, files, removed = []) {
      await clone.write(files);
      await clone.remove(removed);
      const id = await clone.commit(message);
      await clone.push();
      return id;
    },
    async [Symbol.asyncDispose]() {
      await own?.[Symbol.asyncDispose]();
    },
  };
  return clone;
}
