import type { Logger } from '@drover/contract';
import type { Git } from './git.ts';

/**
 * Keeps a mirror small: every fetch leaves a pack, rewritten history leaves objects that nobody needs. It runs beside
 * fetches, one run at a time, and its failure costs nothing but space.
 */
export interface Maintenance extends AsyncDisposable {
  /** Counts what an earlier process left. */
  begin(gitDirectory: string): Promise<void>;
  /** A git of ours works in the repository. */
  busy(): boolean;
  /** After a new commit was taken. @param rewritten its history replaced an earlier one */
  advanced(gitDirectory: string, rewritten: boolean): void;
}

const MAX_PACKS = 48;
const MAX_REWRITES = 16;
const TIMEOUT_MS = 10 * 60_000;

export function createMaintenance(deps: {
  readonly git: Git;
  readonly log: Logger;
  readonly directoryEntries: (path: string) => Promise<readonly { readonly name: string }[] | undefined>;
}): Maintenance {
  const stop = new AbortController();
  let packs = 0;
  let rewrites = 0;
  let running: Promise<void> | undefined;

  async function run(gitDirectory: string, args: readonly string[]): Promise<void> {
    try {
      const done = await deps.git(args, { gitDirectory, protocol: undefined, timeoutMs: TIMEOUT_MS }, stop.signal);
      if (!done.ok) deps.log.warn({ err: done.error }, 'maintenance of a mirror failed');
    } catch (error) {
      if (!stop.signal.aborted) deps.log.warn({ err: error }, 'maintenance of a mirror failed');
    } finally {
      running = undefined;
    }
  }

  return {
    async begin(gitDirectory) {
      const entries = (await deps.directoryEntries(`${gitDirectory}/objects/pack`)) ?? [];
      packs = entries.filter(({ name }) => name.endsWith('.pack')).length;
    },
    busy: () => running !== undefined,
    advanced(gitDirectory, rewritten) {
      packs += 1;
      if (rewritten) rewrites += 1;
      if (running !== undefined || stop.signal.aborted) return;
      if (rewrites >= MAX_REWRITES) {
        [packs, rewrites] = [0, 0];
        // A tree that is being read may belong to no ref any more.
        running = run(gitDirectory, ['gc', '--quiet', '--prune=2.hours.ago']);
      } else if (packs >= MAX_PACKS) {
        packs = 0;
        running = run(gitDirectory, ['repack', '-d', '-q', '--geometric=2']);
      }
    },
    async [Symbol.asyncDispose]() {
      stop.abort(new Error('the mirror was closed'));
      await running;
    },
  };
}
