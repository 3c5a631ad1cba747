import assert from 'node:assert/strict';
import { mkdir, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { tempDir } from '@drover/testbed';
import { createFiles } from './files-adapter.ts';

suite('files of the hub', () => {
  test('a file is replaced whole, with its mode, and leaves no temporary name', async () => {
    await using directory = await tempDir('files');
    const files = createFiles({ dataDirectory: directory.path });
    const path = join(directory.path, 'key');
    await files.writeAtomic(path, 'one');
    await files.writeAtomic(path, Buffer.from('two'), 0o644);
    assert.equal((await files.read(path))?.toString(), 'two');
    assert.equal((await stat(path)).mode & 0o777, 0o644);
    assert.deepEqual(await readdir(directory.path), ['key']);
  });

  test('what is absent is undefined, what cannot be read is STORE_FAILED with its path', async () => {
    await using directory = await tempDir('files');
    const files = createFiles({ dataDirectory: directory.path });
    await files.writeAtomic(join(directory.path, 'file'), 'x');
    assert.equal(await files.read(join(directory.path, 'no')), undefined);
    assert.equal(await files.read(join(directory.path, 'file', 'below')), undefined);
    assert.equal(await files.list(join(directory.path, 'no')), undefined);
    await assert.rejects(files.read(directory.path), { code: 'STORE_FAILED', subject: directory.path });
    await assert.rejects(files.writeAtomic(join(directory.path, 'no', 'file'), 'x'), { code: 'STORE_FAILED' });
  });

  test('directories are listed in order, links are no directories', async () => {
    await using directory = await tempDir('files');
    const files = createFiles({ dataDirectory: directory.path });
    await mkdir(join(directory.path, 'b'));
    await writeFile(join(directory.path, 'a'), '');
    await symlink('b', join(directory.path, 'c'));
    assert.deepEqual(await files.list(directory.path), [
      { name: 'a', directory: false },
      { name: 'b', directory: true },
      { name: 'c', directory: false },
    ]);
  });

  test('temporary directories are private, distinct and removable with their content', async () => {
    await using directory = await tempDir('files');
    const files = createFiles({ dataDirectory: directory.path });
    const one = await files.temporaryDirectory('render-');
    const two = await files.temporaryDirectory('render-');
    assert.notEqual(one, two);
    assert.equal((await stat(one)).mode & 0o777, 0o700);
    await files.makeDirectory(join(one, 'x', 'y'));
    await files.remove(one);
    await files.remove(one);
    assert.deepEqual(await readdir(join(directory.path, 'tmp')), [two.slice(two.lastIndexOf('/') + 1)]);
  });
});
