import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Tree } from '#sources/types.ts';
import { addSourceChange, createInbox, mergeWork, noWork } from './work.ts';

const tree = (sha: string): Tree => ({ commit: { sha } }) as Tree;
const { signal } = new AbortController();

test('F29 a storm of pushes is one pass over the newest commit, with all paths that changed', async () => {
  const inbox = createInbox();
  for (let index = 0; index < 1000; index++) {
    inbox.add((work) => addSourceChange(work, 's', { tree: tree(`c${index}`), url: 'u', changedPaths: [`p${index}`] }));
  }
  const work = await inbox.take(signal);
  assert.equal(work.sources.get('s')?.tree.commit.sha, 'c999');
  assert.equal(work.sources.get('s')?.changedPaths?.length, 1000);
  const waiting = inbox.take(signal);
  inbox.add((next) => next.clusters.add('u'));
  assert.deepEqual([...(await waiting).clusters], ['u']);
});

test('a change whose paths cannot be told makes the whole change so', () => {
  const work = noWork();
  addSourceChange(work, 's', { tree: tree('a'), url: 'u', changedPaths: undefined });
  addSourceChange(work, 's', { tree: tree('b'), url: 'u', changedPaths: ['p'] });
  assert.equal(work.sources.get('s')?.changedPaths, undefined);
});

test('work of a failed pass comes back without undoing what is newer', () => {
  const failed = noWork();
  addSourceChange(failed, 's', { tree: tree('old'), url: 'u', changedPaths: ['a'] });
  failed.targets = true;
  const next = noWork();
  addSourceChange(next, 's', { tree: tree('new'), url: 'u', changedPaths: ['b'] });
  mergeWork(next, failed);
  assert.equal(next.sources.get('s')?.tree.commit.sha, 'new');
  assert.deepEqual(next.sources.get('s')?.changedPaths, ['a', 'b']);
  assert.equal(next.targets, true);
});

test('waiting for work ends with the signal', async () => {
  const controller = new AbortController();
  const waiting = createInbox().take(controller.signal);
  controller.abort(new Error('stop'));
  await assert.rejects(waiting, /stop/);
});
