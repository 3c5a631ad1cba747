import assert from 'node:assert/strict';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { serverPath, tempDir } from '@drover/testbed';
import { createFiles } from '../files-adapter.ts';
import { createRun } from '../run-adapter.ts';
import { createDirectoryTree } from './directory-tree-adapter.ts';
import { renderDirectory } from './render-directory.ts';

const { signal } = new AbortController();
const cluster = { name: 'lab', labels: {}, vars: {}, apiResources: undefined };

async function write(root: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
}

test('files on disk are a tree: ids as git gives them, links not followed, .git and what the root ignores left out', async () => {
  await using dir = await tempDir('tree');
  await write(dir.path, {
    'a/x.yaml': 'hello\n',
    '.git/HEAD': 'x',
    'b.yaml': '',
    '.sourceignore': '*.txt\n/.sourceignore\n',
    'a/x.txt': '',
  });
  await symlink('a/x.yaml', join(dir.path, 'link'));
  const tree = createDirectoryTree(dir.path);
  assert.deepEqual(
    (await tree.list('', signal))?.map(({ name, type }) => [name, type]),
    [
      ['a', 'directory'],
      ['b.yaml', 'file'],
      ['link', 'symlink'],
    ],
  );
  assert.deepEqual(
    (await tree.list('a', signal))?.map(({ name }) => name),
    ['x.yaml'],
  );
  const entry = await tree.entry('a/x.yaml', signal);
  assert.equal(entry?.oid, 'ce013625030ba8dba906f756967f9e9ca394464a');
  assert.equal((await tree.read(entry.oid, signal)).toString(), 'hello\n');
  assert.equal((await tree.read((await tree.entry('link', signal))?.oid ?? '', signal)).toString(), 'a/x.yaml');
  assert.deepEqual([await tree.entry('gone/x', signal), await tree.list('b.yaml', signal)], [undefined, undefined]);
  await assert.rejects(tree.read(entry.oid, signal, 3), { code: 'RENDER_LIMIT' });
});

test('a directory renders with no hub: bases above it belong to it as far as the repository goes', async () => {
  await using dir = await tempDir('render');
  await using data = await tempDir('data');
  const ports = {
    run: createRun(),
    files: createFiles({ dataDirectory: data.path }),
    effect: <T>(_point: string, run: () => Promise<T>) => run(),
  };
  const render = (directory: string): ReturnType<typeof renderDirectory> =>
    renderDirectory({ directory: join(dir.path, directory), cluster, kustomize: serverPath('kustomize'), ports }, signal);
  await write(dir.path, {
    'repo/.git/HEAD': 'ref: refs/heads/main\n',
    'repo/base/kustomization.yaml': 'resources: [a.yaml]',
    'repo/base/a.yaml': 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n',
    'repo/clusters/lab/kustomization.yaml': 'resources: [../../base]\nnamespace: lab',
    'repo/clusters/bad/kustomization.yaml': 'resources: [../../../outside]',
    'outside/kustomization.yaml': 'resources: []',
    'loose/kustomization.yaml': 'resources: [a.yaml]',
    'loose/a.yaml': 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n',
  });
  const lab = await render('repo/clusters/lab');
  assert.deepEqual(lab.type === 'rendered' && lab.objects.map((object) => [object.key, object.position?.file]), [
    ['/ConfigMap/lab/a', 'base/a.yaml'],
  ]);
  const bad = await render('repo/clusters/bad');
  assert.equal(bad.type === 'failed' && bad.problem.code, 'RENDER_PATH_REFUSED');
  assert.equal((await render('loose')).type, 'rendered');
  assert.equal((await render('repo/clusters/gone')).type, 'absent');
});
