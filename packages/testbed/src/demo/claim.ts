// One demo in a place: a second would wipe what the first one runs on.

import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface Claim extends AsyncDisposable {
  readonly mine: boolean;
  /** Process that has the place. */
  readonly holder: number;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Takes the directory until it is disposed; the claim of a process that is gone is void. */
export async function claim(dir: string): Promise<Claim> {
  const file = join(dir, 'demo.pid');
  await mkdir(dir, { recursive: true, mode: 0o700 });
  for (;;) {
    try {
      await writeFile(file, String(process.pid), { flag: 'wx', mode: 0o600 });
      return { mine: true, holder: process.pid, [Symbol.asyncDispose]: () => rm(file, { force: true }) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const holder = Number(await readFile(file, 'utf8').catch(() => ''));
    if (holder > 0 && isAlive(holder)) return { mine: false, holder, [Symbol.asyncDispose]: () => Promise.resolve() };
    await rm(file, { force: true });
  }
}
