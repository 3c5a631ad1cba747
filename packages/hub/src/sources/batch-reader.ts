/** One answer of `git cat-file --batch`. */
export type Answer =
  | { readonly type: 'object'; readonly oid: string; readonly kind: string; readonly bytes: Buffer }
  | { readonly type: 'missing' }
  /** The object was announced with more bytes than the reader takes: said at once, then they are skipped. */
  | { readonly type: 'too-large'; readonly oid: string; readonly size: number };

export interface BatchReader {
  /**
   * Takes the next bytes of the output.
   *
   * @throws Error when they are no output of `cat-file --batch`: the process has to be started again
   */
  push(chunk: Buffer): void;
}

const LINE_FEED = 0x0a;
const MAX_HEADER = 512;
const HEADER = /^([0-9a-f]{40}) (commit|tree|blob|tag) (\d{1,15})$/;

/**
 * Cuts the output of one long-lived `git cat-file --batch` into answers:
 * `<oid> <type> <size>\n<bytes>\n`, or `<name> missing\n`.
 *
 * @param limit the most bytes that the answer now expected may have; asked once per answer
 * @see https://git-scm.com/docs/git-cat-file#_batch_output
 */
export function createBatchReader(limit: () => number, answered: (answer: Answer) => void): BatchReader {
  let header: Buffer = Buffer.alloc(0);
  let body:
    | { readonly oid: string; readonly kind: string; readonly size: number; readonly bytes: Buffer | undefined; filled: number }
    | undefined;

  /** Takes from `chunk` what belongs to the header; returns the rest. */
  function readHeader(chunk: Buffer): Buffer {
    const end = chunk.indexOf(LINE_FEED);
    header =
      header.length === 0
        ? chunk.subarray(0, end < 0 ? undefined : end)
        : Buffer.concat([header, end < 0 ? chunk : chunk.subarray(0, end)]);
    if (header.length > MAX_HEADER) throw new Error('git cat-file: the line of an answer is too long');
    if (end < 0) {
      // The chunk belongs to the stream, which may use its memory again.
      header = Buffer.from(header);
      return chunk.subarray(chunk.length);
    }
    const line = header.toString('latin1');
    header = Buffer.alloc(0);
    const match = HEADER.exec(line);
    if (match !== null) {
      const [, oid = '', kind = '', digits] = match;
      const size = Number(digits);
      const taken = size <= limit();
      body = { oid, kind, size, bytes: taken ? Buffer.allocUnsafeSlow(size) : undefined, filled: 0 };
      if (!taken) answered({ type: 'too-large', oid, size });
    } else if (line.endsWith(' missing')) answered({ type: 'missing' });
    else throw new Error('git cat-file: an answer that is none');
    return chunk.subarray(end + 1);
  }

  function readBody(chunk: Buffer, into: NonNullable<typeof body>): Buffer {
    const wanted = into.size - into.filled;
    const part = chunk.subarray(0, wanted);
    if (into.bytes !== undefined) part.copy(into.bytes, into.filled);
    into.filled += part.length;
    if (part.length === chunk.length) return chunk.subarray(chunk.length);
    // One line feed follows the bytes.
    if (chunk[part.length] !== LINE_FEED) throw new Error('git cat-file: an answer that does not end where it said');
    body = undefined;
    if (into.bytes !== undefined) answered({ type: 'object', oid: into.oid, kind: into.kind, bytes: into.bytes });
    return chunk.subarray(part.length + 1);
  }

  return {
    push(chunk) {
      let rest = chunk;
      while (rest.length > 0) rest = body === undefined ? readHeader(rest) : readBody(rest, body);
    },
  };
}
