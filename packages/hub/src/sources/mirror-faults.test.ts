import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmod, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { freePort } from '@drover/testbed';
import type { Fixture } from './testdata/fixture.ts';
import { never, readAll, specOf, startFixture, taken } from './testdata/fixture.ts';
import type { FetchResult, GitMirror } from './types.ts';

/** A mirror that has taken a first commit. */
async function withGood(): Promise<{ f: Fixture; mirror: GitMirror; good: string }> {
  const f = await startFixture();
  const good = await f.writer.publish('good', { 'a.yaml': 'good\n' });
  const mirror = f.mirror();
  taken(await mirror.fetch(f.spec, never));
  return { f, mirror, good };
}

/** The last good tree is there and readable, nothing changed, and the problem is this one. */
async function assertKept(result: FetchResult, good: string, code: string, message?: RegExp): Promise<void> {
  assert.equal(result.problem?.code, code, JSON.stringify(result.problem));
  assert.deepEqual([result.changed, result.changedPaths, result.tree?.commit.sha], [false, [], good]);
  assert.ok(result.tree);
  assert.equal((await readAll(result.tree))['a.yaml'], 'good\n');
  if (message !== undefined) assert.match(result.problem.message, message);
}

suite('F27 R1 a remote that fails keeps the last good tree', () => {
  const statuses = [
    [500, 'GIT_UNREACHABLE'],
    [503, 'GIT_UNREACHABLE'],
    [404, 'GIT_UNREACHABLE'],
    [401, 'GIT_AUTH'],
    [403, 'GIT_AUTH'],
  ] as const;
  test('F27 R1 statuses 500, 503, 404, 401 and 403, and then it goes on', async () => {
    const { f, mirror, good } = await withGood();
    await using _ = f;
    const next = await f.writer.publish('next', { 'a.yaml': 'next\n' });
    for (const [status, code] of statuses) {
      f.server.setFault({ type: 'status', status }, 'read');
      await assertKept(await mirror.fetch(f.spec, never), good, code);
    }
    f.server.setFault(undefined);
    const result = await mirror.fetch(f.spec, never);
    assert.deepEqual([taken(result).commit.sha, result.changed], [next, true]);
  });

  test('F27 R1 an answer that is cut after n bytes leaves no half pack, no lock, and is fetched again', async () => {
    const { f, mirror, good } = await withGood();
    await using _ = f;
    const noise = randomBytes(60_000);
    const next = await f.writer.publish('next', { 'noise.bin': noise });
    for (const bytes of [0, 1, 40, 300, 1000, 20_000]) {
      f.server.setFault({ type: 'truncate', bytes }, 'read');
      const result = await mirror.fetch(f.spec, never);
      if (result.problem === undefined) assert.fail(`the answer cut at ${bytes} was taken`);
      await assertKept(result, good, result.problem.code);
      assert.ok(['GIT_CORRUPT', 'GIT_UNREACHABLE', 'GIT_FAILED'].includes(result.problem.code), JSON.stringify(result.problem));
    }
    assert.deepEqual(
      (await filesOf(f)).filter((path) => /tmp_|\.lock$/.test(path)),
      [],
    );
    f.server.setFault(undefined);
    assert.equal(taken(await mirror.fetch(f.spec, never)).commit.sha, next);
  });

  test('F27 R1 a remote that stalls is given up after the timeout of the source', async () => {
    const { f, mirror, good } = await withGood();
    await using _ = f;
    f.server.setFault({ type: 'stall' }, 'read');
    await assertKept(await mirror.fetch({ ...f.spec, timeoutMs: 300 }, never), good, 'GIT_TIMEOUT', /300 ms/);
  });

  test('F27 R1 a closed port and an unknown host, before and after the first commit', async () => {
    await using f = await startFixture();
    const closed = `http://127.0.0.1:${await freePort()}/fleet.git`;
    for (const url of [closed, 'http://no-such-host.invalid/fleet.git']) {
      const spec = specOf(url);
      await using mirror = f.mirrors().mirror(spec);
      const result = await mirror.fetch(spec, never);
      assert.deepEqual([result.problem?.code, result.tree, result.changed], ['GIT_UNREACHABLE', undefined, false]);
    }
    const { f: other, mirror, good } = await withGood();
    await using _ = other;
    await other.server[Symbol.asyncDispose]();
    await assertKept(await mirror.fetch(other.spec, never), good, 'GIT_UNREACHABLE');
  });

  test('R2 a page instead of a repository is an error, whatever it says', async () => {
    const server = createServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>maintenance</html>');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    await using f = await startFixture();
    const spec = specOf(`http://127.0.0.1:${(server.address() as AddressInfo).port}/fleet.git`);
    await using mirror = f.mirrors().mirror(spec);
    const result = await mirror.fetch(spec, never);
    server.close();
    server.closeAllConnections();
    assert.deepEqual([result.tree, result.changed], [undefined, false]);
    assert.ok(result.problem);
  });

  test('T10 a redirect is not followed', async () => {
    await using f = await startFixture();
    await f.writer.publish('first', { 'a.yaml': '' });
    const server = createServer((request, response) => {
      response.writeHead(302, { location: `${f.server.url}${request.url}` }).end();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const spec = specOf(`http://127.0.0.1:${(server.address() as AddressInfo).port}/fleet.git`);
    await using mirror = f.mirrors().mirror(spec);
    const before = f.server.requests.read;
    const result = await mirror.fetch(spec, never);
    server.close();
    server.closeAllConnections();
    assert.equal(result.problem?.code, 'GIT_UNREACHABLE');
    assert.equal(f.server.requests.read, before);
  });
});

suite('F28 history that is rewritten, removed or replaced', () => {
  test('F28 R18 a force-push is followed with a warning, and pushes after it without one', async () => {
    const { f, mirror, good } = await withGood();
    await using _ = f;
    const lost = await f.writer.publish('lost', { 'a.yaml': 'lost\n' });
    taken(await mirror.fetch(f.spec, never));
    await f.writer.git('reset', '--quiet', '--hard', good);
    await f.writer.write({ 'a.yaml': 'rewritten\n' });
    const rewritten = await f.writer.commit('rewritten');
    await f.writer.push({ force: true });
    const result = await mirror.fetch(f.spec, never);
    assert.deepEqual([taken(result).commit.sha, result.changed, result.changedPaths], [rewritten, true, ['a.yaml']]);
    assert.deepEqual(
      result.warnings.map(({ code }) => code),
      ['GIT_FORCE_PUSH_HELD'],
    );
    assert.match(result.warnings[0]?.message ?? '', new RegExp(`${lost.slice(0, 12)} to ${rewritten.slice(0, 12)}`));
    assert.deepEqual((await mirror.fetch(f.spec, never)).warnings, []);
    const next = await f.writer.publish('next', {});
    const after = await mirror.fetch(f.spec, never);
    assert.deepEqual([taken(after).commit.sha, after.warnings], [next, []]);
  });

  test('F28 a force-push under Hold is held, also after a restart, until the old history is back or the commit is approved', async () => {
    const { f, mirror, good } = await withGood();
    await using _ = f;
    const spec = { ...f.spec, forcePush: 'Hold' as const };
    await f.writer.git('commit', '--quiet', '--amend', '--message', 'amended');
    const root = await f.writer.commit('x');
    await f.writer.push({ force: true });
    // An amended root has nothing in common with what was there.
    await assertKept(await mirror.fetch(spec, never), good, 'GIT_HISTORY_UNRELATED');
    await f.writer.git('reset', '--quiet', '--hard', good);
    const two = await f.writer.publish('two', { 'b.yaml': '' }).catch(async () => {
      await f.writer.push({ force: true });
      return await f.writer.head();
    });
    assert.equal(taken(await mirror.fetch(spec, never)).commit.sha, two);

    await f.writer.git('reset', '--quiet', '--hard', good);
    await f.writer.push({ force: true });
    await assertKept(await mirror.fetch(spec, never), two, 'GIT_FORCE_PUSH_HELD');
    await mirror[Symbol.asyncDispose]();

    const again = f.mirror();
    assert.equal((await again.open(spec, two, never))?.commit.sha, two);
    await assertKept(await again.fetch(spec, never), two, 'GIT_FORCE_PUSH_HELD');
    again.approve(root);
    await assertKept(await again.fetch(spec, never), two, 'GIT_FORCE_PUSH_HELD');
    again.approve(good);
    const approved = await again.fetch(spec, never);
    assert.deepEqual([taken(approved).commit.sha, approved.warnings.length], [good, 1]);
  });

  test('F28 unrelated history and an emptied repository are held under every policy', async () => {
    const { f, mirror, good } = await withGood();
    await using _ = f;
    await f.writer.git('checkout', '--quiet', '--orphan', 'other');
    await f.writer.write({ 'a.yaml': 'unrelated\n' });
    const unrelated = await f.writer.commit('unrelated');
    await f.writer.git('push', '--quiet', '--force', 'origin', 'HEAD:main');
    for (let poll = 0; poll < 2; poll += 1) {
      await assertKept(await mirror.fetch(f.spec, never), good, 'GIT_HISTORY_UNRELATED', new RegExp(unrelated.slice(0, 12)));
    }
    await f.repository.remove();
    await f.server.createRepository('fleet');
    for (const ref of [f.spec.ref, { type: 'head' } as const]) {
      const result = await mirror.fetch({ ...f.spec, ref }, never);
      await assertKept(result, good, 'GIT_HISTORY_UNRELATED', /emptied/);
    }
    // A caller that was restarted and knows nothing is told the same.
    await mirror[Symbol.asyncDispose]();
    await assertKept(await f.mirror().fetch(f.spec, never), good, 'GIT_HISTORY_UNRELATED');
  });

  test('F28 a missing branch or tag is an error that names it', async () => {
    const { f, mirror, good } = await withGood();
    await using _ = f;
    await f.writer.git('push', '--quiet', 'origin', 'main:trunk');
    await f.writer.git('--git-dir', f.repository.path, 'symbolic-ref', 'HEAD', 'refs/heads/trunk');
    await f.writer.git('push', '--quiet', 'origin', ':main');
    await assertKept(await mirror.fetch(f.spec, never), good, 'GIT_REF_MISSING', /no branch main/);
    const tagged = await mirror.fetch({ ...f.spec, ref: { type: 'tag', name: 'v9' } }, never);
    await assertKept(tagged, good, 'GIT_REF_MISSING', /no tag v9/);
    assert.equal(taken(await mirror.fetch({ ...f.spec, ref: { type: 'head' } }, never)).revision, `trunk@sha1:${good}`);
  });

  test('F28 a tag that moves back is a rewrite', async () => {
    await using f = await startFixture();
    const one = await f.writer.publish('one', { 'a.yaml': 'good\n' });
    await f.writer.publish('two', {});
    await f.writer.git('tag', 'stable');
    await f.writer.git('push', '--quiet', 'origin', 'stable');
    const spec = { ...f.spec, ref: { type: 'tag', name: 'stable' } as const };
    const mirror = f.mirror();
    taken(await mirror.fetch(spec, never));
    await f.writer.git('tag', '--force', 'stable', one);
    await f.writer.git('push', '--quiet', '--force', 'origin', 'stable');
    assert.equal((await mirror.fetch({ ...spec, forcePush: 'Hold' }, never)).problem?.code, 'GIT_FORCE_PUSH_HELD');
    const followed = await mirror.fetch(spec, never);
    assert.deepEqual([taken(followed).commit.sha, followed.warnings.length], [one, 1]);
  });

  test('F28 an ancestor that is far behind is found', async () => {
    const { f, mirror } = await withGood();
    await using _ = f;
    for (let index = 0; index < 70; index += 1) await f.writer.commit(`step ${index}`);
    await f.writer.push();
    const result = await mirror.fetch(f.spec, never);
    assert.deepEqual([taken(result).commit.sha, result.warnings], [await f.writer.head(), []]);
  });
});

suite('a mirror over restarts and damage', () => {
  test('after a restart the opened commit is what fetches are compared with', async () => {
    const { f, mirror, good } = await withGood();
    await using _ = f;
    const two = await f.writer.publish('two', { 'b.yaml': '' });
    taken(await mirror.fetch(f.spec, never));
    await mirror[Symbol.asyncDispose]();
    const again = f.mirror();
    assert.equal((await again.open(f.spec, good, never))?.commit.sha, good);
    const result = await again.fetch(f.spec, never);
    assert.deepEqual([taken(result).commit.sha, result.changed, result.changedPaths, result.warnings], [two, true, ['b.yaml'], []]);
    assert.equal(await again.open(f.spec, 'e'.repeat(40), never), undefined);
  });

  test('a lost mirror is cloned anew, and the caller gets the tree that it could not open', async () => {
    const { f, mirror, good } = await withGood();
    await using _ = f;
    await mirror[Symbol.asyncDispose]();
    await rm(`${f.data.path}/mirrors`, { recursive: true });
    const again = f.mirror();
    assert.equal(await again.open(f.spec, good, never), undefined);
    const result = await again.fetch(f.spec, never);
    assert.deepEqual([taken(result).commit.sha, result.changed], [good, true]);
  });

  test('a lost mirror under a history that was replaced meanwhile holds: nothing ties the two', async () => {
    const { f, mirror, good } = await withGood();
    await using _ = f;
    await mirror[Symbol.asyncDispose]();
    await rm(`${f.data.path}/mirrors`, { recursive: true });
    await f.writer.git('checkout', '--quiet', '--orphan', 'other');
    const other = await f.writer.commit('unrelated');
    await f.repository.remove();
    await f.server.createRepository('fleet');
    await f.writer.git('push', '--quiet', 'origin', 'HEAD:main');
    const again = f.mirror();
    await again.open(f.spec, good, never);
    const result = await again.fetch(f.spec, never);
    assert.deepEqual([result.problem?.code, result.changed, result.tree], ['GIT_HISTORY_UNRELATED', false, undefined]);
    again.approve(other);
    assert.equal(taken(await again.fetch(f.spec, never)).commit.sha, other);
  });

  test('B34 damaged objects are found when they are read, and the mirror is cloned anew beside', async () => {
    const { f, mirror, good } = await withGood();
    await using _ = f;
    await mirror[Symbol.asyncDispose]();
    for (const path of await filesOf(f)) if (path.endsWith('.pack')) await flipLastThird(join(f.data.path, path));
    const again = f.mirror();
    const opened = await again.open(f.spec, good, never);
    const broken = opened === undefined ? undefined : await readAll(opened).catch((error: unknown) => error as { code: string });
    assert.ok(opened === undefined || broken?.['code'] === 'GIT_CORRUPT', 'damage is an error, never other content');
    const result = await again.fetch(f.spec, never);
    assert.equal(taken(result).commit.sha, good);
    assert.deepEqual(await readAll(taken(result)), { 'a.yaml': 'good\n' });
    if (opened !== undefined) assert.deepEqual(await readAll(opened), { 'a.yaml': 'good\n' }, 'a tree handed out before reads again');
    assert.deepEqual(await generations(f), ['g2']);
  });

  test('while a damaged mirror cannot be cloned anew the problem is said and the old one stays', async () => {
    const { f, mirror, good } = await withGood();
    await using _ = f;
    for (const path of await filesOf(f)) if (path.endsWith('/HEAD')) await rm(join(f.data.path, path));
    await f.writer.publish('next', {});
    f.server.setFault({ type: 'status', status: 503 }, 'read');
    const result = await mirror.fetch(f.spec, never);
    assert.equal(result.changed, false);
    assert.equal(result.tree?.commit.sha, good);
    assert.deepEqual(await generations(f), ['g1']);
    f.server.setFault(undefined);
    assert.equal(taken(await mirror.fetch(f.spec, never)).commit.sha, await f.writer.head());
    assert.deepEqual(await generations(f), ['g2']);
  });

  test('locks and half packs of a killed process are removed at the start', async () => {
    const { f, mirror } = await withGood();
    await using _ = f;
    await mirror[Symbol.asyncDispose]();
    const repository = (await filesOf(f)).find((path) => path.endsWith('/HEAD'))?.slice(0, -'/HEAD'.length) ?? '';
    for (const name of ['refs/drover/fetched.lock', 'shallow.lock', 'objects/pack/tmp_pack_abc']) {
      await writeFile(join(f.data.path, repository, name), 'x');
    }
    const next = await f.writer.publish('next', {});
    assert.equal(taken(await f.mirror().fetch(f.spec, never)).commit.sha, next);
    assert.deepEqual(
      (await filesOf(f)).filter((path) => /tmp_|\.lock$/.test(path)),
      [],
    );
  });

  test('B34 a repository beyond the limit of the mirror is refused, its space given back, the last good tree readable', async () => {
    const { f, good } = await withGood();
    await using _ = f;
    const mirror = f.mirrors({ maxMirrorBytes: 300_000 }).mirror(f.spec);
    await using _mirror = mirror;
    await mirror.open(f.spec, good, never);
    await f.writer.publish('huge', { 'huge.bin': randomBytes(2_000_000) });
    for (let poll = 0; poll < 3; poll += 1) await assertKept(await mirror.fetch(f.spec, never), good, 'GIT_TOO_LARGE');
    let bytes = 0;
    for (const path of await filesOf(f)) bytes += (await readFile(join(f.data.path, path))).length;
    assert.ok(bytes < 2_500_000, `${bytes} bytes are kept after three attempts`);
    await f.writer.git('reset', '--quiet', '--hard', good);
    const small = await f.writer.commit('small');
    await f.writer.push({ force: true });
    assert.equal(taken(await mirror.fetch(f.spec, never)).commit.sha, small);
  });
});

suite('what a fetch is given', () => {
  test('T10 I12 credentials travel in the environment, never in arguments, and never come out', async () => {
    const password = 'p@ss/w0rd canary';
    await using f = await startFixture({ auth: { user: 'hub', password } });
    await f.writer.publish('first', { 'a.yaml': '' });
    const spec = { ...f.spec, secretRef: 'fleet-git' };
    const mirror = f.mirror();
    assert.equal((await mirror.fetch(f.spec, never)).problem?.code, 'GIT_AUTH');
    assert.equal((await mirror.fetch(spec, never)).problem?.code, 'SECRET_MISSING');
    f.secrets.set(
      'drover/fleet-git',
      new Map([
        ['username', Buffer.from('hub')],
        ['password', Buffer.from('wrong canary')],
      ]),
    );
    const wrong = await mirror.fetch(spec, never);
    assert.equal(wrong.problem?.code, 'GIT_AUTH');
    assert.ok(!JSON.stringify(wrong).includes('canary'));
    f.secrets.set(
      'drover/fleet-git',
      new Map([
        ['username', Buffer.from('hub\n')],
        ['password', Buffer.from(`${password}\n`)],
      ]),
    );
    taken(await mirror.fetch(spec, never));
    const basic = Buffer.from(`hub:${password}`).toString('base64');
    for (const { args, env } of f.started) {
      assert.ok(!args.join(' ').includes('canary') && !args.join(' ').includes(basic));
      assert.deepEqual([env['GIT_CONFIG_NOSYSTEM'], env['GIT_CONFIG_GLOBAL'], env['GIT_TERMINAL_PROMPT']], ['1', '/dev/null', '0']);
      assert.ok(['http', ''].includes(env['GIT_ALLOW_PROTOCOL'] ?? 'absent'));
      if (args[0] === 'fetch') assert.ok(args.indexOf('--end-of-options') === args.length - 3);
    }
    assert.ok(f.started.some(({ env }) => Object.values(env).includes(`Authorization: Basic ${basic}`)));
  });

  test('B36 B37 refused URLs and refs start no process', async () => {
    await using f = await startFixture();
    const refused = [
      { ...specOf('ext::sh -c id') },
      { ...specOf('file:///etc') },
      { ...specOf('http://127.0.0.1:1/x'), insecure: false },
      { ...f.spec, ref: { type: 'branch', name: '--upload-pack=touch' } as const },
      { ...f.spec, ref: { type: 'tag', name: 'refs/../../x' } as const },
      { ...f.spec, ref: { type: 'commit', sha: 'HEAD' } as const },
    ];
    for (const spec of refused) {
      await using mirror = f.mirrors().mirror(spec);
      const result = await mirror.fetch(spec, never);
      assert.ok(['GIT_URL_REFUSED', 'GIT_REF_REFUSED'].includes(result.problem?.code ?? ''), JSON.stringify(result.problem));
      await assert.rejects(mirror.open(spec, 'a'.repeat(40), never), { code: result.problem?.code });
    }
    assert.equal(f.started.length, 0);
  });

  test('F29 fifty hints during a fetch become one more fetch, which sees the newest commit', async () => {
    const { f, mirror } = await withGood();
    await using _ = f;
    f.started.length = 0;
    const first = mirror.fetch(f.spec, never);
    const newest = await f.writer.publish('newest', { 'b.yaml': '' });
    const rest = await Promise.all(Array.from({ length: 50 }, () => mirror.fetch(f.spec, never)));
    await first;
    for (const result of rest) assert.equal(result.tree?.commit.sha, newest);
    assert.ok(f.started.length <= 3, `${f.started.length} processes`);
  });

  test('an aborted fetch rejects with the reason and leaves a usable mirror', async () => {
    const { f, mirror } = await withGood();
    await using _ = f;
    f.server.setFault({ type: 'stall' }, 'read');
    const stop = new AbortController();
    const fetching = mirror.fetch(f.spec, stop.signal);
    stop.abort(new Error('enough'));
    await assert.rejects(fetching, /enough/);
    f.server.setFault(undefined);
    const next = await f.writer.publish('next', {});
    assert.equal(taken(await mirror.fetch(f.spec, never)).commit.sha, next);
  });
});

async function filesOf(f: Fixture): Promise<string[]> {
  const entries = await readdir(f.data.path, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(f.data.path.length + 1));
}

async function generations(f: Fixture): Promise<string[]> {
  const [mirror = ''] = await readdir(`${f.data.path}/mirrors`);
  return (await readdir(`${f.data.path}/mirrors/${mirror}`)).filter((name) => name.startsWith('g'));
}

async function flipLastThird(path: string): Promise<void> {
  const bytes = await readFile(path);
  await chmod(path, 0o600);
  for (let at = Math.floor(bytes.length / 3); at < bytes.length - 20; at += 7) bytes[at] = (bytes[at] ?? 0) ^ 0xff;
  await writeFile(path, bytes);
}
