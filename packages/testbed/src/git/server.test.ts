import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'node:test';

import { git } from './git.ts';
import { startGitServer } from './server.ts';

test('a push arrives at another clone', async () => {
  await using server = await startGitServer();
  const repository = await server.createRepository('app');
  await using writer = await repository.clone();
  const id = await writer.publish('first', { 'deep/file.yaml': 'a: 1\n', 'gone.yaml': '' });
  await writer.publish('second', {}, ['gone.yaml']);
  await using reader = await repository.clone();
  assert.equal(await reader.head(), await writer.head());
  assert.equal(await reader.git('rev-parse', 'HEAD^'), id);
  assert.equal(await reader.git('ls-files'), 'deep/file.yaml');
});

test('history is replaced only by force', async () => {
  await using server = await startGitServer();
  await using clone = await (await server.createRepository('app')).clone();
  await clone.publish('first', { f: '1' });
  await clone.git('commit', '--amend', '--message', 'other');
  await assert.rejects(clone.push(), /rejected/);
  await clone.push({ force: true });
});

test('basic auth is asked for and accepted', async () => {
  await using server = await startGitServer({ auth: { user: 'hub', password: 'p@ss/word' } });
  const repository = await server.createRepository('app');
  await using clone = await repository.clone();
  await clone.publish('first', { f: '1' });
  await assert.rejects(git('/', 'ls-remote', repository.url), /could not read Username/);
  assert.match(await git('/', 'ls-remote', repository.authUrl), /refs\/heads\/main/);
});

test('a webhook hears of each pushed ref, signed', async () => {
  const heard = Promise.withResolvers<{ body: string; signature: string | string[] | undefined }>();
  const hub = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => {
      heard.resolve({ body, signature: request.headers['x-signature'] });
      response.end();
    });
  });
  hub.listen(0, '127.0.0.1');
  await once(hub, 'listening');
  await using server = await startGitServer();
  server.setWebhook({ url: `http://127.0.0.1:${(hub.address() as AddressInfo).port}/hooks`, secret: 's3cret' });
  await using clone = await (await server.createRepository('app')).clone();
  const after = await clone.publish('first', { f: '1' });
  const { body, signature } = await heard.promise;
  hub.close();
  assert.deepEqual(JSON.parse(body), { repository: 'app', ref: 'refs/heads/main', before: '0'.repeat(40), after });
  assert.equal(signature, `sha256=${createHmac('sha256', 's3cret').update(body).digest('hex')}`);
});

test('faults answer with a status, cut the answer short or never answer, and end', async () => {
  await using server = await startGitServer();
  const repository = await server.createRepository('app');
  await using clone = await repository.clone();
  await clone.publish('first', { f: '1' });
  server.setFault({ type: 'status', status: 503 }, 'read');
  await assert.rejects(git('/', 'ls-remote', repository.url), /503/);
  server.setFault({ type: 'truncate', bytes: 40 }, 'read');
  await assert.rejects(git('/', 'ls-remote', repository.url), /fatal/);
  server.setFault({ type: 'stall' }, 'read');
  const stalled = git('/', 'ls-remote', repository.url);
  const verdict = assert.rejects(stalled, /fatal/);
  await clone.publish('pushing still works', {});
  server.setFault(undefined);
  await verdict;
  assert.match(await git('/', 'ls-remote', repository.url), /refs\/heads\/main/);
});
