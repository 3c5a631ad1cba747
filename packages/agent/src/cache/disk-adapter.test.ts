import assert from 'node:assert/strict';
import { chmod, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { tempDir } from '@drover/testbed';
import { createDiskCache, createMemoryCache } from './disk-adapter.ts';

test('what was written is there after a restart, for nobody else to read', async () => {
  await using dir = await tempDir('cache');
  const directory = join(dir.path, 'deep', 'cache');
  const bytes = Buffer.from([1, 2, 3]);
  await createDiskCache(directory).write('pack-1', bytes);
  const cache = createDiskCache(directory);
  assert.deepEqual(await cache.read('pack-1'), bytes);
  assert.deepEqual(await cache.list(), ['pack-1']);
  assert.equal((await stat(join(directory, 'pack-1'))).mode & 0o777, 0o600);
  await cache.remove('pack-1');
  await cache.remove('pack-1');
  assert.equal(await cache.read('pack-1'), undefined);
});

test('a directory that is not there holds nothing', async () => {
  await using dir = await tempDir('cache');
  const cache = createDiskCache(join(dir.path, 'none'));
  assert.deepEqual([await cache.read('a'), await cache.list()], [undefined, []]);
});

test('a write that did not end leaves what was there', async () => {
  await using dir = await tempDir('cache');
  const cache = createDiskCache(dir.path);
  await cache.write('head', Buffer.from('old'));
  await writeFile(join(dir.path, 'head.new'), 'half');
  assert.equal(Buffer.from((await cache.read('head')) ?? '').toString(), 'old');
  assert.deepEqual(await cache.list(), ['head']);
});

test('a name never leaves the directory', async () => {
  await using dir = await tempDir('cache');
  const cache = createDiskCache(join(dir.path, 'cache'));
  for (const name of ['../x', 'a/b', '', '.x', '/etc/passwd'])
    await assert.rejects(async () => cache.write(name, new Uint8Array(1)), RangeError);
  assert.deepEqual(await readdir(dir.path), []);
});

test('F34 a cache that cannot be read or written says so, and is nobody’s emptiness', async () => {
  await using dir = await tempDir('cache');
  await writeFile(join(dir.path, 'file'), '');
  const cache = createDiskCache(join(dir.path, 'file'));
  await assert.rejects(cache.write('a', new Uint8Array(1)));
  await assert.rejects(cache.read('a'));
  await assert.rejects(cache.list());
  await chmod(dir.path, 0o700);
});

test('a cache in memory holds what it is given', async () => {
  const cache = createMemoryCache();
  await cache.write('a', Buffer.from('x'));
  assert.deepEqual(await cache.list(), ['a']);
  await cache.remove('a');
  assert.equal(await cache.read('a'), undefined);
});
