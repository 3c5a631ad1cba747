import { DroverError } from '@drover/contract';
import type { Tree } from '#sources/types.ts';
import type { ConfigurationFile } from './parse.ts';

const CONFIGURATION = /\.(?:ya?ml|json)$/;
const MAX_FILES = 10_000;
const MAX_FILE_BYTES = 4 * 1024 * 1024;

/** Whether a file holds configuration, by its name. */
export function isConfigurationFile(name: string): boolean {
  return CONFIGURATION.test(name) && !name.startsWith('.');
}

/**
 * The configuration files below a directory of a commit, in the order of their paths.
 *
 * @param directory without slashes at its ends
 * @returns undefined when the directory does not exist at this commit
 * @throws DroverError RENDER_LIMIT for a file over 4 MiB, or more than 10,000 files; CONFIG_INVALID for links and submodules
 */
export async function configFilesFromTree(
  tree: Tree,
  directory: string,
  signal: AbortSignal,
): Promise<readonly ConfigurationFile[] | undefined> {
  const files: ConfigurationFile[] = [];
  const pending = [directory];
  for (let path = pending.shift(); path !== undefined; path = pending.shift()) {
    const entries = await tree.list(path, signal);
    if (entries === undefined) {
      if (path === directory) return undefined;
      throw new DroverError('GIT_CORRUPT', path, 'the directory is listed and cannot be read');
    }
    for (const { name, type, oid } of entries) {
      const below = path === '' ? name : `${path}/${name}`;
      if (type === 'directory') {
        if (!name.startsWith('.')) pending.push(below);
      } else if (isConfigurationFile(name)) {
        if (type !== 'file')
          throw new DroverError('CONFIG_INVALID', below, `configuration is read from files, not from a ${type}`, {
            position: { file: below },
          });
        if (files.length >= MAX_FILES) throw new DroverError('RENDER_LIMIT', directory, `more than ${MAX_FILES} configuration files`);
        files.push({ path: below, bytes: await tree.read(oid, signal, MAX_FILE_BYTES) });
      }
    }
  }
  return files.sort((left, right) => (left.path < right.path ? -1 : 1));
}
