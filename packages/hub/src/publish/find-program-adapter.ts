import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** First executable file of this name in the directories, in order; empty and relative ones are left out. */
export function findProgram(name: string, directories: readonly (string | undefined)[]): string | undefined {
  for (const directory of directories) {
    if (directory === undefined || !directory.startsWith('/')) continue;
    const path = join(directory, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      continue;
    }
  }
  return undefined;
}

/** @param path as in the environment variable PATH */
export function pathDirectories(path: string | undefined): readonly string[] {
  return (path ?? '').split(delimiter);
}
