import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openSqlite } from './sqlite-adapter.ts';
import { openStore, readMeta, writeMeta } from './store.ts';

test('a store keeps what was committed, and a failed transaction leaves nothing', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'drover-store-'));
  const path = join(directory, 'drover.db');
  try {
    {
      await using store = await openStore({ dialect: openSqlite(path).dialect, now: () => 5 });
      await store.write(async (tx) => {
        await writeMeta(tx, 'fleet', 'f1');
        await store.event(tx, { severity: 'Info', reason: 'Started', message: 'm' });
      });
      await assert.rejects(
        store.write(async (tx) => {
          await writeMeta(tx, 'fleet', 'f2');
          throw new Error('no');
        }),
        /no/,
      );
    }
    await using store = await openStore({ dialect: openSqlite(path).dialect, now: () => 5 });
    assert.equal(await readMeta(store.db, 'fleet'), 'f1');
    assert.equal((await store.db.selectFrom('event').selectAll().execute()).length, 1);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('F33 an older hub refuses a store that a newer one wrote', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'drover-store-'));
  const path = join(directory, 'drover.db');
  try {
    {
      await using store = await openStore({ dialect: openSqlite(path).dialect, now: () => 5 });
      await store.db
        .insertInto('kysely_migration' as never)
        .values({ name: '9999-future', timestamp: 'x' } as never)
        .execute();
    }
    await assert.rejects(openStore({ dialect: openSqlite(path).dialect, now: () => 5 }), { code: 'STORE_NEWER' });
  } finally {
    await rm(directory, { recursive: true });
  }
});
