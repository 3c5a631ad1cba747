/**
 * Splits a byte stream into lines without keeping more than one of them.
 *
 * @throws RangeError when a line is longer than `maxBytes`; an unfinished last line is dropped: it was cut off
 */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<string, void> {
  let parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    let rest = chunk;
    for (;;) {
      const end = rest.indexOf(10);
      if (end < 0) break;
      parts.push(rest.subarray(0, end));
      yield Buffer.concat(parts).toString('utf8');
      parts = [];
      size = 0;
      rest = rest.subarray(end + 1);
    }
    if (rest.length === 0) continue;
    parts.push(rest);
    size += rest.length;
    if (size > maxBytes) throw new RangeError(`a line of more than ${maxBytes} bytes`);
  }
}
