import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseJoinToken } from '@drover/contract';
import { random } from '@drover/runtime';
import { openSqlite } from '#state/sqlite-adapter.ts';
import { openStore } from '#state/store.ts';
import { authenticate, createApiToken, createJoinToken, listTokens, proveJoinToken, revokeToken } from './tokens.ts';
import type { FleetKeys } from './types.ts';

const keys = { ca: { keyDigest: 'ab'.repeat(32) } } as unknown as Pick<FleetKeys, 'ca'>;

async function setup() {
  let now = 1_795_000_000_000;
  const clock = { now: () => now, monotonic: () => now, sleep: async () => {} };
  const store = await openStore({ dialect: openSqlite(':memory:').dialect, now: () => now });
  return {
    deps: { store, clock, random },
    later: (ms: number) => {
      now += ms;
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

test('T4 a join token ends with the digest of the authority’s key, and only its hash is stored', async () => {
  await using hub = await setup();
  const made = await createJoinToken(hub.deps, keys, { cluster: 'prod-eu', labels: { env: 'prod' }, enforce: true });
  const token = parseJoinToken(made.token);
  assert.equal(token.caDigest, keys.ca.keyDigest);
  const rows = JSON.stringify(await hub.deps.store.db.selectFrom('token').selectAll().execute());
  assert.ok(!rows.includes(token.secret));
  assert.equal((await proveJoinToken(hub.deps.store.db, token)).cluster, 'prod-eu');
  await assert.rejects(proveJoinToken(hub.deps.store.db, { ...token, secret: 'f'.repeat(40) }), { code: 'TOKEN_INVALID' });
  await assert.rejects(proveJoinToken(hub.deps.store.db, { ...token, id: 'ffffffffffff' }), { code: 'TOKEN_INVALID' });
  const events = JSON.stringify(await hub.deps.store.db.selectFrom('event').selectAll().execute());
  assert.ok(!events.includes(token.secret));
});

const wrong: readonly { readonly name: string; readonly wish: Parameters<typeof createJoinToken>[2] }[] = [
  { name: 'for a cluster whose name is no DNS name', wish: { cluster: '../x' } },
  { name: 'for a named cluster with several uses', wish: { cluster: 'a', maxUses: 2 } },
  { name: 'without uses', wish: { maxUses: 0 } },
  { name: 'that lives for no time', wish: { ttlMs: 0 } },
];
for (const { name, wish } of wrong) {
  test(`a join token ${name} is refused`, async () => {
    await using hub = await setup();
    await assert.rejects(createJoinToken(hub.deps, keys, wish), { code: 'CONFIG_INVALID' });
  });
}

test('an API token stands for its name and role until it is revoked or expires', async () => {
  await using hub = await setup();
  const made = await createApiToken(hub.deps, { name: 'ci', role: 'operator', ttlMs: 60_000 });
  const other = await createApiToken(hub.deps, { name: 'alice', role: 'admin' });
  assert.match(made.token, /^drover_api_[0-9a-f]{12}_[0-9a-f]{40}$/);
  assert.deepEqual(await authenticate(hub.deps, made.token), { id: made.id, name: 'ci', role: 'operator' });
  hub.later(60_000);
  assert.equal(await authenticate(hub.deps, made.token), undefined);
  assert.equal((await authenticate(hub.deps, other.token))?.name, 'alice');
  await revokeToken(hub.deps, other.id, 'bob');
  await revokeToken(hub.deps, other.id, 'bob');
  assert.equal(await authenticate(hub.deps, other.token), undefined);
  const states = new Map((await listTokens(hub.deps)).map(({ name, state }) => [name, state]));
  assert.deepEqual([states.get('alice'), states.get('ci')], ['Revoked', 'Expired']);
  await assert.rejects(revokeToken(hub.deps, 'nope'), { code: 'NOT_FOUND' });
});

for (const text of ['', 'drover_api_', 'Bearer x', `drover_api_${'0'.repeat(12)}_${'0'.repeat(40)}`]) {
  test(`${JSON.stringify(text)} authenticates nobody`, async () => {
    await using hub = await setup();
    assert.equal(await authenticate(hub.deps, text), undefined);
  });
}

test('a join token does not authenticate at the API', async () => {
  await using hub = await setup();
  const made = await createJoinToken(hub.deps, keys, {});
  const { id, secret } = parseJoinToken(made.token);
  assert.equal(await authenticate(hub.deps, `drover_api_${id}_${secret}`), undefined);
});
