import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Answer } from './batch-reader.ts';
import { createBatchReader } from './batch-reader.ts';
import type { BatchListener } from './object-store.ts';
import { createObjectStore } from './object-store.ts';

const never = new AbortController().signal;
const oid = (digit: number): string => String(digit).repeat(40);
const object = (name: string, text: string): string => `${name} blob ${Buffer.byteLength(text)}\n${text}\n`;

suite('the output of git cat-file', () => {
  const output = Buffer.from(
    `${object(oid(1), 'one\ntwo')}${oid(2)} missing\n${object(oid(3), '')}${object(oid(4), 'x'.repeat(100))}${object(oid(5), 'ü')}`,
  );
  const expected = ['one\ntwo', 'missing', '', 'too large: 100', 'ü'];

  test('is cut into answers wherever its chunks end', () => {
    for (let size = 1; size <= output.length; size += 1) {
      const answers: string[] = [];
      const reader = createBatchReader(
        () => 50,
        (answer) => answers.push(show(answer)),
      );
      for (let at = 0; at < output.length; at += size) reader.push(Buffer.from(output.subarray(at, at + size)));
      assert.deepEqual(answers, expected, `in chunks of ${size}`);
    }
  });

  test('that is none is refused', () => {
    for (const text of ['garbage\n', `${oid(1)} blob x\n`, `${oid(1)} blob 1\nab`, 'x'.repeat(600)]) {
      const reader = createBatchReader(
        () => 50,
        () => undefined,
      );
      assert.throws(() => reader.push(Buffer.from(text)), Error, text);
    }
  });
});

function show(answer: Answer): string {
  if (answer.type === 'object') return answer.bytes.toString();
  return answer.type === 'missing' ? 'missing' : `too large: ${answer.size}`;
}

/** Processes that answer by a function of the name, or die. */
function scripted(answer: (name: string, process: number) => string | undefined) {
  let started = 0;
  const alive = new Set<number>();
  const start = (listener: BatchListener) => {
    started += 1;
    const process = started;
    alive.add(process);
    return {
      write(text: string) {
        for (const name of text.trim().split('\n')) {
          queueMicrotask(() => {
            if (!alive.has(process)) return;
            const output = answer(name, process);
            if (output !== undefined) listener.output(Buffer.from(output));
            else {
              alive.delete(process);
              listener.ended(`fatal: object ${name} is corrupt`);
            }
          });
        }
      },
      kill: () => void alive.delete(process),
    };
  };
  const store = createObjectStore({ start, subject: 'source fleet', redact: (text) => text });
  return { store, started: () => started, alive };
}

suite('reading objects', () => {
  test('answers come to whom they belong, many at a time, by one process', async () => {
    const { store, started } = scripted((name) => object(name.slice(0, 40), name));
    const names = Array.from({ length: 500 }, (_value, index) => index.toString(16).padStart(40, '0'));
    const answers = await Promise.all(names.map((name) => store.get(name, 100, never)));
    assert.deepEqual(answers.map(show), names);
    assert.equal(started(), 1);
  });

  test('a process that dies once is started again and nothing is lost', async () => {
    const { store, started } = scripted((name, process) => (process === 1 && name === oid(3) ? undefined : object(name, name)));
    const answers = await Promise.all([1, 2, 3, 4, 5].map((digit) => store.get(oid(digit), 100, never)));
    assert.deepEqual(answers.map(show), [1, 2, 3, 4, 5].map(oid));
    assert.equal(started(), 2);
  });

  test('an object at which it dies twice is corrupt, the others are read', async () => {
    const { store, started } = scripted((name) => (name === oid(3) ? undefined : object(name, name)));
    const answers = await Promise.allSettled([1, 2, 3, 4].map((digit) => store.get(oid(digit), 100, never)));
    assert.deepEqual(
      answers.map(({ status }) => status),
      ['fulfilled', 'fulfilled', 'rejected', 'fulfilled'],
    );
    assert.equal((answers[2] as PromiseRejectedResult).reason.code, 'GIT_CORRUPT');
    assert.equal(started(), 3);
  });

  test('B34 an object of 2 GB is neither read nor skipped: the process is replaced', async () => {
    const { store, started } = scripted((name) => (name === oid(2) ? `${name} blob 2147483648\nxxxx` : object(name, name)));
    const answers = await Promise.all([1, 2, 3].map((digit) => store.get(oid(digit), 100, never)));
    assert.deepEqual(answers.map(show), [oid(1), 'too large: 2147483648', oid(3)]);
    assert.equal(started(), 2);
  });

  test('an aborted read rejects with the reason and does not disturb the next', async () => {
    const { store } = scripted((name) => object(name, name));
    const stop = new AbortController();
    const first = store.get(oid(1), 100, stop.signal);
    const second = store.get(oid(2), 100, never);
    stop.abort(new Error('enough'));
    await assert.rejects(first, /enough/);
    assert.equal(show(await second), oid(2));
  });

  test('nothing but object ids reaches the process', async () => {
    const { store, started } = scripted(() => undefined);
    for (const name of ['HEAD', `${oid(1)}\n${oid(2)}`, `${oid(1)}:path`, '--batch', '']) {
      await assert.rejects(store.get(name, 100, never), { code: 'UNEXPECTED' });
    }
    assert.equal(started(), 0);
  });

  test('after a rest another process answers; after closing none does', async () => {
    const { store, started, alive } = scripted((name) => object(name, name));
    await store.get(oid(1), 100, never);
    store.rest();
    assert.equal(alive.size, 0);
    await store.get(oid(2), 100, never);
    assert.equal(started(), 2);
    const pending = store.get(oid(3), 100, never);
    store.close();
    await assert.rejects(pending, { code: 'GIT_FAILED' });
    await assert.rejects(store.get(oid(4), 100, never), { code: 'GIT_FAILED' });
    assert.equal(alive.size, 0);
  });
});
