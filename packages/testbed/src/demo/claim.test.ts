import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { tempDir } from '../temp.ts';
import { claim } from './claim.ts';

test('a place has one demo at a time, and is free again when that ends', async () => {
  await using dir = await tempDir('claim');
  {
    await using first = await claim(dir.path);
    assert.equal(first.mine, true);
    await using second = await claim(dir.path);
    assert.deepEqual([second.mine, second.holder], [false, process.pid]);
  }
  await using third = await claim(dir.path);
  assert.equal(third.mine, true);
});

test('a demo that was killed leaves its place free', async () => {
  await using dir = await tempDir('claim');
  await writeFile(join(dir.path, 'demo.pid'), '4194304');
  await using next = await claim(dir.path);
  assert.equal(next.mine, true);
});
