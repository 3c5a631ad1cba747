import assert from 'node:assert/strict';
import { chmod, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { DroverError } from '@drover/contract';
import { serverPath, tempDir } from '@drover/testbed';
import { createFiles } from '../files-adapter.ts';
import { createRun } from '../run-adapter.ts';
import { createKustomize } from './kustomize-adapter.ts';
import type { KustomizeOptions } from './kustomize-adapter.ts';
import type { KustomizeBuild, KustomizeEngine } from './kustomize.ts';

const { signal } = new AbortController();
const data = await tempDir('kustomize');
after(() => data[Symbol.asyncDispose]());

const points: string[] = [];
const ports = {
  run: createRun(),
  files: createFiles({ dataDirectory: data.path }),
  effect: <T>(point: string, run: () => Promise<T>): Promise<T> => {
    points.push(point);
    return run();
  },
};

/** An engine whose program is a shell script. */
async function scripted(script: string, options: Partial<KustomizeOptions> = {}): Promise<KustomizeEngine> {
  const program = join(data.path, `program-${Math.random().toString(36).slice(2)}`);
  await writeFile(program, `#!/bin/sh\n${script}\n`);
  await chmod(program, 0o700);
  return createKustomize(ports, { program, ...options });
}

const build: KustomizeBuild = {
  files: new Map([
    ['k/kustomization.yaml', '{"resources":["a.yaml"]}'],
    ['k/a.yaml', 'apiVersion: v1\nkind: X\nmetadata: {name: a}\n'],
  ]),
  links: new Map(),
  directory: 'k',
};
const leftovers = async (): Promise<readonly string[]> => await readdir(join(data.path, 'tmp'));

test('the real kustomize builds the export, tells its version, and leaves nothing behind', async () => {
  const engine = createKustomize(ports, { program: serverPath('kustomize') });
  assert.match(await engine.version(signal), /^v5\.8\./);
  assert.equal((await engine.build(build, signal)).toString(), 'apiVersion: v1\nkind: X\nmetadata:\n  name: a\n');
  assert.deepEqual(await leftovers(), []);
  assert.deepEqual(points, ['render']);
});

test('T6 the program sees no environment but a home of its own and its memory limit, and no file but the export', async () => {
  const engine = await scripted(
    'env | grep -v -e ^PWD= -e ^SHLVL= -e ^_= | sed "s#=.*render-.*#=scratch#" | sort; cd "$HOME" && find . | sort',
  );
  assert.equal(
    (await engine.build(build, signal)).toString(),
    'GOGC=off\nGOMAXPROCS=1\nGOMEMLIMIT=512MiB\nHOME=scratch\nTMPDIR=scratch\n.\n./tree\n./tree/k\n./tree/k/a.yaml\n./tree/k/kustomization.yaml\n',
  );
});

test('T7 a link is made anew, to the place inside the export that it stands for', async () => {
  const engine = await scripted('cd "$HOME/tree" && readlink k/base && cat k/base/b.yaml');
  const linked = { ...build, files: new Map([['shared/base/b.yaml', 'base\n']]), links: new Map([['k/base', 'shared/base']]) };
  assert.equal((await engine.build(linked, signal)).toString(), '../shared/base\nbase\n');
});

test('F30 an error of the content carries the message, with paths of the repository', async () => {
  const engine = await scripted('echo "Error: bad $HOME/tree/k/a.yaml in $HOME/tree" >&2; exit 1');
  await assert.rejects(engine.build(build, signal), { code: 'RENDER_KUSTOMIZE', what: 'Error: bad k/a.yaml in .' });
});

const failures: readonly {
  readonly name: string;
  readonly script: string;
  readonly code: string;
  readonly options?: Partial<KustomizeOptions>;
}[] = [
  { name: 'F30 a crash proves nothing about the content', script: 'echo "panic: x" >&2; exit 2', code: 'RENDER_ENGINE_FAILED' },
  { name: 'F30 death by a signal proves nothing', script: 'kill -9 $$', code: 'RENDER_ENGINE_FAILED' },
  { name: 'F30 partial output before a crash is not taken', script: 'echo "apiVersion: v1"; kill -9 $$', code: 'RENDER_ENGINE_FAILED' },
  { name: 'F30 a hang ends at the time limit', script: 'sleep 60', code: 'RENDER_ENGINE_FAILED', options: { timeoutMs: 100 } },
  { name: 'F30 too much output is an error, never cut short', script: 'yes', code: 'RENDER_LIMIT', options: { maxOutputBytes: 1000 } },
];
for (const { name, script, code, options } of failures) {
  test(name, async () => {
    const engine = await scripted(script, options);
    await assert.rejects(engine.build(build, signal), (thrown) => thrown instanceof DroverError && thrown.code === code);
    assert.deepEqual(await leftovers(), []);
  });
}

test('F30 a program that is not there proves nothing', async () => {
  const engine = createKustomize(ports, { program: join(data.path, 'absent') });
  await assert.rejects(engine.build(build, signal), { code: 'RENDER_ENGINE_FAILED' });
  await assert.rejects(engine.version(signal), { code: 'RENDER_ENGINE_FAILED' });
});

test('a cancelled build rejects with the reason and leaves nothing behind', async () => {
  const abort = new AbortController();
  const engine = await scripted('sleep 60');
  const running = engine.build(build, abort.signal);
  abort.abort(new Error('stopped'));
  await assert.rejects(running, /stopped/);
  assert.deepEqual(await leftovers(), []);
});
