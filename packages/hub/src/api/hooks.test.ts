import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import type { FastifyInstance } from 'fastify';
import { createApi } from './api.ts';
import type { Fixture } from './testdata/open-api.ts';
import { HOOK_KEY, openFixture } from './testdata/open-api.ts';
import { OLD_SHA, SHA } from './testdata/seed-fleet.ts';
import { isReplay, isSigned, readPush } from './webhook.ts';

const body = JSON.stringify({ repository: 'fleet', ref: 'refs/heads/main', before: SHA, after: 'a'.repeat(40) });
const sign = (text: string, key: Uint8Array = HOOK_KEY): string => `sha256=${createHmac('sha256', key).update(text).digest('hex')}`;

interface Hooks extends AsyncDisposable {
  readonly app: FastifyInstance;
  readonly fixture: Fixture;
  send(payload: string, signature: string | undefined, id?: string, type?: string): Promise<number>;
}

async function openHooks(): Promise<Hooks> {
  const fixture = await openFixture({ host: '0.0.0.0' });
  const app = await createApi(fixture.deps);
  return {
    app,
    fixture,
    async send(payload, signature, id = 'fleet', type = 'application/json') {
      const headers = { 'content-type': type, ...(signature === undefined ? {} : { 'x-signature': signature }) };
      return (await app.inject({ method: 'POST', url: `/v1/hooks/generic/${id}`, payload, headers })).statusCode;
    },
    async [Symbol.asyncDispose]() {
      await app.close();
      await fixture[Symbol.asyncDispose]();
    },
  };
}

test('B38 a signed webhook hints a fetch, and nothing more', async () => {
  await using hooks = await openHooks();
  assert.equal(await hooks.send(body, sign(body)), 202);
  assert.deepEqual(hooks.fixture.asked.calls, ['hint drover/fleet']);
});

const wrong: { name: string; payload: string; signature: string | undefined; id?: string; status: number }[] = [
  { name: 'without a signature', payload: body, signature: undefined, status: 401 },
  { name: 'signed with another key', payload: body, signature: sign(body, Buffer.from('other')), status: 401 },
  { name: 'whose signature is of another body', payload: `${body} `, signature: sign(body), status: 401 },
  { name: 'with a short signature', payload: body, signature: 'sha256=00', status: 401 },
  { name: 'with another algorithm', payload: body, signature: sign(body).replace('sha256', 'sha1'), status: 401 },
  { name: 'of a source that does not exist', payload: body, signature: sign(body), id: 'nothing', status: 401 },
  {
    name: 'of a source without key, signed with zeros',
    payload: body,
    signature: sign(body, Buffer.alloc(32)),
    id: 'nothing',
    status: 401,
  },
  { name: 'that is no JSON', payload: 'push!', signature: sign('push!'), status: 400 },
  { name: 'that is no object', payload: '[]', signature: sign('[]'), status: 400 },
  { name: 'that is empty', payload: '', signature: sign(''), status: 400 },
  { name: 'of 257 KiB', payload: 'x'.repeat(257 * 1024), signature: sign('x'.repeat(257 * 1024)), status: 413 },
  { name: 'with a name that is none', payload: body, signature: sign(body), id: '..%2F..', status: 400 },
];
for (const { name, payload, signature, id, status } of wrong) {
  test(`B38 a webhook ${name} is refused and fetches nothing`, async () => {
    await using hooks = await openHooks();
    assert.equal(await hooks.send(payload, signature, id), status);
    assert.deepEqual(hooks.fixture.asked.calls, []);
  });
}

test('B38 the type of the body does not matter, as its bytes are what is signed', async () => {
  await using hooks = await openHooks();
  assert.equal(await hooks.send(body, sign(body), 'fleet', 'text/plain'), 202);
});

test('B38 a webhook that is replayed is refused', async () => {
  await using hooks = await openHooks();
  const old = JSON.stringify({ before: OLD_SHA, after: SHA });
  assert.equal(await hooks.send(old, sign(old)), 202);
  assert.equal(await hooks.send(old, sign(old)), 409);
  assert.deepEqual(hooks.fixture.asked.calls, ['hint drover/fleet']);
});

test('a push that is made again from where the source is, is no replay', async () => {
  await using hooks = await openHooks();
  assert.equal(await hooks.send(body, sign(body)), 202);
  assert.equal(await hooks.send(body, sign(body)), 202);
});

test('T17 who cannot sign is slowed down, and who can is not', async () => {
  await using hooks = await openHooks();
  const statuses = new Map<number, number>();
  for (let count = 0; count < 200; count++) {
    const status = await hooks.send(body, 'sha256=00');
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  }
  assert.ok((statuses.get(429) ?? 0) > 100, JSON.stringify([...statuses]));
  await using other = await openHooks();
  for (let count = 0; count < 100; count++) {
    const push = JSON.stringify({ before: SHA, after: count.toString(16).padStart(40, '0') });
    assert.equal(await other.send(push, sign(push)), 202);
  }
});

test('isSigned takes no signature for a hook without a key', () => {
  assert.equal(isSigned(Buffer.from(body), sign(body), HOOK_KEY), true);
  assert.equal(isSigned(Buffer.from(body), sign(body).toUpperCase().replace('SHA256', 'sha256'), HOOK_KEY), true);
  assert.equal(isSigned(Buffer.from(body), sign(body), undefined), false);
  assert.equal(isSigned(Buffer.from(body), sign(body, Buffer.alloc(0)), Buffer.alloc(0)), false);
});

test('readPush takes commits only for what they are', () => {
  assert.deepEqual(readPush(Buffer.from('{"before":"x","after":7}')), { before: undefined, after: undefined });
  assert.equal(isReplay(readPush(Buffer.from('{}')), SHA), true);
});
