import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { clock, localUrl, never, readAll, specOf, startFixture, taken } from './testdata/fixture.ts';

suite('a mirror', () => {
  test('a push arrives as a tree, with its commit and the paths that changed', async () => {
    await using f = await startFixture();
    const one = await f.writer.publish('first\n\nbody', { 'a.yaml': 'a: 1\n', 'deep/er/b.yaml': 'b: 1\n' });
    const mirror = f.mirror();
    const first = await mirror.fetch(f.spec, never);
    const tree = taken(first);
    assert.deepEqual([first.changed, first.changedPaths, first.warnings], [true, undefined, []]);
    assert.equal(tree.revision, `main@sha1:${one}`);
    assert.deepEqual({ ...tree.commit, time: 0 }, { sha: one, subject: 'first', author: 'Testbed <testbed@example.com>', time: 0 });
    assert.ok(Math.abs(tree.commit.time - clock.now()) < 60_000);
    assert.deepEqual(await readAll(tree), { 'a.yaml': 'a: 1\n', 'deep/er/b.yaml': 'b: 1\n' });

    const two = await f.writer.publish('second', { 'deep/er/b.yaml': 'b: 2\n', 'c.yaml': '' }, ['a.yaml']);
    const second = await mirror.fetch(f.spec, never);
    assert.deepEqual(second.changedPaths, ['a.yaml', 'c.yaml', 'deep/er/b.yaml']);
    assert.equal(taken(second).commit.sha, two);
    assert.deepEqual(await readAll(tree), { 'a.yaml': 'a: 1\n', 'deep/er/b.yaml': 'b: 1\n' }, 'an older tree stays what it was');
    assert.deepEqual(await mirror.changedPaths(one, two, never), ['a.yaml', 'c.yaml', 'deep/er/b.yaml']);
    assert.equal(await mirror.changedPaths('0'.repeat(40), two, never), undefined);
  });

  test('a poll without news starts one process and changes nothing', async () => {
    await using f = await startFixture();
    await f.writer.publish('first', { 'a.yaml': '' });
    const mirror = f.mirror();
    const { tree } = await mirror.fetch(f.spec, never);
    f.started.length = 0;
    for (let poll = 0; poll < 5; poll += 1) {
      const result = await mirror.fetch(f.spec, never);
      assert.deepEqual(
        { ...result, tree: undefined },
        { tree: undefined, changed: false, changedPaths: [], problem: undefined, warnings: [] },
      );
      assert.equal(result.tree, tree);
    }
    assert.deepEqual(
      f.started.map(({ args }) => args[0]),
      ['fetch', 'fetch', 'fetch', 'fetch', 'fetch'],
    );
    assert.deepEqual(await readAll(taken(await mirror.fetch(f.spec, never))), { 'a.yaml': '' }, 'reading works after a rest');
  });

  test('a push costs one process', async () => {
    await using f = await startFixture();
    await f.writer.publish('first', { 'a.yaml': '' });
    const mirror = f.mirror();
    await mirror.fetch(f.spec, never);
    f.started.length = 0;
    await f.writer.publish('second', { 'a.yaml': '2' });
    assert.equal((await mirror.fetch(f.spec, never)).changed, true);
    assert.deepEqual(
      f.started.map(({ args }) => args[0]),
      ['fetch'],
    );
  });

  test("the remote's HEAD, branches, tags, annotated tags and commits can be followed", async () => {
    await using f = await startFixture();
    const one = await f.writer.publish('first', { 'a.yaml': '1' });
    await f.writer.git('tag', 'light');
    await f.writer.git('tag', '--annotate', '--message', 'release', 'v1.0');
    const two = await f.writer.publish('second', { 'a.yaml': '2' });
    await f.writer.git('push', '--quiet', 'origin', 'light', 'v1.0', 'HEAD:refs/heads/release/1.x');
    await f.writer.git('checkout', '--quiet', '-b', 'side', one);
    const side = await f.writer.publish('side', { 'b.yaml': '' });
    await f.writer.git('push', '--quiet', 'origin', 'side');

    const cases = [
      [{ type: 'head' }, two, `main@sha1:${two}`],
      [{ type: 'branch', name: 'release/1.x' }, two, `release/1.x@sha1:${two}`],
      [{ type: 'branch', name: 'side' }, side, `side@sha1:${side}`],
      [{ type: 'tag', name: 'light' }, one, `light@sha1:${one}`],
      [{ type: 'tag', name: 'v1.0' }, one, `v1.0@sha1:${one}`],
      [{ type: 'commit', sha: one }, one, `sha1:${one}`],
      [{ type: 'commit', sha: one, branch: 'main' }, one, `main@sha1:${one}`],
    ] as const;
    for (const [ref, sha, revision] of cases) {
      const mirror = f.mirrors().mirror({ ...f.spec, name: JSON.stringify(ref) });
      const spec = { ...f.spec, ref };
      const tree = taken(await mirror.fetch(spec, never));
      assert.deepEqual([tree.commit.sha, tree.revision], [sha, revision]);
      assert.equal((await mirror.fetch(spec, never)).changed, false);
      await mirror[Symbol.asyncDispose]();
    }
    const mirror = f.mirror();
    for (const ref of [
      { type: 'commit', sha: side, branch: 'main' },
      { type: 'commit', sha: 'f'.repeat(40) },
    ] as const) {
      const result = await mirror.fetch({ ...f.spec, ref }, never);
      assert.equal(result.problem?.code, 'GIT_REF_MISSING', JSON.stringify(result.problem));
    }
  });

  test('another ref is followed without being judged against the one before', async () => {
    await using f = await startFixture();
    await f.writer.publish('first', { 'a.yaml': '1' });
    await f.writer.git('checkout', '--quiet', '--orphan', 'deploy');
    const deploy = await f.writer.commit('deploy');
    await f.writer.git('push', '--quiet', 'origin', 'deploy');
    const mirror = f.mirror();
    const spec = { ...f.spec, forcePush: 'Hold' as const };
    taken(await mirror.fetch(spec, never));
    const result = await mirror.fetch({ ...spec, ref: { type: 'branch', name: 'deploy' } }, never);
    assert.deepEqual([taken(result).commit.sha, result.changed], [deploy, true]);
  });

  test('a local repository is mirrored where the hub allows it, and refused elsewhere', async () => {
    await using f = await startFixture();
    const sha = await f.writer.publish('first', { 'a.yaml': '1' });
    const spec = specOf(localUrl(f.writer.path), { ref: { type: 'head' } });
    await using allowed = f.mirrors({ allowLocal: true }).mirror(spec);
    assert.equal(taken(await allowed.fetch(spec, never)).revision, `main@sha1:${sha}`);
    f.started.length = 0;
    await using refused = f.mirrors().mirror(spec);
    assert.equal((await refused.fetch(spec, never)).problem?.code, 'GIT_URL_REFUSED');
    assert.equal(f.started.length, 0, 'nothing was started');
  });

  test('the default branch keeps its name over a restart', async () => {
    await using f = await startFixture();
    const sha = await f.writer.publish('first', { 'a.yaml': '1' });
    const spec = { ...f.spec, ref: { type: 'head' } as const };
    {
      await using before = f.mirrors().mirror(spec);
      assert.equal(taken(await before.fetch(spec, never)).revision, `main@sha1:${sha}`);
    }
    f.server.setFault({ type: 'status', status: 503 });
    await using after = f.mirrors().mirror(spec);
    assert.equal((await after.open(spec, sha, never))?.revision, `main@sha1:${sha}`);
  });

  test('ignored paths are absent, and a changed ignore file makes the changed paths unknown', async () => {
    await using f = await startFixture();
    await f.writer.publish('first', {
      'a.yaml': '',
      'docs/x.yaml': '',
      'b/tmp/y.yaml': '',
      'b/z.md': '',
      '.sourceignore': 'docs/\n*.md\n',
      '.droverignore': 'tmp\n',
    });
    const mirror = f.mirror();
    const tree = taken(await mirror.fetch(f.spec, never));
    assert.deepEqual(Object.keys(await readAll(tree)), ['.droverignore', '.sourceignore', 'a.yaml']);
    assert.equal(await tree.entry('docs/x.yaml', never), undefined);
    assert.equal(await tree.list('b/tmp', never), undefined);

    const narrowed = await mirror.fetch({ ...f.spec, ignore: 'a.yaml\n!*.md\n' }, never);
    assert.deepEqual([narrowed.changed, narrowed.changedPaths], [true, undefined]);
    assert.deepEqual(Object.keys(await readAll(taken(narrowed))), ['.droverignore', '.sourceignore', 'b/z.md']);

    await f.writer.publish('second', { '.droverignore': '' });
    const second = await mirror.fetch({ ...f.spec, ignore: 'a.yaml\n!*.md\n' }, never);
    assert.deepEqual([second.changed, second.changedPaths], [true, undefined]);
  });

  test('an ignore file with a costly rule holds the last good tree and names the line', async () => {
    await using f = await startFixture();
    const good = await f.writer.publish('first', { 'a.yaml': '' });
    const mirror = f.mirror();
    await mirror.fetch(f.spec, never);
    await f.writer.publish('second', { '.droverignore': 'fine\n*a*b*c*d*e*\n' });
    const held = await mirror.fetch(f.spec, never);
    assert.equal(held.tree?.commit.sha, good);
    assert.equal(held.problem?.code, 'GIT_TREE_REFUSED');
    assert.deepEqual(held.problem.position, { file: '.droverignore', line: 2 });
  });
});
