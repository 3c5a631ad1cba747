import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linesOf } from './lines.ts';

async function collect(lines: AsyncIterable<string>): Promise<string[]> {
  const found: string[] = [];
  for await (const line of lines) found.push(line);
  return found;
}

async function* chunks(...parts: string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part);
}

test('lines are found wherever the chunks are cut', async () => {
  const text = '{"a":"ä"}\n{"b":2}\n\n{"c":3}\n';
  const bytes = Buffer.from(text);
  for (let size = 1; size <= bytes.length; size += 1) {
    async function* cut(): AsyncGenerator<Uint8Array> {
      for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
    }
    assert.deepEqual(await collect(linesOf(cut(), 100)), ['{"a":"ä"}', '{"b":2}', '', '{"c":3}'], `chunks of ${size}`);
  }
});

test('F23 a last line that was cut off is dropped', async () => {
  assert.deepEqual(await collect(linesOf(chunks('{"a":1}\n{"b"'), 100)), ['{"a":1}']);
});

test('a line without end is refused before it fills the memory', async () => {
  await assert.rejects(collect(linesOf(chunks('a'.repeat(60), 'b'.repeat(60)), 100)), RangeError);
});
