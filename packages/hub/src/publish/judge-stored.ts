import type { Head } from '@drover/contract';
import { compareHeads, openEnvelope, parseHead } from '@drover/contract';

/** The head that SQL says is current. */
export interface RecordedHead {
  readonly epoch: number;
  readonly generation: number;
  readonly envelope: Uint8Array;
}

/**
 * What a head found in NATS means for the hub.
 *
 * - `same`: the very bytes of the record · `replace`: older, or nothing that an agent would take
 * - `behind`: signed by this fleet and newer than the record, or of a cluster the record does not know: the store is
 *   older than what was published · `race`: another content, or other bytes, for the record's own generation: another
 *   hub publishes · `leave`: either of these in an epoch that an operator has ended since
 */
export type StoredVerdict = { readonly type: 'same' | 'replace' | 'leave' } | { readonly type: 'behind' | 'race'; readonly found: Head };

/**
 * @param recorded undefined when SQL has no head for the cluster
 * @param fleet its keys that agents trust, raw hex, its epoch, and the cluster whose subject the bytes lie under
 */
export function judgeStored(
  recorded: RecordedHead | undefined,
  bytes: Uint8Array,
  fleet: { readonly fleet: string; readonly trusted: readonly string[]; readonly epoch: number; readonly cluster: string },
): StoredVerdict {
  if (recorded !== undefined && Buffer.compare(recorded.envelope, bytes) === 0) return { type: 'same' };
  const found = readHead(bytes, fleet.trusted);
  if (found === undefined || found.fleet !== fleet.fleet || found.cluster !== fleet.cluster) return { type: 'replace' };
  const order = recorded === undefined ? 1 : compareHeads(found, recorded);
  if (order < 0) return { type: 'replace' };
  if (found.epoch < fleet.epoch) return { type: 'leave' };
  return order > 0 ? { type: 'behind', found } : { type: 'race', found };
}

/** Undefined for what no agent of this fleet would take. */
function readHead(bytes: Uint8Array, trusted: readonly string[]): Head | undefined {
  try {
    return parseHead(openEnvelope(bytes, trusted).payload);
  } catch {
    return undefined;
  }
}
