import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DroverError } from '@drover/contract';
import type { Tree, TreeEntry } from '#sources/types.ts';
import { configFilesFromTree } from './files-from-tree.ts';

const signal = new AbortController().signal;

/** A tree of the files given by path; a value that is no string is the type of the entry. */
function treeOf(files: Readonly<Record<string, string | { readonly type: TreeEntry['type'] }>>): Tree {
  const at = (path: string): readonly TreeEntry[] | undefined => {
    const prefix = path === '' ? '' : `${path}/`;
    const names = new Set(
      Object.keys(files)
        .filter((file) => file.startsWith(prefix))
        .map((file) => file.slice(prefix.length).split('/')[0] ?? ''),
    );
    if (names.size === 0) return undefined;
    return [...names].sort().map((name) => {
      const file = files[prefix + name];
      return { name, type: file === undefined ? 'directory' : typeof file === 'string' ? 'file' : file.type, oid: prefix + name };
    });
  };
  return {
    commit: { sha: '0'.repeat(40), subject: 's', author: 'a', time: 0 },
    revision: 'main@sha1:0',
    entry: async () => undefined,
    list: async (path) => at(path),
    read: async (oid) => Buffer.from(files[oid] as string),
  };
}

test('YAML and JSON files below the directory are read in the order of their paths', async () => {
  const tree = treeOf({
    'drover/b.yaml': 'b',
    'drover/sub/a.yml': 'a',
    'drover/c.json': 'c',
    'drover/README.md': 'x',
    'drover/.x.yaml': 'x',
    'drover/.git/y.yaml': 'x',
    'other.yaml': 'x',
  });
  const files = await configFilesFromTree(tree, 'drover', signal);
  assert.deepEqual(
    files?.map(({ path, bytes }) => [path, String(bytes)]),
    [
      ['drover/b.yaml', 'b'],
      ['drover/c.json', 'c'],
      ['drover/sub/a.yml', 'a'],
    ],
  );
});

test('an absent directory is no configuration, one without files an empty one', async () => {
  assert.equal(await configFilesFromTree(treeOf({ 'a.yaml': 'x' }), 'drover', signal), undefined);
  assert.deepEqual(await configFilesFromTree(treeOf({ 'drover/README.md': 'x' }), 'drover', signal), []);
});

test('links and submodules are refused, not skipped', async () => {
  for (const type of ['symlink', 'submodule'] as const) {
    await assert.rejects(
      configFilesFromTree(treeOf({ 'drover/a.yaml': { type } }), 'drover', signal),
      (error) => error instanceof DroverError && error.code === 'CONFIG_INVALID',
    );
  }
});
