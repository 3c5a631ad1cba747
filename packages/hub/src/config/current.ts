import { DroverError } from '@drover/contract';
import type { Files } from '#ports';
import { isConfigurationFile } from './files-from-tree.ts';
import { keepLastGood } from './keep-last-good.ts';
import type { ConfigurationFile } from './parse.ts';
import { parseConfiguration } from './parse.ts';
import type { Configuration } from './types.ts';
import type { SourceFlags } from './zero.ts';
import { zeroConfiguration } from './zero.ts';

export interface ConfigurationReaderDeps {
  readonly files: Pick<Files, 'read' | 'list'>;
  /** `--source` */
  readonly flags: SourceFlags | undefined;
  /** `--config` */
  readonly directory: string | undefined;
  /**
   * Files below the configuration directory of the source's commit in force; undefined when it has no such directory,
   * `unknown` while no commit is in force.
   */
  readonly filesOfTree: (signal: AbortSignal) => Promise<readonly ConfigurationFile[] | undefined | 'unknown'>;
}

/** Reads the configuration as it is written now; undefined when it cannot be told yet: what is in force stays. */
export type ConfigurationReader = (previous: Configuration | undefined, signal: AbortSignal) => Promise<Configuration | undefined>;

const MAX_FILE_BYTES = 4 * 1024 * 1024;

/**
 * The configuration directory of the source comes first, then `--config`, then what flags alone say. One that was there
 * and vanished, or cannot be read, changes nothing: absence is not emptiness.
 */
export function createConfigurationReader(deps: ConfigurationReaderDeps): ConfigurationReader {
  async function filesOf(
    signal: AbortSignal,
  ): Promise<{ readonly from: 'tree' | 'directory' | 'flags'; readonly files: readonly ConfigurationFile[] } | undefined> {
    const ofTree = await deps.filesOfTree(signal);
    if (ofTree === 'unknown') return undefined;
    if (ofTree !== undefined) return { from: 'tree', files: ofTree };
    if (deps.directory === undefined) return { from: 'flags', files: [] };
    const files = await filesOfDirectory(deps.files, deps.directory, '');
    if (files === undefined) throw new DroverError('CONFIG_VANISHED', deps.directory, 'the configuration directory cannot be read');
    return { from: 'directory', files };
  }

  return async (previous, signal) => {
    try {
      const read = await filesOf(signal);
      if (read === undefined) return previous;
      if (previous?.from === 'tree' && read.from !== 'tree') {
        throw new DroverError('CONFIG_VANISHED', 'configuration', 'its directory is gone from the source');
      }
      if (read.from === 'flags') return deps.flags === undefined ? previous : { ...zeroConfiguration(deps.flags), from: 'flags' };
      if (previous !== undefined && read.files.length === 0 && isWritten(previous))
        throw new DroverError('CONFIG_VANISHED', 'configuration', 'its directory is there, and holds no file any more');
      const next: Configuration = { ...parseConfiguration(read.files, deps.flags), from: read.from };
      return previous === undefined ? next : keepLastGood(previous, next);
    } catch (thrown) {
      signal.throwIfAborted();
      const problem = DroverError.from(thrown, 'configuration').toProblem();
      return previous === undefined
        ? undefined
        : { ...previous, problems: [...previous.problems.filter((known) => known.code !== problem.code), problem] };
    }
  };
}

/** Whether anything of it stands in a file. A directory that is suddenly empty is one that was not mounted. */
function isWritten({ sources, deliveries, clusters }: Configuration): boolean {
  return [...sources, ...deliveries, ...clusters].some(({ position }) => position !== undefined);
}

async function filesOfDirectory(
  files: Pick<Files, 'read' | 'list'>,
  root: string,
  below: string,
): Promise<readonly ConfigurationFile[] | undefined> {
  const entries = await files.list(below === '' ? root : `${root}/${below}`);
  if (entries === undefined) return undefined;
  const found: ConfigurationFile[] = [];
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    const path = below === '' ? entry.name : `${below}/${entry.name}`;
    if (entry.directory) {
      const more = await filesOfDirectory(files, root, path);
      // Gone since its parent was read: the next scan tells.
      if (more === undefined) return undefined;
      found.push(...more);
    } else if (isConfigurationFile(entry.name)) {
      const bytes = await files.read(`${root}/${path}`);
      if (bytes === undefined) return undefined;
      if (bytes.length > MAX_FILE_BYTES)
        throw new DroverError('RENDER_LIMIT', path, `${bytes.length} bytes; a configuration file has at most ${MAX_FILE_BYTES}`);
      found.push({ path, bytes });
    }
  }
  return found;
}
