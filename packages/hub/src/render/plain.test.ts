import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Code } from '@drover/contract';
import { DroverError } from '@drover/contract';
import type { PlainDirectory } from './plain.ts';
import { createPlainReader } from './plain.ts';
import { createReadLog } from './reads.ts';
import type { Content } from './testdata/memory-tree.ts';
import { memoryTree } from './testdata/memory-tree.ts';
import { createTreeViews } from './tree-view.ts';
import type { Read } from './types.ts';

const { signal } = new AbortController();

async function find(
  files: Readonly<Record<string, Content>>,
  directory = 'd',
): Promise<PlainDirectory & { readonly reads: readonly Read[] }> {
  const reads = createReadLog();
  const found = await createPlainReader().find(createTreeViews()(memoryTree(files)), directory, reads, signal);
  return { ...found, reads: reads.list() };
}

const paths = (found: PlainDirectory): readonly string[] => found.files.map((file) => file.path);

test('YAML and JSON at any depth is read; other files and names with a dot in front are not', async () => {
  const found = await find({
    'd/a.yaml': '',
    'd/b.yml': '',
    'd/c.json': '',
    'd/README.md': '',
    'd/.github/x.yaml': '',
    'd/.hidden.yaml': '',
    'd/e/f/g.yaml': '',
    'd/values.YAML': '',
    'other/a.yaml': '',
  });
  assert.deepEqual(paths(found), ['d/a.yaml', 'd/b.yml', 'd/c.json', 'd/e/f/g.yaml']);
});

test('a directory below that holds a kustomization file is built, not read', async () => {
  const found = await find({
    'd/a.yaml': '',
    'd/k/kustomization.yaml': '',
    'd/k/b.yaml': '',
    'd/k/deeper/c.yaml': '',
    'd/l/Kustomization': '',
  });
  assert.deepEqual(paths(found), ['d/a.yaml']);
  assert.deepEqual(found.kustomizations, ['d/k', 'd/l']);
});

test('ignore files above, in and below the directory hide what they name', async () => {
  const found = await find(
    {
      'r/.sourceignore': 'hidden.yaml\n',
      '.sourceignore': '*',
      'r/d/.droverignore': '# rules\n/top.yaml\n*.json\n!keep.json\nskipped/\n',
      'r/d/e/.sourceignore': 'x.yaml\n',
      'r/d/hidden.yaml': '',
      'r/d/top.yaml': '',
      'r/d/e/top.yaml': '',
      'r/d/a.json': '',
      'r/d/keep.json': '',
      'r/d/skipped/a.yaml': '',
      'r/d/e/x.yaml': '',
      'r/d/x.yaml': '',
    },
    'r/d',
  );
  assert.deepEqual(paths(found), ['r/d/e/top.yaml', 'r/d/keep.json', 'r/d/x.yaml']);
});

test('one read covers the directory; ignore files above it are reads of their own, absent ones too', async () => {
  const { reads } = await find({ 'a/b/x.yaml': '', 'a/.sourceignore': 'y' }, 'a/b');
  assert.deepEqual(
    reads.map(({ path, oid }) => [path, oid !== null]),
    [
      ['.sourceignore', false],
      ['.droverignore', false],
      ['a/.sourceignore', true],
      ['a/.droverignore', false],
      ['a/b', true],
    ],
  );
});

test('B31 links to files and directories are followed inside the repository, and are reads', async () => {
  const { files, reads } = await find({
    'd/a.yaml': { link: '../s/a.yaml' },
    'd/dir': { link: '../s/dir' },
    's/a.yaml': 'a',
    's/dir/b.yaml': 'b',
  });
  assert.deepEqual(
    files.map((file) => file.path),
    ['s/a.yaml', 's/dir/b.yaml'],
  );
  assert.deepEqual(
    reads.slice(-4).map((read) => read.path),
    ['d/a.yaml', 's/a.yaml', 'd/dir', 's/dir'],
  );
});

const failures: readonly {
  readonly name: string;
  readonly files: Readonly<Record<string, Content>>;
  readonly code: Code;
  readonly message: RegExp;
}[] = [
  {
    name: 'B31 a link to a directory around it is a loop',
    files: { 'd/a.yaml': '', 'd/e/up': { link: '..' } },
    code: 'RENDER_PATH_REFUSED',
    message: /is a symbolic link to d, in which it lies: a loop/,
  },
  {
    name: 'B31 a link out of the repository is refused',
    files: { 'd/a.yaml': { link: '../../x.yaml' } },
    code: 'RENDER_PATH_REFUSED',
    message: /leads out/,
  },
  {
    name: 'B31 a link to nothing is an error',
    files: { 'd/a.yaml': { link: 'gone.yaml' } },
    code: 'RENDER_RESOURCE_MISSING',
    message: /leads nowhere/,
  },
  {
    name: 'B32 a submodule is named',
    files: { 'd/sub': { submodule: '0'.repeat(40) } },
    code: 'RENDER_PATH_REFUSED',
    message: /is a submodule/,
  },
];
for (const { name, files, code, message } of failures) {
  test(name, async () => {
    await assert.rejects(
      find(files),
      (thrown) => thrown instanceof DroverError && thrown.code === code && message.test(thrown.what) && thrown.position !== undefined,
    );
  });
}

test('B32 a Git LFS pointer is named, never read as content', async () => {
  const view = createTreeViews()(memoryTree({ 'd/a.yaml': 'version https://git-lfs.github.com/spec/v1\noid sha256:0000\nsize 12\n' }));
  const oid = (await view.entry('d/a.yaml', signal))?.oid ?? '';
  await assert.rejects(createPlainReader().read(view, { path: 'd/a.yaml', oid }, signal), {
    code: 'RENDER_PATH_REFUSED',
    subject: 'd/a.yaml',
  });
});

test('documents come with file and line, JSON with tabs too', async () => {
  const view = createTreeViews()(memoryTree({ 'a.yaml': '# c\na: 1\n---\n---\nb: 0644\n', 'a.json': '{\n\t"a": 12345678901234567890\n}' }));
  const read = async (path: string): Promise<unknown> =>
    createPlainReader().read(view, { path, oid: (await view.entry(path, signal))?.oid ?? '' }, signal);
  assert.deepEqual(await read('a.yaml'), [
    { value: { a: 1 }, position: { file: 'a.yaml', line: 2 }, engine: 'plain' },
    { value: { b: 420 }, position: { file: 'a.yaml', line: 5 }, engine: 'plain' },
  ]);
  assert.deepEqual(await read('a.json'), [{ value: { a: 12345678901234567890n }, position: { file: 'a.json', line: 1 }, engine: 'plain' }]);
});
