import { lstat, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** The nearest directory at or above that holds `.git`, else the directory itself; links followed. */
export async function repositoryRoot(directory: string): Promise<string> {
  const start = await realpath(directory);
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
