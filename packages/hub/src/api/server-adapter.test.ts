import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '@drover/testbed';
import type { EventRow } from './rows.ts';
import { startApi } from './server-adapter.ts';
import { openFixture } from './testdata/open-api.ts';

/** Events of a stream as they come, until `count` were read. */
async function readEvents(
  url: string,
  count: number,
  headers: Record<string, string> = {},
): Promise<{ ids: number[]; close(): Promise<void> }> {
  const response = await fetch(url, { headers });
  assert.equal(response.status, 200);
  assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/);
  const reader = (response.body ?? assert.fail()).pipeThrough(new TextDecoderStream()).getReader();
  const ids: number[] = [];
  let text = '';
  while (ids.length < count) {
    const { value, done } = await reader.read();
    if (done) break;
    text += value;
    const blocks = text.split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const id = /^id: (\d+)$/m.exec(block)?.[1];
      if (id === undefined) continue;
      const event = JSON.parse(/^data: (.*)$/m.exec(block)?.[1] ?? '') as EventRow;
      assert.equal(event.id, Number(id));
      ids.push(event.id);
    }
  }
  return { ids: ids.slice(0, count), close: () => reader.cancel() };
}

test('the API listens, answers, and stops while a stream is open', async () => {
  await using fixture = await openFixture();
  const api = await startApi({ ...fixture.deps, port: 0 });
  const live = await fetch(`${api.url}/livez`);
  assert.deepEqual(await live.json(), { status: 'ok' });
  const stream = await fetch(`${api.url}/v1/events/stream`);
  const body = stream.body ?? assert.fail();
  const started = performance.now();
  await api[Symbol.asyncDispose]();
  assert.ok(performance.now() - started < 5000);
  for await (const _ of body);
  await assert.rejects(fetch(`${api.url}/livez`));
});

test('B40 a million letters of query are refused before they are read', async () => {
  await using fixture = await openFixture();
  await using api = await startApi({ ...fixture.deps, port: 0 });
  const reply = await fetch(`${api.url}/v1/units?delivery=${'a'.repeat(1_000_000)}`);
  assert.equal(reply.status, 431);
  await reply.body?.cancel();
});

test('a port that is taken is named', async () => {
  await using fixture = await openFixture();
  await using api = await startApi({ ...fixture.deps, port: 0 });
  await assert.rejects(startApi({ ...fixture.deps, port: api.port }), { code: 'LISTEN_FAILED' });
});

test('the event stream sends what is new at once, and is resumed by the id of the last', async () => {
  await using fixture = await openFixture();
  await using api = await startApi({ ...fixture.deps, port: 0 });
  const add = (message: string): Promise<void> =>
    fixture.store.write((tx) => fixture.store.event(tx, { severity: 'Info', reason: 'Test', cluster: 'prod-eu', message }));
  const before = await readEvents(`${api.url}/v1/events/stream?since=0`, 4);
  assert.deepEqual(before.ids, [1, 2, 3, 4]);
  await before.close();
  const live = readEvents(`${api.url}/v1/events/stream`, 2);
  const other = readEvents(`${api.url}/v1/events/stream?cluster=nowhere`, 1);
  const ids: number[] = [];
  // Only what is written after the stream began is new to it: write until it has heard of two.
  let heard = false;
  void live.then((read) => {
    ids.push(...read.ids);
    heard = true;
  });
  await eventually(async () => {
    await add('more');
    assert.ok(heard);
  }, 5000);
  assert.equal(ids[1], (ids[0] ?? 0) + 1);
  await (await live).close();
  const resumed = await readEvents(`${api.url}/v1/events/stream`, 1, { 'last-event-id': String(ids[0]) });
  assert.deepEqual(resumed.ids, [ids[1]]);
  await resumed.close();
  // An id from before the store was lost is not one to wait for.
  const lost = readEvents(`${api.url}/v1/events/stream`, 1, { 'last-event-id': '999999' });
  let read: number[] = [];
  void lost.then((result) => (read = result.ids));
  await eventually(async () => {
    await add('again');
    assert.equal(read.length, 1);
  }, 5000);
  await (await lost).close();
  await api[Symbol.asyncDispose]();
  await other.then((stream) => assert.deepEqual(stream.ids, []));
});

test('a reader that goes away frees its place', async () => {
  await using fixture = await openFixture();
  await using api = await startApi({ ...fixture.deps, port: 0 });
  for (let round = 0; round < 3; round++) {
    const open = await Promise.all(Array.from({ length: 100 }, () => fetch(`${api.url}/v1/events/stream?since=0`)));
    for (const response of open) assert.equal(response.status, 200);
    await Promise.all(open.map(async (response) => response.body?.cancel()));
    await eventually(async () => {
      const many = await Promise.all(Array.from({ length: 120 }, () => fetch(`${api.url}/v1/events/stream`)));
      const statuses = many.map((response) => response.status);
      await Promise.all(many.map(async (response) => response.body?.cancel()));
      assert.ok(statuses.every((status) => status === 200));
    }, 5000);
  }
});
