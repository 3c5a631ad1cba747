import { DroverError } from '@drover/contract';

/** Pages of a list: rows in the order of a key that is unique, and a cursor that is the key of the last row. */
export const DEFAULT_LIMIT = 100;
export const MAX_LIMIT = 1000;

export interface Page {
  readonly limit: number;
  /** Key of the last row of the page before; undefined for the first. */
  readonly after: readonly (string | number)[] | undefined;
}

export interface PageQuery {
  readonly limit?: string;
  readonly cursor?: string;
}

/**
 * @param keys how many parts the list's key has
 * @throws DroverError REQUEST_INVALID
 */
export function pageOf(query: PageQuery, keys: number): Page {
  const limit = query.limit === undefined ? DEFAULT_LIMIT : Number(query.limit);
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT)
    throw new DroverError('REQUEST_INVALID', 'limit', `it has to be from 1 to ${MAX_LIMIT}`);
  return { limit, after: query.cursor === undefined ? undefined : readCursor(query.cursor, keys) };
}

export function writeCursor(key: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(key)).toString('base64url');
}

function readCursor(cursor: string, keys: number): readonly (string | number)[] {
  try {
    const key = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as unknown;
    if (Array.isArray(key) && key.length === keys && key.every((part) => typeof part === 'string' || Number.isSafeInteger(part)))
      return key;
  } catch {
    // The same answer as for a key of another list.
  }
  throw new DroverError('REQUEST_INVALID', 'cursor', 'it is not one that this list gave');
}

/** Rows of a query for one more than the page: the page, and the cursor of the next if there is one. */
export function paged<R, T>(
  rows: readonly R[],
  page: Page,
  key: (row: R) => readonly (string | number)[],
  show: (row: R) => T,
): { readonly items: readonly T[]; readonly next: string | null } {
  const items = rows.slice(0, page.limit);
  const last = items.at(-1);
  return { items: items.map(show), next: rows.length > page.limit && last !== undefined ? writeCursor(key(last)) : null };
}
