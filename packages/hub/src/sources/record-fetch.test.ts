import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Code, Problem } from '@drover/contract';
import { zeroSource } from '#config/zero.ts';
import { openSqlite } from '#state/sqlite-adapter.ts';
import { openStore } from '#state/store.ts';
import { recordFetch } from './record-fetch.ts';
import type { FetchResult, Tree } from './types.ts';

const source = zeroSource({ url: 'https://one.example.com/fleet.git', insecure: false });
const tree = (sha: string): Tree =>
  ({ commit: { sha, subject: 'web 1.3', author: 'alice', time: 0 }, revision: `main@sha1:${sha}` }) as Tree;
const fetched = (sha: string, over: Partial<FetchResult> = {}): FetchResult => ({
  tree: tree(sha),
  changed: true,
  changedPaths: [],
  problem: undefined,
  warnings: [],
  ...over,
});
const problem = (code: Code): Problem => ({ code, subject: 'source fleet', message: 'no', hint: 'h' });

async function record() {
  let now = 0;
  const store = await openStore({ dialect: openSqlite(':memory:').dialect, now: () => now });
  return {
    at: (time: number, result: FetchResult, of = source) => {
      now = time;
      return recordFetch({ store, now: () => now }, of, result);
    },
    row: () => store.db.selectFrom('source').selectAll().executeTakeFirstOrThrow(),
    events: async () => (await store.db.selectFrom('event').selectAll().execute()).map((event) => `${event.severity} ${event.reason}`),
  };
}

test('F27 a failed fetch keeps the last good revision, and tells since when it fails, once', async () => {
  const hub = await record();
  await hub.at(1, fetched('c1'));
  for (const time of [2, 3, 4]) await hub.at(time, fetched('c1', { changed: false, problem: problem('GIT_UNREACHABLE') }));
  const row = await hub.row();
  assert.deepEqual([row.sha, row.last_fetch, row.problem_since], ['c1', 1, 2]);
  await hub.at(5, fetched('c1', { changed: false, problem: problem('GIT_AUTH') }));
  assert.equal((await hub.row()).problem_since, 5);
  await hub.at(6, fetched('c1', { changed: false }));
  assert.deepEqual([(await hub.row()).problem, (await hub.row()).last_fetch], [null, 6]);
  assert.deepEqual(await hub.events(), ['Info SourceFetched', 'Error GIT_UNREACHABLE', 'Error GIT_AUTH', 'Info SourceRecovered']);
});

test('F27 a source that never could be fetched has no revision', async () => {
  const hub = await record();
  await hub.at(1, { tree: undefined, changed: false, changedPaths: [], problem: problem('GIT_TIMEOUT'), warnings: [] });
  const row = await hub.row();
  assert.deepEqual([row.sha, row.revision, row.commit, row.last_fetch], [null, null, null, null]);
});

test('F28 a followed force-push is warned about', async () => {
  const hub = await record();
  await hub.at(1, fetched('c1', { warnings: [problem('GIT_FORCE_PUSH_HELD')] }));
  assert.deepEqual(await hub.events(), ['Warning GIT_FORCE_PUSH_HELD', 'Info SourceFetched']);
});

test('F28 a revision goes with the URL that it came from', async () => {
  const hub = await record();
  await hub.at(1, fetched('c1'));
  const moved = { ...source, url: 'https://two.example.com/fleet.git' };
  await hub.at(2, { tree: undefined, changed: false, changedPaths: [], problem: problem('GIT_UNREACHABLE'), warnings: [] }, moved);
  assert.equal((await hub.row()).sha, null);
  await hub.at(3, fetched('d1'), moved);
  assert.equal((await hub.row()).sha, 'd1');
});
