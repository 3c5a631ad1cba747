import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import type { Problem } from '@drover/contract';
import { DroverError } from '@drover/contract';
import { findProgram, pathDirectories } from '#publish/find-program-adapter.ts';
import { createFiles } from '../files-adapter.ts';
import { createRun } from '../run-adapter.ts';
import { renderDirectory } from './render-directory.ts';
import { realDirectory, repositoryRoot } from './repository-root-adapter.ts';
import type { RenderResult } from './types.ts';

export interface OfflineOptions {
  readonly directory: string;
  /** What relative paths begin at. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What paths may not leave; by default the repository that holds the directory. */
  readonly root?: string;
  readonly cluster: {
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly vars: Readonly<Record<string, string>>;
  };
  /** Path or name of the program; by default it is looked for as the hub does. */
  readonly kustomize?: string;
}

export interface Offline {
  readonly result: RenderResult;
  /** The lines that end with the one of a problem's position; undefined where there is none. */
  sourceOf(problem: Problem): Promise<{ readonly file: string; readonly first: number; readonly lines: string[] } | undefined>;
}

const LINES_BEFORE = 2;

/**
 * Renders a directory on disk as a hub would, for `drover render`.
 *
 * @throws DroverError USAGE when there is no kustomize
 */
export async function renderOffline(options: OfflineOptions, signal: AbortSignal): Promise<Offline> {
  const absolute = (path: string): string => (isAbsolute(path) ? path : resolve(options.cwd, path));
  const directory = await realDirectory(absolute(options.directory));
  const root = options.root === undefined ? await repositoryRoot(directory) : await realDirectory(absolute(options.root));
  const wanted = options.kustomize ?? 'kustomize';
  const kustomize = wanted.includes('/')
    ? absolute(wanted)
    : findProgram(wanted, [options.env['DROVER_SERVERS'], ...pathDirectories(options.env['PATH'])]);
  if (kustomize === undefined) throw new DroverError('USAGE', '--kustomize', `${wanted} is not on PATH; kustomize 5.8 is needed`);
  const scratch = await mkdtemp(join(tmpdir(), 'drover-render-'));
  try {
    const ports = {
      run: createRun(),
      files: createFiles({ dataDirectory: scratch }),
      effect: <T>(_point: string, run: () => Promise<T>) => run(),
    };
    const cluster = { ...options.cluster, apiResources: undefined };
    const result = await renderDirectory({ directory, root, cluster, kustomize, ports }, signal);
    return { result, sourceOf: (problem) => linesOf(root, problem) };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function linesOf(root: string, problem: Problem): ReturnType<Offline['sourceOf']> {
  const { file = '', line } = problem.position ?? {};
  if (line === undefined) return undefined;
  const text = await readFile(join(root, file), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const first = Math.max(1, line - LINES_BEFORE);
  return { file, first, lines: text.split(/\r?\n/).slice(first - 1, line) };
}
