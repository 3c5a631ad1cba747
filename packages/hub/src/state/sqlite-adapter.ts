import { chmodSync, existsSync } from 'node:fs';
import type { SQLInputValue } from 'node:sqlite';
import { DatabaseSync } from 'node:sqlite';
import { SqliteDialect } from 'kysely';

/**
 * Kysely's SQLite dialect over `node:sqlite`. WAL with `synchronous=FULL`: with NORMAL a committed generation may vanish
 * on power loss and be used twice.
 *
 * @see https://github.com/kysely-org/kysely/issues/1292 why the statement is adapted
 */
export function openSqlite(
  path: string,
  options: { readonly readOnly?: boolean } = {},
): { readonly dialect: SqliteDialect; close(): void } {
  const fresh = path !== ':memory:' && !existsSync(path);
  const database = new DatabaseSync(path, { readOnly: options.readOnly ?? false });
  if (fresh) chmodSync(path, 0o600);
  database.exec('pragma busy_timeout = 5000');
  if (options.readOnly !== true) {
    database.exec('pragma journal_mode = WAL');
    database.exec('pragma synchronous = FULL');
    database.exec('pragma foreign_keys = ON');
  }
  const statements = new Map<string, ReturnType<typeof prepare>>();
  function prepare(sql: string) {
    const statement = database.prepare(sql);
    return {
      reader: statement.columns().length > 0,
      all: (parameters: readonly unknown[]) => statement.all(...(parameters as SQLInputValue[])),
      run: (parameters: readonly unknown[]) =>
        statement.run(...(parameters as SQLInputValue[])) as { changes: number | bigint; lastInsertRowid: number | bigint },
      iterate: (parameters: readonly unknown[]) => statement.iterate(...(parameters as SQLInputValue[])),
    };
  }
  const MAX_STATEMENTS = 200;
  return {
    dialect: new SqliteDialect({
      database: {
        close: () => database.close(),
        prepare: (sql: string) => {
          let statement = statements.get(sql);
          if (statement === undefined) {
            if (statements.size >= MAX_STATEMENTS) statements.clear();
            statement = prepare(sql);
            statements.set(sql, statement);
          }
          return statement;
        },
      } as never,
    }),
    close: () => database.close(),
  };
}
