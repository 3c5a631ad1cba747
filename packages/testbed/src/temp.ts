import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { forgetDirectory, tidyDirectory } from './process/supervision.ts';

export interface TempDir extends AsyncDisposable {
  readonly path: string;
}

/** A private folder, removed when disposed, and, where children run, also after the death of this process. */
export async function tempDir(name = 'testbed'): Promise<TempDir> {
  const path = await mkdtemp(join(tmpdir(), `drover-${name}-`));
  tidyDirectory(path);
  return {
    path,
    async [Symbol.asyncDispose]() {
      await rm(path, { recursive: true, force: true, maxRetries: 5 });
      forgetDirectory(path);
    },
  };
}
