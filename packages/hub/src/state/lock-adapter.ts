import { DatabaseSync } from 'node:sqlite';
import { DroverError } from '@drover/contract';

/**
 * Holds a data directory for one hub: an exclusive SQLite transaction on a file of its own, which the system releases
 * when the process ends, however it ends.
 *
 * @throws DroverError STORE_LOCKED when another process holds it
 */
export function lockDataDirectory(path: string): Disposable {
  const database = new DatabaseSync(path);
  try {
    database.exec('pragma busy_timeout = 2000');
    database.exec('begin exclusive');
  } catch (thrown) {
    database.close();
    throw new DroverError('STORE_LOCKED', path, 'another hub runs on this data directory', { cause: thrown });
  }
  return { [Symbol.dispose]: () => database.close() };
}
