import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { suite, test } from 'node:test';
import { eventually } from '@drover/testbed';
import { never, readAll, startFixture, taken } from './testdata/fixture.ts';

async function packs(mirrors: string): Promise<number> {
  const names = await readdir(mirrors, { recursive: true });
  return names.filter((name) => name.endsWith('.pack')).length;
}

suite('I11 the space of a mirror', () => {
  test('I11 sixty pushes leave few packs, and an older tree stays readable meanwhile', async () => {
    await using f = await startFixture();
    await f.writer.publish('first', { 'a.yaml': '0' });
    const mirror = f.mirror();
    const first = taken(await mirror.fetch(f.spec, never));
    for (let push = 1; push <= 60; push += 1) {
      await f.writer.publish(`push ${push}`, { 'a.yaml': String(push) });
      assert.equal((await mirror.fetch(f.spec, never)).changed, true);
    }
    await eventually(async () => assert.ok((await packs(`${f.data.path}/mirrors`)) < 30), 20_000);
    assert.deepEqual(f.logged, []);
    assert.deepEqual(await readAll(first), { 'a.yaml': '0' });
    assert.deepEqual(await readAll(taken(await mirror.fetch(f.spec, never))), { 'a.yaml': '60' });
  });

  test('I11 R18 a branch that is rewritten over and over is followed, and what it was may still be read', async () => {
    await using f = await startFixture();
    const root = await f.writer.publish('first', { 'a.yaml': '0' });
    const mirror = f.mirror();
    taken(await mirror.fetch(f.spec, never));
    let before = await mirror.fetch(f.spec, never);
    for (let push = 1; push <= 20; push += 1) {
      await f.writer.git('reset', '--quiet', '--hard', root);
      await f.writer.write({ 'a.yaml': String(push) });
      await f.writer.commit(`push ${push}`);
      await f.writer.push({ force: true });
      const now = await mirror.fetch(f.spec, never);
      assert.deepEqual(await readAll(taken(now)), { 'a.yaml': String(push) });
      before = now;
    }
    await eventually(async () => assert.ok((await packs(`${f.data.path}/mirrors`)) < 10), 20_000);
    assert.deepEqual(f.logged, []);
    await mirror[Symbol.asyncDispose]();
    await using again = f.mirrors().mirror(f.spec);
    const opened = await again.open(f.spec, before.tree?.commit.sha ?? '', never);
    assert.ok(opened);
    assert.deepEqual(await readAll(opened), { 'a.yaml': '20' });
  });
});
