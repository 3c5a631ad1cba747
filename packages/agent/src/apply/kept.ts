import { FIELD_MANAGER } from '@drover/contract';
import type { LiveObject } from '#kube/types.ts';
import type { FieldSet } from './field-set.ts';
import { uncovered } from './field-set.ts';
import { ownField } from './owner.ts';

export interface NotKept {
  /** Sent, accepted, and not there: dropped or never stored. */
  readonly notKept: readonly string[];
  /** Sent, and then changed on the way in: the server books such a change as an update by us. */
  readonly changed: readonly string[];
}

const LIMIT = 20;

/** Compares what was sent with what we own of the object in the response of the apply; JSON pointers. */
export function judgeKept(sent: unknown, live: LiveObject): NotKept {
  const own = (ownField(live)?.fieldsV1 ?? {}) as FieldSet;
  const missing = uncovered(sent, own, LIMIT);
  if (missing.length === 0) return { notKept: [], changed: [] };
  const updated = live.metadata.managedFields?.find((field) => field.manager === FIELD_MANAGER && field.operation === 'Update');
  const lost = new Set(updated === undefined ? missing : uncovered(sent, (updated.fieldsV1 ?? {}) as FieldSet, Infinity));
  return { notKept: missing.filter((path) => lost.has(path)), changed: missing.filter((path) => !lost.has(path)) };
}
