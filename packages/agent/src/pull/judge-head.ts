import type { Head } from '@drover/contract';
import { compareHeads, digestOf, DroverError, openEnvelope, parseHead } from '@drover/contract';
import type { SeenHead } from './types.ts';

/** Why a head was not taken: what is counted. */
export const REJECTIONS = [
  'Empty',
  'Envelope',
  'Signature',
  'Format',
  'Payload',
  'Fleet',
  'Cluster',
  'Attachment',
  'Sealed',
  'Conflict',
] as const;
export type Rejection = (typeof REJECTIONS)[number];

/**
 * What received bytes mean, decided before anything of the bundle is opened.
 *
 * - `old`: lower than what is known, which tells nothing · `known`: the head that is known, once more
 * - `newer`: to be opened, unless its content is known already
 */
export type HeadVerdict =
  | { readonly type: 'old' | 'known' }
  | { readonly type: 'newer'; readonly head: Head; readonly attachment: Uint8Array }
  | { readonly type: 'rejected'; readonly reason: Rejection; readonly error: DroverError };

export interface Trust {
  readonly fleet: string;
  /** UID of the own cluster. */
  readonly cluster: string;
  /** Raw Ed25519 public keys, hex. */
  readonly headKeys: readonly string[];
}

/**
 * Judges in the order signature, fleet and cluster, (epoch, generation), digest of the attachment.
 *
 * @param seen what the cluster has on record: a head of that very place and content is `newer` as long as there is no
 *   `current`, so that a restarted agent gets its bundle; order counts within one fleet
 * @param current the newest head that was taken in this run
 */
export function judgeHead(bytes: Uint8Array, trust: Trust, seen: SeenHead | undefined, current: SeenHead | undefined): HeadVerdict {
  if (bytes.length === 0) return rejected('Empty', new DroverError('HEAD_REJECTED', 'head', 'it has no bytes'));
  let attachment: Uint8Array;
  let head: Head;
  try {
    const opened = openEnvelope(bytes, trust.headKeys);
    ({ attachment } = opened);
    head = parse(opened.payload);
  } catch (thrown) {
    const error = DroverError.from(thrown, 'head');
    return rejected(reasonOf(error), error);
  }
  if (head.fleet !== trust.fleet) return rejected('Fleet', refusal(head, 'it belongs to another fleet'));
  if (head.cluster !== trust.cluster) return rejected('Cluster', refusal(head, 'it is for another cluster'));
  const verdict = judgeOrder(head, seen?.fleet === head.fleet ? seen : undefined, current);
  if (verdict === 'conflict') {
    const what = `epoch ${head.epoch} has a second content for this generation`;
    return rejected('Conflict', new DroverError('HEAD_CONFLICT', `head of generation ${head.generation}`, what));
  }
  if (verdict !== 'newer') return { type: verdict };
  if (attachment.length > 0 && (attachment.length !== head.size || digestOf(attachment) !== head.sealed)) {
    return rejected('Attachment', refusal(head, 'the sealed bytes are not those that it names'));
  }
  return { type: 'newer', head, attachment };
}

function judgeOrder(head: Head, seen: SeenHead | undefined, current: SeenHead | undefined): 'old' | 'known' | 'newer' | 'conflict' {
  for (const known of [seen, current]) {
    if (known === undefined) continue;
    const order = compareHeads(head, known);
    if (order < 0) return 'old';
    if (order === 0 && head.content !== known.content) return 'conflict';
  }
  return current !== undefined && compareHeads(head, current) === 0 ? 'known' : 'newer';
}

class PayloadError extends DroverError {}

function parse(payload: Uint8Array): Head {
  try {
    return parseHead(payload);
  } catch (thrown) {
    const error = DroverError.from(thrown, 'head');
    throw error.code === 'FORMAT_UNKNOWN' ? error : new PayloadError(error.code, error.subject, error.what, { cause: thrown });
  }
}

function reasonOf(error: DroverError): Rejection {
  if (error.code === 'FORMAT_UNKNOWN') return 'Format';
  if (error instanceof PayloadError) return 'Payload';
  return /no trusted key/.test(error.what) ? 'Signature' : 'Envelope';
}

function refusal(head: Head, what: string): DroverError {
  return new DroverError('HEAD_REJECTED', `head of generation ${head.generation}`, what);
}

function rejected(reason: Rejection, error: DroverError): HeadVerdict {
  return { type: 'rejected', reason, error };
}
