import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, open, readFile, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DroverError } from '@drover/contract';
import type { Files } from './ports.ts';

/** The {@link Files} port over `node:fs`; what fails is STORE_FAILED with the path. */
export function createFiles(options: { readonly dataDirectory: string }): Files {
  return {
    read: (path) => absentAs(undefined, path, () => readFile(path)),
    writeAtomic: (path, bytes, mode = 0o600) => named(path, () => writeAtomic(path, bytes, mode)),
    list: (path) =>
      absentAs(undefined, path, async () => {
        const entries = await readdir(path, { withFileTypes: true });
        entries.sort((a, b) => (a.name < b.name ? -1 : 1));
        return entries.map((entry) => ({ name: entry.name, directory: entry.isDirectory() }));
      }),
    makeDirectory: (path, mode = 0o700) =>
      named(path, async () => {
        await mkdir(path, { recursive: true, mode });
      }),
    remove: (path) => named(path, () => rm(path, { recursive: true, force: true, maxRetries: 5 })),
    temporaryDirectory: (prefix) => {
      const parent = join(options.dataDirectory, 'tmp');
      return named(parent, async () => {
        await mkdir(parent, { recursive: true, mode: 0o700 });
        return await mkdtemp(join(parent, prefix));
      });
    },
  };
}

async function writeAtomic(path: string, bytes: Uint8Array | string, mode: number): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    {
      await using file = await open(temporary, 'wx', mode);
      await file.writeFile(bytes);
      await file.sync();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await using directory = await open(dirname(path), 'r');
  await directory.sync();
}

async function absentAs<T, U>(absent: U, path: string, run: () => Promise<T>): Promise<T | U> {
  try {
    return await run();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return absent;
    throw storeFailed(path, error);
  }
}

async function named<T>(path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw storeFailed(path, error);
  }
}

function storeFailed(path: string, error: unknown): DroverError {
  const { code, message } = error as NodeJS.ErrnoException;
  return new DroverError('STORE_FAILED', path, code ?? message, { cause: error });
}
