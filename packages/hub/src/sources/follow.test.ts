import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { GitRepository } from '#config/types.ts';
import { openSqlite } from '#state/sqlite-adapter.ts';
import { openStore } from '#state/store.ts';
import { testClock } from '../testdata/core-hub.ts';
import { createFollower } from './follow.ts';
import type { FetchResult, GitMirror, Tree } from './types.ts';

const source = (over: Partial<GitRepository> = {}): GitRepository => ({
  namespace: 'drover',
  name: 'fleet',
  url: 'https://one.example.com/fleet.git',
  ref: { type: 'head' },
  intervalMs: 60_000,
  timeoutMs: 60_000,
  insecure: false,
  forcePush: 'Follow',
  suspend: false,
  ...over,
});
const tree = (sha: string): Tree => ({ commit: { sha, subject: 's', author: 'a', time: 0 }, revision: `main@sha1:${sha}` }) as Tree;
const silent = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

async function world(store = openStore({ dialect: openSqlite(':memory:').dialect, now: () => 1 })) {
  const clock = testClock();
  const opened = await store;
  const told: string[] = [];
  /** Commit of each URL; what mirrors hold on disk; which are open. */
  const remotes = new Map<string, string>();
  const disk = new Map<string, Set<string>>();
  const open = new Set<string>();
  let gate: Promise<void> = Promise.resolve();
  let fetches = 0;
  let broken = false;
  const mirrors = {
    mirror({ url }: Pick<GitRepository, 'url'>): GitMirror {
      open.add(url);
      let last: string | undefined;
      return {
        async fetch(): Promise<FetchResult> {
          fetches++;
          const sha = remotes.get(url);
          await gate;
          if (sha === undefined) {
            const problem = { code: 'GIT_UNREACHABLE', subject: url, message: 'closed port', hint: 'h' } as const;
            return { tree: last === undefined ? undefined : tree(last), changed: false, changedPaths: [], problem, warnings: [] };
          }
          const changed = last !== sha;
          const changedPaths = last === undefined ? undefined : [`${sha}.yaml`];
          last = sha;
          disk.set(url, (disk.get(url) ?? new Set()).add(sha));
          return { tree: tree(sha), changed, changedPaths, problem: undefined, warnings: [] };
        },
        async open(_spec, sha) {
          if (disk.get(url)?.has(sha) !== true) return undefined;
          last = sha;
          return tree(sha);
        },
        approve() {},
        changedPaths: async () => undefined,
        async [Symbol.asyncDispose]() {
          open.delete(url);
        },
      };
    },
  };
  const follower = createFollower({
    clock,
    random: { fraction: () => 0.5, bytes: () => new Uint8Array(), uuid: () => '' },
    log: silent,
    effect: (_point, run) => (broken ? Promise.reject(new Error('disk full')) : run()),
    store: opened,
    mirrors,
    onTree: ({ name }, { commit }, paths) => told.push(`${name} ${commit.sha} ${paths === undefined ? 'all' : paths.join()}`),
  });
  async function until(done: () => boolean): Promise<void> {
    for (let tries = 0; tries < 1000 && !done(); tries++) await turn();
    assert.ok(done());
  }
  /** Asks, and lets time pass until the answer is there. */
  async function ask(spec: GitRepository): Promise<FetchResult | undefined> {
    let done = false;
    const asked = follower.fetchNow(spec).finally(() => (done = true));
    for (let tries = 0; tries < 1000 && !done; tries++) await clock.advance(100);
    assert.ok(done, 'no answer');
    return asked;
  }
  return {
    follower,
    ask,
    store: opened,
    clock,
    told,
    remotes,
    disk,
    open,
    until,
    fetches: () => fetches,
    block() {
      const { promise, resolve } = Promise.withResolvers<void>();
      gate = promise;
      return resolve;
    },
    breakStore: (value: boolean) => void (broken = value),
    row: () => opened.db.selectFrom('source').selectAll().executeTakeFirst(),
  };
}

const { signal } = new AbortController();

test('a source is fetched, recorded, and told of; then again when it moves', async () => {
  const w = await world();
  w.remotes.set(source().url, 'c1');
  await w.follower.follow([source()], signal);
  await w.until(() => w.told.length === 1);
  assert.deepEqual(w.told, ['fleet c1 all']);
  assert.equal((await w.row())?.sha, 'c1');
  w.remotes.set(source().url, 'c2');
  await w.ask(source());
  assert.deepEqual(w.told, ['fleet c1 all', 'fleet c2 c2.yaml']);
  await w.follower[Symbol.asyncDispose]();
  assert.equal(w.open.size, 0);
});

test('F27 the last good commit is in force again after a restart, before the first fetch', async () => {
  const w = await world();
  w.remotes.set(source().url, 'c1');
  await w.follower.follow([source()], signal);
  await w.until(() => w.told.length === 1);
  await w.follower[Symbol.asyncDispose]();
  const again = await world(Promise.resolve(w.store));
  again.disk.set(source().url, new Set(['c1']));
  await again.follower.follow([source()], signal);
  assert.deepEqual(again.told, ['fleet c1 all']);
  await again.until(() => again.fetches() === 1);
  await again.follower[Symbol.asyncDispose]();
  assert.equal((await again.row())?.sha, 'c1');
});

test('F28 a commit of one repository is none of another, also over a restart', async () => {
  const w = await world();
  w.remotes.set(source().url, 'c1');
  await w.follower.follow([source()], signal);
  await w.until(() => w.told.length === 1);
  const moved = source({ url: 'https://two.example.com/fleet.git' });
  await w.follower.follow([moved], signal);
  assert.deepEqual([...w.open], [moved.url]);
  assert.equal((await w.ask(moved))?.problem?.code, 'GIT_UNREACHABLE');
  const row = await w.row();
  assert.deepEqual([row?.sha, row?.revision, row?.commit], [null, null, null]);
  await w.follower[Symbol.asyncDispose]();
  const again = await world(Promise.resolve(w.store));
  // Its mirror would say that it holds the other's commit.
  again.disk.set(moved.url, new Set(['c1']));
  await again.follower.follow([moved], signal);
  assert.deepEqual(again.told, []);
  again.remotes.set(moved.url, 'd1');
  await again.ask(moved);
  assert.deepEqual(again.told, ['fleet d1 all']);
  await again.follower[Symbol.asyncDispose]();
});

test('a commit that could not be recorded is told of when it can be', async () => {
  const w = await world();
  w.remotes.set(source().url, 'c1');
  await w.follower.follow([source()], signal);
  await w.until(() => w.told.length === 1);
  w.remotes.set(source().url, 'c2');
  w.breakStore(true);
  await w.ask(source());
  assert.deepEqual(w.told, ['fleet c1 all']);
  w.breakStore(false);
  await w.ask(source());
  assert.deepEqual(w.told, ['fleet c1 all', 'fleet c2 all']);
  await w.ask(source());
  assert.equal(w.told.length, 2);
  await w.follower[Symbol.asyncDispose]();
});

test('who asks for a fetch gets one that began afterwards', async () => {
  const w = await world();
  const open = w.block();
  w.remotes.set(source().url, 'c1');
  await w.follower.follow([source()], signal);
  await w.until(() => w.fetches() === 1);
  const asked = w.follower.fetchNow(source());
  w.remotes.set(source().url, 'c2');
  open();
  assert.equal((await asked)?.tree?.commit.sha, 'c2');
  assert.equal(w.fetches(), 2);
  await w.follower[Symbol.asyncDispose]();
});

test('who waits for a source that is no longer followed is told so', async () => {
  const w = await world();
  w.block();
  w.remotes.set(source().url, 'c1');
  await w.follower.follow([source({ suspend: true })], signal);
  const asked = w.follower.fetchNow(source());
  await w.follower.follow([], signal);
  assert.equal(await asked, undefined);
  assert.equal(await w.follower.fetchNow(source()), undefined);
  assert.equal(w.follower.has(source()), false);
});

test('F27 one source that is away does not keep another from being followed', async () => {
  const w = await world();
  const other = source({ name: 'apps', url: 'https://two.example.com/apps.git' });
  w.remotes.set(other.url, 'c1');
  await w.follower.follow([source(), other], signal);
  await w.until(() => w.told.length === 1);
  assert.deepEqual(w.told, ['apps c1 all']);
  await w.follower[Symbol.asyncDispose]();
});
