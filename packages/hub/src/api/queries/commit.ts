import type { Commit } from '#sources/types.ts';
import type { CommitRow } from '../rows.ts';
import { iso } from './reader.ts';

/** A commit as the record keeps it: JSON, or null. */
export function commitRow(commit: string | null): CommitRow | null {
  if (commit === null) return null;
  const { sha, subject, author, time } = JSON.parse(commit) as Commit;
  return { sha, subject, author, time: iso(time) };
}
