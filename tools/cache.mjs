// The cache that all clones on a machine share, and what keeps two of them from filling it at once.

import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** A failure the user can mend: printed as it is, without a stack. */
export class Refusal extends Error {}

export function cacheRoot() {
  const base = process.env.XDG_CACHE_HOME;
  return join(base !== undefined && base !== '' ? base : join(homedir(), '.cache'), 'drover');
}

/** A short name for the given values, equal when they are. */
export const digest = (...parts) => createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Runs `work` while no other process on this machine holds the lock of that name; the lock of a dead process is void. */
export async function exclusively(name, signal, work) {
  const path = join(cacheRoot(), name);
  await mkdir(cacheRoot(), { recursive: true });
  for (;;) {
    try {
      await writeFile(path, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const holder = Number(await readFile(path, 'utf8').catch(() => ''));
    // Zero: the holder has made the file and not yet written into it.
    if (holder > 0 && !isAlive(holder)) await rm(path, { force: true });
    else await delay(300, undefined, { signal });
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}
