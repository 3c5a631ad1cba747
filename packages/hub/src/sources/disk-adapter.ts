import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Bytes of the files directly in a directory; 0 when it is absent. Files that vanish meanwhile do not count. */
export async function directoryBytes(directory: string): Promise<number> {
  const names = await readdir(directory).catch(() => []);
  let total = 0;
  for (const name of names) {
    const found = await stat(join(directory, name)).catch(() => undefined);
    if (found?.isFile() === true) total += found.size;
  }
  return total;
}
