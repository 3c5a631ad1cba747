import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { after, test } from 'node:test';
import { DroverError } from '@drover/contract';
import { serverPath, tempDir } from '@drover/testbed';
import { createFiles } from '../files-adapter.ts';
import { createRun } from '../run-adapter.ts';
import { createBuilder } from './builder.ts';
import { createClosureScanner } from './closure.ts';
import { createDirectoryTree } from './directory-tree-adapter.ts';
import { createKustomize } from './kustomize-adapter.ts';
import type { KustomizeEngine } from './kustomize.ts';
import { createReadLog } from './reads.ts';
import { defaultDelivery } from './render-directory.ts';
import { createTreeViews } from './tree-view.ts';

const fleets = new URL('../../../../../shared/fleets/', import.meta.url);
const absent = existsSync(fleets) ? false : '../shared/fleets is not beside this checkout; testdata/recorded is built in any case';
const { signal } = new AbortController();

/** Digests of what kustomize printed, by directory. */
const printed = new Map<string, string>();
const scratch = await tempDir('render');
after(() => scratch[Symbol.asyncDispose]());
const kustomize = createKustomize(
  { run: createRun(), files: createFiles({ dataDirectory: scratch.path }), effect: (_point, run) => run() },
  { program: serverPath('kustomize') },
);
const recording: KustomizeEngine = {
  version: (until) => kustomize.version(until),
  async build(build, until) {
    const bytes = await kustomize.build(build, until);
    printed.set(build.directory, createHash('sha256').update(bytes).digest('hex'));
    return bytes;
  },
};

/** Each row: directory, number of objects or `fails`, SHA-256 of what `kustomize build` prints on the whole repository. */
async function compare(root: URL): Promise<number> {
  const rows = (await readFile(new URL('BUILDS.tsv', root), 'utf8')).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const view = createTreeViews()(createDirectoryTree(root.pathname));
  const scanner = createClosureScanner();
  for (const row of rows) {
    const [directory = '', count, digest] = row.split('\t');
    const build = async (): Promise<number> => {
      const closure = await scanner.scan(view, { directory, roots: [directory], components: [] }, createReadLog(), signal);
      assert.ok(closure, directory);
      // a builder of its own, as one would run equal builds once
      return (await createBuilder(recording).build(view, closure, defaultDelivery(), signal)).built.length;
    };
    if (count === 'fails') {
      await assert.rejects(build, (thrown) => thrown instanceof DroverError && thrown.code === 'RENDER_RESOURCE_MISSING', directory);
      continue;
    }
    assert.equal(await build(), Number(count), directory);
    assert.equal(printed.get(directory), digest, directory);
  }
  return rows.length;
}

test(
  'the engine prints for every kustomization of the fleets what kustomize prints on the whole repository',
  { skip: absent },
  async () => {
    assert.ok((await compare(fleets)) > 160);
  },
);

test('the engine prints for the recorded directories, links and deprecated fields among them, what kustomize prints', async () => {
  assert.ok((await compare(new URL('./testdata/recorded/', import.meta.url))) > 8);
});
