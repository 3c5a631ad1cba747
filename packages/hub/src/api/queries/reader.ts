import type { Kysely } from 'kysely';
import type { ClusterSpec } from '#config/types.ts';
import type { Database } from '#state/schema.ts';
import { rfc3339 } from '../time-adapter.ts';
import type { HubActions } from '../types.ts';

/** What every query reads from. */
export interface Reader {
  readonly db: Kysely<Database>;
  readonly now: () => number;
  readonly actions: Pick<HubActions, 'declared' | 'readSource' | 'unmatched'>;
}

export function declaredOf(reader: Pick<Reader, 'actions'>, cluster: string): ClusterSpec | undefined {
  return reader.actions.declared?.().get(cluster);
}

export function iso(ms: number): string;
export function iso(ms: number | null | undefined): string | null;
export function iso(ms: number | null | undefined): string | null {
  return ms === null || ms === undefined ? null : rfc3339(ms);
}

export function parse<T>(text: string): T;
export function parse<T>(text: string | null): T | null;
export function parse<T>(text: string | null): T | null {
  return text === null ? null : (JSON.parse(text) as T);
}

/** `shop-214` */
export function releaseId(delivery: string, number: number | null): string | null {
  return number === null || number === 0 ? null : `${delivery}-${number}`;
}
