import { DroverError } from '@drover/contract';
import type { Dialect, Transaction } from 'kysely';
import { Kysely } from 'kysely';
import { Migrator } from 'kysely/migration';
import { MIGRATIONS } from './migrations.ts';
import type { Database, EventTable } from './schema.ts';

export type Db = Kysely<Database> | Transaction<Database>;

/** An event as it is written; the id is given by the store. */
export interface NewEvent {
  readonly severity: 'Info' | 'Warning' | 'Error';
  readonly reason: string;
  readonly unit?: string | undefined;
  readonly cluster?: string | undefined;
  readonly object?: string | undefined;
  readonly message: string;
  readonly actor?: string | undefined;
}

/** The hub's record, with one writer: transactions run one after another. */
export interface Store extends AsyncDisposable {
  readonly db: Kysely<Database>;
  /** Runs in one transaction, after those before it. What it throws undoes all of it. */
  write<T>(run: (tx: Transaction<Database>) => Promise<T>): Promise<T>;
  /** Appends to the event log, inside a transaction. */
  event(tx: Db, event: NewEvent): Promise<void>;
  /** Called after each commit that wrote events, with the newest id. */
  onEvents(listener: (lastId: number) => void): Disposable;
}

/** Events kept; older ones are dropped with the writes of new ones. */
export const MAX_EVENTS = 100_000;

/** @throws DroverError STORE_NEWER when a newer hub wrote the store, STORE_FAILED when it cannot be opened */
export async function openStore(deps: { readonly dialect: Dialect; readonly now: () => number }): Promise<Store> {
  const db = new Kysely<Database>({ dialect: deps.dialect });
  const migrator = new Migrator({ db, provider: { getMigrations: async () => ({ ...MIGRATIONS }) } });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) {
    const message = Error.isError(error) ? error.message : JSON.stringify(error);
    await db.destroy();
    if (/missing|corrupted migrations/i.test(message)) {
      throw new DroverError('STORE_NEWER', 'store', 'it holds migrations that this hub does not know', { cause: error });
    }
    throw new DroverError('STORE_FAILED', 'store', message, { cause: error });
  }
  const listeners = new Set<(lastId: number) => void>();
  let tail: Promise<unknown> = Promise.resolve();
  let lastId = 0;
  let sinceTrim = 0;

  async function event(tx: Db, entry: NewEvent): Promise<void> {
    const row: Omit<EventTable, 'id'> = {
      time: deps.now(),
      severity: entry.severity,
      reason: entry.reason,
      unit: entry.unit ?? null,
      cluster: entry.cluster ?? null,
      object: entry.object ?? null,
      message: entry.message,
      actor: entry.actor ?? null,
    };
    const { id } = await tx.insertInto('event').values(row).returning('id').executeTakeFirstOrThrow();
    lastId = id;
    if (++sinceTrim >= 1000) {
      sinceTrim = 0;
      await tx
        .deleteFrom('event')
        .where('id', '<', id - MAX_EVENTS)
        .execute();
    }
  }

  function write<T>(run: (tx: Transaction<Database>) => Promise<T>): Promise<T> {
    const turn = tail.then(async () => {
      const before = lastId;
      const result = await db.transaction().execute(run);
      if (lastId !== before) for (const listener of listeners) listener(lastId);
      return result;
    });
    tail = turn.catch(() => {});
    return turn;
  }

  return {
    db,
    write,
    event,
    onEvents(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    async [Symbol.asyncDispose]() {
      await tail;
      await db.destroy();
    },
  };
}

/** One value of the `meta` table. */
export async function readMeta(db: Db, key: Database['meta']['key']): Promise<string | undefined> {
  return (await db.selectFrom('meta').select('value').where('key', '=', key).executeTakeFirst())?.value;
}

export async function writeMeta(db: Db, key: Database['meta']['key'], value: string): Promise<void> {
  await db
    .insertInto('meta')
    .values({ key, value })
    .onConflict((conflict) => conflict.column('key').doUpdateSet({ value }))
    .execute();
}
