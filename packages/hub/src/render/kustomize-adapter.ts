import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { HubPorts } from '#ports';
import { DroverError } from '@drover/contract';
import { createCoalescer } from './coalescer.ts';
import type { KustomizeBuild, KustomizeEngine } from './kustomize.ts';
import { createLimiter } from './limiter.ts';

export interface KustomizeOptions {
  /** Path of the program. */
  readonly program: string;
  /** Default 60 s. */
  readonly timeoutMs?: number;
  /** Default 64 MiB. */
  readonly maxOutputBytes?: number;
  /** Default 2: more gain nothing on two cores. */
  readonly concurrency?: number;
}

/** A build needs some 20 MB, and collecting them takes a third of its time: garbage is collected from the limit on. */
const RUNTIME = { GOGC: 'off', GOMEMLIMIT: '512MiB', GOMAXPROCS: '1' };

/** kustomize ends so after an error of the content; a crash of the Go runtime is 2. */
const CONTENT_ERROR = 1;

/** Runs the kustomize program on an export that holds nothing but the files of one build. */
export function createKustomize(ports: Pick<HubPorts, 'run' | 'files' | 'effect'>, options: KustomizeOptions): KustomizeEngine {
  const { program, timeoutMs = 60_000, maxOutputBytes = 64 * 1024 * 1024, concurrency = 2 } = options;
  const limited = createLimiter(concurrency);
  const asking = createCoalescer<string>();
  let known: string | undefined;

  async function version(signal: AbortSignal): Promise<string> {
    return (known ??= await asking('version', signal, () => ask(signal)));
  }

  async function ask(signal: AbortSignal): Promise<string> {
    const { exitCode, stdout, stderr } = await start(['version'], '/', signal);
    if (exitCode !== 0)
      throw new DroverError('RENDER_ENGINE_FAILED', program, `kustomize version ended with ${exitCode}: ${stderr.slice(0, 200)}`);
    return stdout.toString('utf8').trim();
  }

  async function start(args: readonly string[], home: string, signal: AbortSignal): ReturnType<HubPorts['run']> {
    try {
      return await ports.run(
        program,
        args,
        { cwd: home, env: { HOME: home, TMPDIR: home, ...RUNTIME }, timeoutMs, maxOutputBytes },
        signal,
      );
    } catch (thrown) {
      if (signal.aborted) throw signal.reason;
      if (thrown instanceof DroverError) throw thrown;
      throw new DroverError('RENDER_ENGINE_FAILED', program, Error.isError(thrown) ? thrown.message : String(thrown), { cause: thrown });
    }
  }

  function build(build: KustomizeBuild, signal: AbortSignal): Promise<Buffer> {
    return limited(signal, async () => {
      const scratch = realpathSync(await ports.files.temporaryDirectory('render-'));
      try {
        const directory = write(scratch, build);
        const args = ['build', '--load-restrictor', 'LoadRestrictionsNone', directory];
        const { exitCode, stdout, stderr } = await ports.effect('render', () => start(args, scratch, signal));
        if (exitCode === 0) return stdout;
        const message = stderr
          .replaceAll(`${join(scratch, 'tree')}/`, '')
          .replaceAll(join(scratch, 'tree'), '.')
          .replaceAll(scratch, '.');
        if (exitCode === CONTENT_ERROR) throw new DroverError('RENDER_KUSTOMIZE', build.directory || '.', message.trim());
        throw new DroverError('RENDER_ENGINE_FAILED', program, `ended with ${exitCode}`);
      } finally {
        await ports.files.remove(scratch);
      }
    });
  }

  return { version, build };
}

/** Lays out `tree/` with the repository's files and, where there is one, `top/`; returns what is to be built. */
function write(scratch: string, build: KustomizeBuild): string {
  const tree = join(scratch, 'tree');
  const top = join(scratch, 'top');
  const made = new Set<string>();
  const put = (path: string, content: Uint8Array | string): void => {
    const parent = dirname(path);
    if (!made.has(parent)) mkdirSync(parent, { recursive: true, mode: 0o700 });
    made.add(parent);
    writeFileSync(path, content, { mode: 0o600, flag: 'wx' });
  };
  mkdirSync(join(tree, build.directory), { recursive: true, mode: 0o700 });
  for (const [path, content] of build.files) put(join(tree, path), content);
  for (const [path, target] of build.links) {
    // no link of the repository is copied: each is made anew, to the place inside the export that it was found to mean
    const link = join(tree, path);
    mkdirSync(dirname(link), { recursive: true, mode: 0o700 });
    symlinkSync(relative(dirname(link), join(tree, target)) || '.', link);
  }
  if (build.top === undefined) return join(tree, build.directory);
  for (const [path, content] of build.top.files) put(join(top, path), content);
  put(join(top, 'kustomization.yaml'), JSON.stringify(build.top.kustomization));
  return top;
}
