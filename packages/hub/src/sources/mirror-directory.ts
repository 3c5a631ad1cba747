import { DroverError } from '@drover/contract';
import type { Effect } from '@drover/contract';
import type { Files } from '#ports';
import type { Git } from './git.ts';

/**
 * Where a mirror lies: `<directory>/g<n>` is a bare repository, the file `current` names the one in force. A damaged
 * mirror is cloned anew beside it, then `current` is replaced: one atomic step, and nothing is lost before it.
 */
export interface MirrorDirectory {
  /** The repository in force, made empty when there is none; leftovers of a process that died are removed once. */
  current(signal: AbortSignal): Promise<string>;
  /** A new empty repository beside it. */
  beside(signal: AbortSignal): Promise<string>;
  /** Puts another one in force and removes the one before. */
  replace(next: string): Promise<void>;
  /** Removes what a killed git leaves in a repository: half packs and locks. No git may be running in it. */
  tidy(gitDirectory: string): Promise<void>;
  /** The commit of one of our refs; undefined when there is none. */
  readRef(gitDirectory: string, ref: string): Promise<string | undefined>;
  writeRef(gitDirectory: string, ref: string, sha: string): Promise<void>;
  /** Names of the refs directly below a prefix, without it. */
  listRefs(gitDirectory: string, prefix: string): Promise<readonly string[]>;
  removeRef(gitDirectory: string, ref: string): Promise<void>;
}

const GENERATION = /^g(\d{1,9})$/;
const INIT_TIMEOUT_MS = 30_000;

export function createMirrorDirectory(deps: {
  readonly files: Files;
  readonly git: Git;
  readonly effect: Effect;
  readonly directory: string;
}): MirrorDirectory {
  const { files, directory } = deps;
  let known: string | undefined;

  async function generations(): Promise<readonly number[]> {
    const entries = (await files.list(directory)) ?? [];
    return entries.flatMap(({ name }) => Number(GENERATION.exec(name)?.[1] ?? Number.NaN)).filter((number) => !Number.isNaN(number));
  }

  async function beside(signal: AbortSignal): Promise<string> {
    const next = `${directory}/g${Math.max(0, ...(await generations())) + 1}`;
    await files.makeDirectory(next);
    const options = { gitDirectory: next, protocol: undefined, timeoutMs: INIT_TIMEOUT_MS };
    const made = await deps.git(['init', '--quiet', '--bare', '--template=', `--initial-branch=${UNBORN}`], options, signal);
    if (!made.ok) throw made.error;
    return next;
  }

  async function put(next: string): Promise<void> {
    await deps.effect('git-mirror', () => files.writeAtomic(`${directory}/current`, `${next.slice(directory.length + 1)}\n`));
    known = next;
    for (const number of await generations()) {
      const path = `${directory}/g${number}`;
      if (path !== next) await files.remove(path);
    }
  }

  async function tidy(gitDirectory: string): Promise<void> {
    for (const [below, stale] of LEFTOVERS) {
      for (const { name, directory: isDirectory } of (await files.list(`${gitDirectory}/${below}`)) ?? []) {
        if (!isDirectory && stale.test(name)) await files.remove(`${gitDirectory}/${below}/${name}`);
      }
    }
  }

  return {
    async current(signal) {
      if (known !== undefined) return known;
      const name = (await files.read(`${directory}/current`))?.toString('utf8').trim();
      if (name !== undefined && GENERATION.test(name) && (await files.read(`${directory}/${name}/HEAD`)) !== undefined) {
        await tidy(`${directory}/${name}`);
        await put(`${directory}/${name}`);
      } else await put(await beside(signal));
      if (known === undefined) throw new DroverError('STORE_FAILED', directory, 'the mirror has no directory');
      return known;
    },
    beside,
    replace: put,
    tidy,
    async readRef(gitDirectory, ref) {
      const text = (await files.read(`${gitDirectory}/${ref}`))?.toString('utf8').trim();
      return text !== undefined && /^[0-9a-f]{40}$/.test(text) ? text : undefined;
    },
    async writeRef(gitDirectory, ref, sha) {
      await files.makeDirectory(`${gitDirectory}/${ref.slice(0, ref.lastIndexOf('/'))}`);
      await files.writeAtomic(`${gitDirectory}/${ref}`, `${sha}\n`);
    },
    async listRefs(gitDirectory, prefix) {
      return ((await files.list(`${gitDirectory}/${prefix}`)) ?? []).filter((entry) => !entry.directory).map((entry) => entry.name);
    },
    removeRef: (gitDirectory, ref) => files.remove(`${gitDirectory}/${ref}`),
  };
}

/** The branch that HEAD of a new mirror names: no remote's. */
export const UNBORN = 'drover/unborn';

const LEFTOVERS: readonly (readonly [below: string, stale: RegExp])[] = [
  ['', /\.lock$/],
  ['objects/pack', /^(?:tmp_|\.tmp-)/],
  ['refs/drover', /\.(?:lock|tmp)$/],
  ['refs/drover/good', /\.(?:lock|tmp)$/],
];
