import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import type { Clock, Logger } from '@drover/contract';
import type { WorkingClone } from '@drover/testbed';
import { startGitServer, tempDir } from '@drover/testbed';
import type { GitServer, GitServerOptions, ServedRepository, TempDir } from '@drover/testbed';
import type { GitRepository } from '#config/types.ts';
import type { Run } from '#ports';
import { createFiles } from '../../files-adapter.ts';
import { createRun } from '../../run-adapter.ts';
import { startBatch } from '../cat-file-adapter.ts';
import { directoryBytes } from '../disk-adapter.ts';
import type { MirrorOptions, Mirrors } from '../mirror.ts';
import { createMirrors } from '../mirror.ts';
import type { FetchResult, GitMirror, Tree } from '../types.ts';

export const never = new AbortController().signal;

export const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: async (ms, signal) => {
    await delay(ms, undefined, { signal });
  },
};

export const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };

/** A served repository with a developer's clone of it, and mirrors in a directory of their own. */
export interface Fixture extends AsyncDisposable {
  readonly server: GitServer;
  readonly repository: ServedRepository;
  readonly writer: WorkingClone;
  readonly data: TempDir;
  readonly spec: GitRepository;
  /** Command lines of every git that was started, with its environment. */
  readonly started: { readonly args: readonly string[]; readonly env: Readonly<Record<string, string>> }[];
  readonly secrets: Map<string, Map<string, Uint8Array>>;
  /** Messages of level warn and error. */
  readonly logged: string[];
  /** Another set of mirrors on the same directory: the hub after a restart. */
  mirrors(options?: Partial<MirrorOptions>): Mirrors;
  mirror(options?: Partial<MirrorOptions>): GitMirror;
}

export async function startFixture(options: GitServerOptions = {}): Promise<Fixture> {
  const resources = new AsyncDisposableStack();
  const server = resources.use(await startGitServer(options));
  const repository = await server.createRepository('fleet');
  const writer = resources.use(await repository.clone());
  const data = resources.use(await tempDir('mirrors'));
  const started: Fixture['started'] = [];
  const secrets: Fixture['secrets'] = new Map();
  const logged: string[] = [];
  const log: Logger = { ...quiet, warn: (_fields, message) => logged.push(message), error: (_fields, message) => logged.push(message), child: () => log };
  const run = createRun();
  const recorded: Run = (program, args, runOptions, signal) => {
    started.push({ args, env: runOptions.env });
    return run(program, args, runOptions, signal);
  };
  const mirrors = (changed: Partial<MirrorOptions> = {}): Mirrors =>
    createMirrors(
      {
        clock,
        log,
        effect: (_point, effect) => effect(),
        run: recorded,
        files: createFiles({ dataDirectory: data.path }),
        startBatch,
        directoryBytes,
        secrets: { read: async (namespace, name) => secrets.get(`${namespace}/${name}`) },
      },
      { mirrorsDirectory: `${data.path}/mirrors`, searchPath: process.env['PATH'] ?? '', allowLocal: false, ...changed },
    );
  const spec = specOf(repository.url);
  return {
    server,
    repository,
    writer,
    data,
    spec,
    started,
    secrets,
    logged,
    mirrors,
    mirror: (changed) => resources.use(mirrors(changed).mirror(spec)),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

export function specOf(url: string, changed: Partial<GitRepository> = {}): GitRepository {
  return {
    namespace: 'drover',
    name: 'fleet',
    url,
    ref: { type: 'branch', name: 'main' },
    intervalMs: 60_000,
    timeoutMs: 20_000,
    insecure: true,
    forcePush: 'Follow',
    suspend: false,
    ...changed,
  };
}

export const localUrl = (path: string): string => pathToFileURL(path).href;

/** Every visible path with its content; directories are walked. */
export async function readAll(tree: Tree, path = ''): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const entry of (await tree.list(path, never)) ?? []) {
    const at = path === '' ? entry.name : `${path}/${entry.name}`;
    if (entry.type === 'directory') Object.assign(found, await readAll(tree, at));
    else found[at] = entry.type === 'submodule' ? `submodule ${entry.oid}` : (await tree.read(entry.oid, never)).toString('utf8');
  }
  return found;
}

/** The tree of a fetch that must have worked. */
export function taken(result: FetchResult): Tree {
  assert.equal(result.problem, undefined, JSON.stringify(result.problem));
  assert.ok(result.tree);
  return result.tree;
}
