import { lstat, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** An absolute path with its links followed, as far as it exists. */
export async function realDirectory(directory: string): Promise<string> {
  try {
    return await realpath(directory);
  } catch {
    const parent = dirname(directory);
    return parent === directory ? directory : join(await realDirectory(parent), basename(directory));
  }
}

/** The nearest directory at or above that holds `.git`, else the directory itself. */
export async function repositoryRoot(start: string): Promise<string> {
  for (let at = start; ; at = dirname(at)) {
    if (
      await lstat(join(at, '.git')).then(
        () => true,
        () => false,
      )
    )
      return at;
    if (dirname(at) === at) return start;
  }
}
