import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { never, startFixture, taken } from './testdata/fixture.ts';

suite('the tree of a commit', () => {
  test('B31 B32 links and submodules come with their type and are not followed', async () => {
    await using f = await startFixture();
    await f.writer.write({ 'real/a.yaml': 'a: 1\n' });
    await symlink('../../etc/passwd', join(f.writer.path, 'escape'));
    await symlink('real', join(f.writer.path, 'link'));
    await f.writer.git('update-index', '--add', '--cacheinfo', `160000,${'5'.repeat(40)},sub`);
    await f.writer.git('add', '--all', 'real', 'escape', 'link');
    await f.writer.git('commit', '--quiet', '--message', 'links');
    await f.writer.push();
    const tree = taken(await f.mirror().fetch(f.spec, never));
    const entries = (await tree.list('', never)) ?? [];
    assert.deepEqual(
      entries.map(({ name, type }) => `${name} ${type}`),
      ['escape symlink', 'link symlink', 'real directory', 'sub submodule'],
    );
    assert.equal((await tree.read(entries[0]?.oid ?? '', never)).toString(), '../../etc/passwd');
    assert.equal(await tree.entry('link/a.yaml', never), undefined);
    assert.equal(await tree.list('link', never), undefined);
    assert.equal(await tree.list('sub', never), undefined);
    assert.equal((await tree.entry('', never))?.type, 'directory');
    assert.equal((await tree.entry('real/a.yaml', never))?.type, 'file');
    assert.equal(await tree.entry('real/a.yaml/b', never), undefined);
  });

  test('T7 paths that leave the tree are refused', async () => {
    await using f = await startFixture();
    await f.writer.publish('first', { 'a/b.yaml': '' });
    const tree = taken(await f.mirror().fetch(f.spec, never));
    for (const path of ['..', '../x', '/etc/passwd', 'a/../a', './a', 'a//b.yaml', 'a\\b', 'a\0']) {
      await assert.rejects(tree.entry(path, never), { code: 'RENDER_PATH_REFUSED' }, path);
      await assert.rejects(tree.list(path, never), { code: 'RENDER_PATH_REFUSED' }, path);
    }
  });

  test('B33 colliding names refuse the directory that holds them, not the rest, and may be ignored away', async () => {
    await using f = await startFixture();
    await f.writer.publish('first', { 'good/a.yaml': '', 'bad/A.yaml': '', 'bad/a.yaml': '1' });
    const mirror = f.mirror();
    const tree = taken(await mirror.fetch(f.spec, never));
    assert.equal((await tree.list('good', never))?.length, 1);
    await assert.rejects(tree.list('bad', never), (error: { code: string; position: unknown }) => {
      assert.deepEqual([error.code, error.position], ['GIT_TREE_REFUSED', { file: 'bad' }]);
      return true;
    });
    await assert.rejects(tree.entry('bad/a.yaml', never), { code: 'GIT_TREE_REFUSED' });
    const ignoring = taken(await mirror.fetch({ ...f.spec, ignore: 'bad/A.yaml' }, never));
    assert.deepEqual(
      (await ignoring.list('bad', never))?.map(({ name }) => name),
      ['a.yaml'],
    );
  });

  test('B33 a newline in a name refuses its directory; an alias of .git does not even come in', async () => {
    await using f = await startFixture();
    await f.writer.publish('first', { 'bad/a\nb.yaml': '' });
    const mirror = f.mirror();
    const tree = taken(await mirror.fetch(f.spec, never));
    await assert.rejects(
      tree.list('bad', never),
      (error: Error) => /GIT_TREE_REFUSED/.test(error.message) && !error.message.includes('\n'),
    );

    const git = (args: string[], input: string): string =>
      execFileSync('git', args, { cwd: f.writer.path, input, encoding: 'utf8' }).trim();
    const blob = git(['hash-object', '-w', '--stdin'], 'x');
    const inner = git(['mktree'], `100644 blob ${blob}\tconfig\n`);
    const evil = execFileSync('git', ['hash-object', '-t', 'tree', '-w', '--literally', '--stdin'], {
      cwd: f.writer.path,
      input: Buffer.concat([Buffer.from('40000 .git\0'), Buffer.from(inner, 'hex')]),
      encoding: 'utf8',
    }).trim();
    const head = await f.writer.head();
    const commit = await f.writer.git('commit-tree', '-p', head, '-m', 'evil', evil);
    await f.writer.git('push', '--quiet', 'origin', `${commit}:main`);
    const result = await mirror.fetch(f.spec, never);
    assert.deepEqual([result.problem?.code, result.tree?.commit.sha], ['GIT_TREE_REFUSED', head]);
    assert.match(result.problem?.message ?? '', /hasDotgit/);
  });

  test('old histories with harmless faults come in', async () => {
    await using f = await startFixture();
    const blob = execFileSync('git', ['hash-object', '-w', '--stdin'], { cwd: f.writer.path, input: 'x', encoding: 'utf8' }).trim();
    const padded = execFileSync('git', ['hash-object', '-t', 'tree', '-w', '--literally', '--stdin'], {
      cwd: f.writer.path,
      input: Buffer.concat([Buffer.from('0100644 a.yaml\0'), Buffer.from(blob, 'hex')]),
      encoding: 'utf8',
    }).trim();
    const commit = await f.writer.git('commit-tree', '-m', 'old', padded);
    await f.writer.git('push', '--quiet', 'origin', `${commit}:refs/heads/main`);
    const tree = taken(await f.mirror().fetch(f.spec, never));
    await assert.rejects(tree.list('', never), { code: 'GIT_TREE_REFUSED' });
  });

  test('a file beyond the cap is refused with its size', async () => {
    await using f = await startFixture();
    await f.writer.publish('first', { 'a.yaml': 'x'.repeat(1000) });
    const tree = taken(await f.mirror().fetch(f.spec, never));
    const oid = (await tree.entry('a.yaml', never))?.oid ?? '';
    await assert.rejects(tree.read(oid, never, 999), { code: 'RENDER_LIMIT', what: /1000 bytes/ as unknown as string });
    assert.equal((await tree.read(oid, never, 1000)).length, 1000);
  });

  test('the changed paths of two commits are those of git diff-tree', async () => {
    await using f = await startFixture();
    await f.writer.publish('empty', { seed: '' });
    const mirror = f.mirror();
    const name = fc.constantFrom('a', 'b', 'a.b', 'a-b', 'c', 'B');
    const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
    const files = fc.dictionary(path, fc.constantFrom('1', '2'), { maxKeys: 8 });
    await fc.assert(
      fc.asyncProperty(files, async (wanted) => {
        const before = await f.writer.head();
        await f.writer.git('rm', '-r', '--quiet', '--ignore-unmatch', '.');
        const kept = Object.entries(wanted).filter(([one]) => !Object.keys(wanted).some((other) => other.startsWith(`${one}/`)));
        await f.writer.write({ seed: '', ...Object.fromEntries(kept) });
        const after = await f.writer.commit('next');
        await f.writer.push();
        const result = await mirror.fetch(f.spec, never);
        const diff = await f.writer.git('diff-tree', '-r', '--name-only', '--no-renames', before, after);
        const expected = diff === '' ? [] : diff.split('\n').sort();
        const expectedSet = [...new Set(expected)];
        if (result.tree?.commit.sha !== before) assert.deepEqual(await mirror.changedPaths(before, after, never), expectedSet);
      }),
      { numRuns: 15, seed: 7 },
    );
  });
});
