import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { compareHeads } from '@drover/contract';
import { eventually } from '@drover/testbed';
import fc from 'fast-check';
import type { VerifiedBundle } from './types.ts';
import { createMemoryCache, createScriptedFeed, createWriter, FLEET, startPuller, testPorts } from './testdata/scripted.ts';

const signal = new AbortController().signal;
const WAIT = 10_000;
const soon = (): AbortSignal => AbortSignal.timeout(WAIT);

async function contentOf(bundle: VerifiedBundle): Promise<Record<string, string>> {
  const unit = await bundle.unit('drover/shop', soon());
  const contents = await Promise.all(unit.objects.map(async (object) => [object.key, await bundle.object(unit, object, soon())] as const));
  return Object.fromEntries(contents);
}

test('a bundle that was asked for is delivered with its objects, and the next one as news', async () => {
  const writer = await createWriter();
  const feed = createScriptedFeed(writer.blobs);
  feed.stored = await writer.bundle(1, { a: '{"a":1}', b: '{"b":1}' });
  await using at = startPuller(writer, feed);
  at.puller.start(undefined);
  const first = await at.puller.next(soon());
  assert.equal(first.head.generation, 1);
  assert.equal(at.puller.current, first);
  assert.deepEqual(await contentOf(first), { '/ConfigMap/x/a': '{"a":1}', '/ConfigMap/x/b': '{"b":1}' });
  feed.tell(await writer.bundle(2, { a: '{"a":2}' }));
  assert.deepEqual(await contentOf(await at.puller.next(soon())), { '/ConfigMap/x/a': '{"a":2}' });
});

test('F11 duplicates cost no fetch and deliver nothing', async () => {
  const writer = await createWriter();
  const feed = createScriptedFeed(writer.blobs);
  const head = await writer.bundle(1, { a: '1' });
  feed.stored = head;
  await using at = startPuller(writer, feed);
  at.puller.start(undefined);
  const bundle = await at.puller.next(soon());
  await Promise.all([contentOf(bundle), contentOf(bundle), contentOf(bundle)]);
  assert.equal(feed.asked.length, 2);
  for (let i = 0; i < 5; i++) feed.tell(head);
  const newer = await writer.bundle(2, { a: '1' });
  feed.tell(newer);
  const next = await at.puller.next(soon());
  assert.equal(next.head.generation, 2);
  assert.equal(next.head.content, bundle.head.content);
  await contentOf(next);
  assert.equal(feed.asked.length, 2);
});

test('I4 F11 whatever is replayed, duplicated or reordered, the newest head wins and generations never fall', async () => {
  const writer = await createWriter();
  const heads = await Promise.all([1, 2, 3, 4, 5].map((generation) => writer.bundle(generation, { a: `"${generation}"` })));
  const older = await writer.bundle(9, { a: '"e0"' }, { epoch: 0 });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 15 }), async (order) => {
      const feed = createScriptedFeed(writer.blobs);
      await using at = startPuller(writer, feed);
      at.puller.start(undefined);
      await feed.heard;
      const delivered: VerifiedBundle[] = [];
      const stop = new AbortController();
      const listening = (async () => {
        for (;;) delivered.push(await at.puller.next(stop.signal));
      })().catch(() => undefined);
      for (const index of order) feed.tell(heads[index] ?? older);
      const newest = Math.max(...order.map((index) => (index === 5 ? 0 : index + 1)));
      const want = newest === 0 ? { epoch: 0, generation: 9 } : { epoch: 1, generation: newest };
      await eventually(
        () => assert.deepEqual([delivered.at(-1)?.head.epoch, delivered.at(-1)?.head.generation], [want.epoch, want.generation]),
        WAIT,
        2,
      );
      stop.abort();
      await listening;
      for (const [index, bundle] of delivered.entries()) {
        const before = delivered[index - 1];
        assert.ok(before === undefined || compareHeads(before.head, bundle.head) < 0);
      }
      assert.deepEqual(at.alarms, []);
    }),
    { numRuns: 25 },
  );
});

test('B43 what is rejected is counted by reason, and the bundle stays', async () => {
  const writer = await createWriter();
  const feed = createScriptedFeed(writer.blobs);
  feed.stored = await writer.bundle(3, { a: '1' });
  await using at = startPuller(writer, feed);
  at.puller.start(undefined);
  const bundle = await at.puller.next(soon());
  const stranger = generateKeyPairSync('ed25519').privateKey;
  feed.tell(new Uint8Array(0));
  feed.tell(Buffer.from('nonsense'));
  feed.tell(await writer.bundle(4, { a: '2' }, { signedBy: stranger }));
  feed.tell(await writer.bundle(4, { a: '2' }, { fleet: 'other' }));
  feed.tell(await writer.bundle(4, { a: '2' }, { cluster: 'other' }));
  feed.tell(await writer.bundle(4, { a: '2' }, { format: 'drover.head/9' } as never));
  feed.tell(await writer.bundle(4, { a: '2' }, { manifestOver: { cluster: 'other' } }));
  feed.tell(await writer.bundle(2, { a: 'older' }));
  feed.tell(await writer.bundle(3, { a: 'second content' }));
  feed.tell(await writer.bundle(3, { a: 'second content' }));
  await eventually(() => assert.equal(at.puller.rejected().Conflict, 2), WAIT);
  assert.deepEqual(at.puller.rejected(), {
    Empty: 1,
    Envelope: 1,
    Signature: 1,
    Format: 1,
    Payload: 0,
    Fleet: 1,
    Cluster: 1,
    Attachment: 0,
    Sealed: 1,
    Conflict: 2,
  });
  assert.equal(at.puller.current, bundle);
  assert.deepEqual(at.alarms, ['FORMAT_UNKNOWN', 'HEAD_CONFLICT']);
});

test('F33 a bundle of an unknown format is held off, and said once', async () => {
  const writer = await createWriter();
  const feed = createScriptedFeed(writer.blobs);
  feed.stored = await writer.bundle(1, { a: '1' });
  await using at = startPuller(writer, feed);
  at.puller.start(undefined);
  const bundle = await at.puller.next(soon());
  feed.tell(await writer.bundle(2, { a: '2' }, { manifestOver: { format: 'drover.bundle/7' } as never }));
  await eventually(() => assert.equal(at.puller.problem()?.code, 'FORMAT_UNKNOWN'), WAIT);
  assert.equal(at.puller.current, bundle);
  assert.deepEqual(at.alarms, ['FORMAT_UNKNOWN']);
});

test('F3 I4 with a head on record nothing older is delivered, and that very bundle once', async () => {
  const writer = await createWriter();
  const feed = createScriptedFeed(writer.blobs);
  const [second, third, other] = [
    await writer.bundle(2, { a: '2' }),
    await writer.bundle(3, { a: '3' }),
    await writer.bundle(3, { a: 'x' }),
  ];
  let content = '';
  {
    feed.stored = third;
    await using at = startPuller(writer, feed);
    at.puller.start(undefined);
    ({ content } = (await at.puller.next(soon())).head);
  }
  const later = createScriptedFeed(writer.blobs);
  later.stored = second;
  await using at = startPuller(writer, later);
  at.puller.start({ fleet: FLEET, epoch: 1, generation: 3, content });
  await later.heard;
  later.tell(second);
  later.tell(other);
  await eventually(() => assert.equal(at.puller.rejected().Conflict, 1), WAIT);
  assert.equal(at.puller.current, undefined);
  later.tell(third);
  assert.equal((await at.puller.next(soon())).head.generation, 3);
});

test('an agent that restarts without hub and NATS has its last bundle and every blob it fetched', async () => {
  const writer = await createWriter();
  const feed = createScriptedFeed(writer.blobs);
  const cache = createMemoryCache();
  feed.stored = await writer.bundle(1, { a: '1', b: '2' }, { apart: true });
  {
    await using at = startPuller(writer, feed, { ports: testPorts(cache) });
    at.puller.start(undefined);
    await contentOf(await at.puller.next(soon()));
  }
  const down = createScriptedFeed();
  down.down = true;
  await using at = startPuller(writer, down, { ports: testPorts(cache) });
  at.puller.start({ fleet: FLEET, epoch: 1, generation: 1, content: '' });
  await eventually(() => assert.equal(at.puller.rejected().Conflict, 1), WAIT);
  await using again = startPuller(writer, down, { ports: testPorts(cache) });
  again.puller.start(undefined);
  assert.deepEqual(await contentOf(await again.puller.next(soon())), { '/ConfigMap/x/a': '1', '/ConfigMap/x/b': '2' });
  assert.deepEqual(down.asked, []);
});

test('I7 a cached head or blob that was altered is not taken', async () => {
  const writer = await createWriter();
  const feed = createScriptedFeed(writer.blobs);
  const cache = createMemoryCache();
  feed.stored = await writer.bundle(1, { a: '1' });
  {
    await using at = startPuller(writer, feed, { ports: testPorts(cache) });
    at.puller.start(undefined);
    await contentOf(await at.puller.next(soon()));
  }
  for (const [name, bytes] of cache.files)
    cache.files.set(
      name,
      Uint8Array.from(bytes, (byte, index) => (index === bytes.length - 1 ? byte ^ 1 : byte)),
    );
  const asked = feed.asked.length;
  await using at = startPuller(writer, feed, { ports: testPorts(cache) });
  at.puller.start(undefined);
  assert.deepEqual(await contentOf(await at.puller.next(soon())), { '/ConfigMap/x/a': '1' });
  assert.equal(at.puller.rejected().Attachment, 1);
  assert.equal(feed.asked.length, asked + 2);
});

test('B44 a blob that is damaged or missing is told to the hub, never cached, and fetched again', async () => {
  const writer = await createWriter();
  const blobs = new Map<string, Uint8Array>();
  const feed = createScriptedFeed(blobs);
  const cache = createMemoryCache();
  feed.stored = await writer.bundle(1, { a: '1' });
  await using at = startPuller(writer, feed, { ports: testPorts(cache) });
  at.puller.start(undefined);
  const bundle = await at.puller.next(soon());
  await assert.rejects(bundle.unit('drover/shop', soon()), { code: 'BLOB_MISSING' });
  const name = feed.asked[0] ?? '';
  assert.deepEqual(at.badBlobs, [name]);
  await assert.rejects(bundle.unit('drover/shop', soon()), { code: 'BLOB_MISSING' });
  assert.equal(feed.asked.length, 1);
  blobs.set(name, Buffer.from('damaged'));
  await eventually(() => assert.rejects(bundle.unit('drover/shop', soon()), { code: 'BLOB_REJECTED' }), WAIT);
  assert.deepEqual(
    [...cache.files.keys()].filter((file) => file.startsWith('blob-')),
    [],
  );
  for (const [key, bytes] of writer.blobs) blobs.set(key, bytes);
  assert.deepEqual(await eventually(() => contentOf(bundle), WAIT), { '/ConfigMap/x/a': '1' });
  assert.deepEqual(at.badBlobs, [name, name]);
});

test('B44 a sealed manifest that cannot be fetched is tried again until it can', async () => {
  const writer = await createWriter();
  const blobs = new Map<string, Uint8Array>();
  const feed = createScriptedFeed(blobs);
  feed.stored = await writer.bundle(1, { a: '1' }, { apart: true });
  await using at = startPuller(writer, feed);
  at.puller.start(undefined);
  await eventually(() => assert.equal(at.puller.problem()?.code, 'BLOB_MISSING'), WAIT);
  for (const [key, bytes] of writer.blobs) blobs.set(key, bytes);
  assert.equal((await at.puller.next(soon())).head.generation, 1);
  assert.equal(at.puller.problem(), undefined);
});

test('F12 while NATS is away nothing is delivered and nothing is lost; a connection asks at once', async () => {
  const writer = await createWriter();
  const feed = createScriptedFeed(writer.blobs);
  feed.down = true;
  feed.stored = await writer.bundle(1, { a: '1' });
  await using at = startPuller(writer, feed);
  at.puller.start(undefined);
  await assert.rejects(at.puller.next(AbortSignal.timeout(30)));
  feed.down = false;
  feed.reconnect();
  assert.equal((await at.puller.next(soon())).head.generation, 1);
  feed.stored = undefined;
  feed.reconnect();
  await assert.rejects(at.puller.next(AbortSignal.timeout(30)));
  assert.equal(at.puller.current?.head.generation, 1);
});

test('I11 more news than can be judged are dropped for one look at the stream', async () => {
  const writer = await createWriter();
  const feed = createScriptedFeed(writer.blobs);
  await using at = startPuller(writer, feed);
  at.puller.start(undefined);
  await feed.heard;
  feed.stored = await writer.bundle(7, { a: '7' });
  for (let i = 0; i < 500; i++) feed.tell(Buffer.from('noise'));
  feed.tell(feed.stored);
  assert.equal((await at.puller.next(soon())).head.generation, 7);
  assert.ok(at.puller.rejected().Envelope <= 20);
});

test('F13 the cache holds what the last two bundles use, and never more than its bound', async () => {
  const writer = await createWriter();
  const feed = createScriptedFeed(writer.blobs);
  const cache = createMemoryCache();
  feed.stored = await writer.bundle(1, { a: '"1"' });
  await using at = startPuller(writer, feed, { ports: testPorts(cache), maxCachedBytes: 1200 });
  at.puller.start(undefined);
  await contentOf(await at.puller.next(soon()));
  for (let generation = 2; generation < 8; generation++) {
    feed.tell(await writer.bundle(generation, { a: `"${generation}"` }));
    await contentOf(await at.puller.next(soon()));
    const files = [...cache.files].filter(([name]) => name.startsWith('blob-'));
    assert.ok(files.length <= 4);
    assert.ok(files.reduce((sum, [, bytes]) => sum + bytes.length, 0) <= 1200);
  }
  signal.throwIfAborted();
});
