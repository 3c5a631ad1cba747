import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { createRenderCache, sweepRenderCache } from './render-cache.ts';
import { openSqlite } from './sqlite-adapter.ts';
import { openStore } from './store.ts';

const random = { fraction: () => 0.5, bytes: (length: number) => new Uint8Array(randomBytes(length)), uuid: () => 'u' };

test('T15 a cached result comes back as it was, and the database does not show it', async () => {
  await using store = await openStore({ dialect: openSqlite(':memory:').dialect, now: () => 1 });
  const cache = createRenderCache({ store, fleetSecret: new Uint8Array(32).fill(3), random, now: () => 1 });
  const bytes = new TextEncoder().encode('canary-4711');
  await cache.putResult('r', bytes);
  await cache.put('l', [{ path: 'a', oid: '1' }], 'r');
  assert.deepEqual(Buffer.from((await cache.result('r')) ?? []), Buffer.from(bytes));
  const row = await store.db.selectFrom('render_result').selectAll().executeTakeFirstOrThrow();
  assert.equal(Buffer.from(row.bytes).includes('canary'), false);
  assert.notEqual(row.key, 'r');
  const other = createRenderCache({ store, fleetSecret: new Uint8Array(32).fill(4), random, now: () => 1 });
  assert.equal(await other.result('r'), undefined);
  assert.equal(await cache.result('nothing'), undefined);
});

test('of one unit the newest closures are kept, and results that none of them names are swept', async () => {
  let now = 0;
  await using store = await openStore({ dialect: openSqlite(':memory:').dialect, now: () => now });
  const cache = createRenderCache({ store, fleetSecret: new Uint8Array(32), random, now: () => now });
  for (now = 1; now <= 6; now++) {
    await cache.putResult(`r${now}`, new Uint8Array([now]));
    await cache.put('l', [{ path: 'a', oid: `${now}` }], `r${now}`);
  }
  const kept = (await cache.closures('l')).map((closure) => closure.result);
  assert.deepEqual(await Promise.all(kept.map(async (name) => (await cache.result(name))?.[0])), [6, 5, 4, 3]);
  await sweepRenderCache(store);
  assert.equal(await cache.result('r1'), undefined);
  assert.notEqual(await cache.result('r6'), undefined);
});
