import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CacheStore } from '#ports';

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
const UNFINISHED = '.new';

/** The cache in a directory of its own; a file is there whole or not at all. */
export function createDiskCache(directory: string): CacheStore {
  const pathOf = (name: string): string => {
    if (!NAME.test(name)) throw new RangeError(`cache: ${name} is no name`);
    return join(directory, name);
  };
  return {
    async read(name) {
      try {
        return await readFile(pathOf(name));
      } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw thrown;
      }
    },
    async write(name, bytes) {
      const path = pathOf(name);
      await mkdir(directory, { recursive: true, mode: 0o700 });
      // Not synced: what a power loss damages is seen by its digest, and fetched again.
      await writeFile(path + UNFINISHED, bytes, { mode: 0o600 });
      await rename(path + UNFINISHED, path);
    },
    remove: (name) => rm(pathOf(name), { force: true }),
    async list() {
      const names = await readdir(directory).catch((thrown: unknown) => {
        if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return [];
        throw thrown;
      });
      return names.filter((name) => NAME.test(name) && !name.endsWith(UNFINISHED));
    },
  };
}

/** A cache that ends with the process. */
export function createMemoryCache(): CacheStore {
  const held = new Map<string, Uint8Array>();
  return {
    read: async (name) => held.get(name),
    write: async (name, bytes) => void held.set(name, bytes),
    remove: async (name) => void held.delete(name),
    list: async () => [...held.keys()],
  };
}
