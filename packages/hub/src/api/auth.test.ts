import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FastifyInstance } from 'fastify';
import type { Role } from '#identity/tokens.ts';
import { createApi } from './api.ts';
import { addAuth } from './auth.ts';
import { POLICIES } from './policy.ts';
import { openFixture } from './testdata/open-api.ts';
import Fastify from 'fastify';

/** A path of a route, with names of the seeded fleet where it has parameters. */
function pathOf(route: string): string {
  const names: Record<string, string> = { kind: 'GitRepository', namespace: 'drover', delivery: 'shop', cluster: 'prod-eu', id: 'shop-14' };
  return route.replace(/:(\w+)/g, (_, parameter: string) =>
    parameter === 'name'
      ? route.includes('/clusters/')
        ? 'prod-eu'
        : route.includes('/sources/')
          ? 'fleet'
          : 'shop'
      : (names[parameter] ?? ''),
  );
}

const routes = Object.entries(POLICIES).map(([route, policy]) => {
  const [method = '', path = ''] = route.split(' ');
  return { route, policy, method: method as 'GET', url: pathOf(path) };
});

async function listenOn(host: string): Promise<{ app: FastifyInstance; tokenOf: (role: Role) => Promise<string> } & AsyncDisposable> {
  const fixture = await openFixture({ host });
  const app = await createApi(fixture.deps);
  return {
    app,
    tokenOf: async (role) => (await fixture.deps.tokens.createApi({ name: `a ${role}`, role }, 'test')).token,
    async [Symbol.asyncDispose]() {
      await app.close();
      await fixture[Symbol.asyncDispose]();
    },
  };
}

test('T16 without a token every route that is not public is refused where the listener is not loopback', async (t) => {
  await using on = await listenOn('0.0.0.0');
  for (const { route, policy, method, url } of routes) {
    await t.test(route, async () => {
      if (route === 'GET /v1/events/stream' && policy === 'public') return;
      const reply = await on.app.inject({ method, url });
      assert.equal(reply.statusCode === 401, policy !== 'public', `${reply.statusCode} ${reply.body.slice(0, 200)}`);
      if (reply.statusCode === 401) assert.equal(reply.json<{ code: string }>().code, 'UNAUTHORIZED');
    });
  }
});

test('T16 every role is refused what is above it, and let in below', async (t) => {
  await using on = await listenOn('0.0.0.0');
  const rank = { viewer: 1, operator: 2, admin: 3 };
  for (const role of ['viewer', 'operator', 'admin'] as const) {
    const token = await on.tokenOf(role);
    for (const { route, policy, method, url } of routes) {
      if (policy === 'public' || policy === 'signed' || route === 'GET /v1/events/stream') continue;
      await t.test(`${role}: ${route}`, async () => {
        const reply = await on.app.inject({ method, url, headers: { authorization: `Bearer ${token}` } });
        const allowed = rank[role] >= rank[policy];
        assert.equal(reply.statusCode === 403, !allowed, `${reply.statusCode} ${reply.body.slice(0, 200)}`);
        assert.notEqual(reply.statusCode, 401);
        assert.notEqual(reply.statusCode, 500);
      });
    }
  }
});

test('T16 a path that the API does not have tells nothing to who may not look', async () => {
  await using on = await listenOn('0.0.0.0');
  assert.equal((await on.app.inject('/v1/approvals')).statusCode, 401);
  const headers = { authorization: `Bearer ${await on.tokenOf('viewer')}` };
  const reply = await on.app.inject({ url: '/v1/approvals', headers });
  assert.equal(reply.statusCode, 404);
  assert.equal(reply.headers['content-type'], 'application/problem+json; charset=utf-8');
});

test('on loopback whoever is on this machine may do everything', async () => {
  await using on = await listenOn('127.0.0.1');
  assert.equal((await on.app.inject('/v1/tokens')).statusCode, 200);
  assert.equal((await on.app.inject({ url: '/v1/fleet', remoteAddress: '::1', headers: { host: '[::1]:7440' } })).statusCode, 200);
});

const strangers: { name: string; request: { remoteAddress?: string; headers?: Record<string, string> } }[] = [
  { name: 'from another machine', request: { remoteAddress: '10.0.0.8' } },
  { name: 'through a proxy', request: { headers: { 'x-forwarded-for': '10.0.0.8' } } },
  { name: 'through a proxy that says so in the standard header', request: { headers: { forwarded: 'for=10.0.0.8' } } },
  { name: 'under a rebound name', request: { headers: { host: 'evil.example.com:7440' } } },
  { name: 'from a page of another site', request: { headers: { origin: 'https://evil.example.com' } } },
  { name: 'from a page without origin', request: { headers: { origin: 'null' } } },
];
for (const { name, request } of strangers) {
  test(`on loopback a caller ${name} needs a token`, async () => {
    await using on = await listenOn('127.0.0.1');
    assert.equal((await on.app.inject({ url: '/v1/fleet', ...request })).statusCode, 401);
    const authorization = `Bearer ${await on.tokenOf('viewer')}`;
    const headers = { ...request.headers, authorization };
    assert.equal((await on.app.inject({ url: '/v1/fleet', ...request, headers })).statusCode, 200);
  });
}

test('a token that is given is checked on loopback, too', async () => {
  await using on = await listenOn('127.0.0.1');
  for (const authorization of ['Bearer nonsense', `Bearer drover_api_${'0'.repeat(12)}_${'0'.repeat(40)}`, 'Basic YTpi', '']) {
    const reply = await on.app.inject({ url: '/v1/fleet', headers: { authorization } });
    assert.equal(reply.statusCode, 401, authorization);
    assert.equal(reply.headers['www-authenticate'], 'Bearer realm="drover"');
  }
  const viewer = { authorization: `Bearer ${await on.tokenOf('viewer')}` };
  assert.equal((await on.app.inject({ url: '/v1/tokens', headers: viewer })).statusCode, 403);
});

test('a revoked token opens nothing', async () => {
  await using on = await listenOn('0.0.0.0');
  const admin = { authorization: `Bearer ${await on.tokenOf('admin')}` };
  const token = await on.tokenOf('viewer');
  const id = token.split('_')[2] ?? '';
  assert.equal((await on.app.inject({ method: 'DELETE', url: `/v1/tokens/${id}`, headers: admin })).statusCode, 204);
  assert.equal((await on.app.inject({ url: '/v1/fleet', headers: { authorization: `Bearer ${token}` } })).statusCode, 401);
});

test('T16 a route without a policy does not start', () => {
  const app = Fastify();
  addAuth(app, { host: '127.0.0.1', tokens: {} as never });
  assert.throws(() => app.get('/v1/forgotten', () => 'x'), { code: 'UNEXPECTED' });
});

test('every policy has its route', async () => {
  await using on = await listenOn('127.0.0.1');
  for (const { route, method } of routes) assert.ok(on.app.hasRoute({ method, url: route.split(' ')[1] ?? '' }), route);
});
