import assert from 'node:assert/strict';
import { cp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  BLOBS_STREAM,
  BUNDLE_FORMAT,
  digestOf,
  HEADS_STREAM,
  openEnvelope,
  openSealed,
  parseBundleManifest,
  parseHead,
  rawPublicKey,
} from '@drover/contract';
import { eventually, tempDir } from '@drover/testbed';
import { hubUser } from '#identity/nats-keys.ts';
import { readMeta } from '#state/store.ts';
import { raiseEpoch } from './epoch.ts';
import { connectNats } from './nats-connection-adapter.ts';
import {
  configMap,
  connectAdmin,
  LIMITS,
  publishUnit,
  startFleetNats,
  startHub,
  testCluster,
  testKeys,
  testPorts,
  UNIT_OPTIONS,
} from './testdata/fleet.ts';
import type { TestHub, TestKeys } from './testdata/fleet.ts';

const signal = new AbortController().signal;
const WAIT = 20_000;

/** What an operator with the hub's rights sees and does, past the hub. */
async function operator(keys: TestKeys, url: string) {
  const ports = testPorts('/');
  const connection = await connectNats(
    { address: { urls: [url] }, user: () => hubUser(keys.nats, Date.now()), random: ports.random, log: ports.log },
    () => {},
    signal,
  );
  const api = async (call: string, body: object): Promise<Record<string, never>> =>
    (await connection.request(`$JS.API.${call}`, JSON.stringify(body))).json<Record<string, never>>();
  return {
    connection,
    api,
    async head(uid: string): Promise<Buffer | undefined> {
      const found = (await api(`STREAM.MSG.GET.${HEADS_STREAM}`, { last_by_subj: `drover.head.${uid}` })) as { message?: { data: string } };
      return found.message === undefined ? undefined : Buffer.from(found.message.data, 'base64');
    },
    [Symbol.asyncDispose]: () => connection.close(),
  };
}

const settled = (hub: TestHub): Promise<void> =>
  eventually(() => {
    const { heads, problem } = hub.publisher.pending();
    assert.deepEqual({ heads, problem }, { heads: 0, problem: undefined });
  }, WAIT);

test('a bundle is sealed, signed, stored and heard by its cluster', async () => {
  const keys = testKeys();
  await using nats = await startFleetNats(keys);
  await using temp = await tempDir();
  await using hub = await startHub(keys, nats.url, temp.path);
  const cluster = await testCluster(1);
  const { manifest, generation } = await publishUnit(keys, hub, cluster, [configMap('a', '1')]);
  assert.equal(generation, 1);
  await settled(hub);
  await using see = await operator(keys, nats.url);
  const envelope = await see.head(cluster.uid);
  assert.ok(envelope !== undefined);
  const opened = openEnvelope(
    envelope,
    keys.headKeys.map((key) => rawPublicKey(key)),
  );
  const plain = await openSealed(cluster.sealing, parseHead(opened.payload), opened.attachment);
  assert.deepEqual(parseBundleManifest(plain), manifest);
  assert.deepEqual((await hub.publisher.current(cluster.uid))?.manifest, manifest);
});

test('I4 equal content takes no generation, other content, key or epoch takes the next', async () => {
  const keys = testKeys();
  await using temp = await tempDir();
  await using hub = await startHub(keys, 'nats://127.0.0.1:1', temp.path);
  const cluster = await testCluster(1);
  const generationOf = async (value: string, of = cluster): Promise<string> => {
    const { epoch, generation } = await publishUnit(keys, hub, of, [configMap('a', value)]);
    return `${epoch}/${generation}`;
  };
  assert.equal(await generationOf('1'), '1/1');
  assert.equal(await generationOf('1'), '1/1');
  assert.equal(await generationOf('2'), '1/2');
  assert.equal(await generationOf('1'), '1/3');
  assert.equal(await generationOf('1', { uid: cluster.uid, sealing: (await testCluster(2)).sealing }), '1/4');
  await hub.store.write((tx) => raiseEpoch(tx));
  assert.equal(await generationOf('1', { uid: cluster.uid, sealing: (await testCluster(2)).sealing }), '2/5');
});

test('I4 publishes of one cluster at the same time take one generation each', async () => {
  const keys = testKeys();
  await using temp = await tempDir();
  await using hub = await startHub(keys, 'nats://127.0.0.1:1', temp.path);
  const cluster = await testCluster(1);
  const published = await Promise.all(['1', '2', '3', '4'].map((value) => publishUnit(keys, hub, cluster, [configMap('a', value)])));
  assert.deepEqual(
    published.map(({ generation }) => generation).sort((a, b) => a - b),
    [1, 2, 3, 4],
  );
});

test('B19 a sealed manifest above 64 KiB travels as a blob, above 512 KiB it is an error', async () => {
  const keys = testKeys();
  await using nats = await startFleetNats(keys);
  await using temp = await tempDir();
  await using hub = await startHub(keys, nats.url, temp.path);
  const cluster = await testCluster(1);
  const { manifest } = await publishUnit(keys, hub, cluster, [configMap('a', '1')]);
  const left = (count: number) =>
    Array.from({ length: count }, (_, index) => ({ name: `drover/${digestOf(String(index))}`, objects: 'Orphan' as const }));
  const recipient = { uid: cluster.uid, sealingKey: cluster.sealing.publicKey };
  await hub.publisher.publish(recipient, { ...manifest, left: left(3000) }, signal);
  await settled(hub);
  await using see = await operator(keys, nats.url);
  const opened = openEnvelope(
    (await see.head(cluster.uid)) ?? Buffer.alloc(0),
    keys.headKeys.map((key) => rawPublicKey(key)),
  );
  const head = parseHead(opened.payload);
  assert.equal(opened.attachment.length, 0);
  const sealed = (await see.api(`STREAM.MSG.GET.${BLOBS_STREAM}`, { last_by_subj: `drover.blob.${head.sealed.slice(7)}` })) as {
    message?: { data: string };
  };
  const plain = await openSealed(cluster.sealing, head, Buffer.from(sealed.message?.data ?? '', 'base64'));
  assert.equal(parseBundleManifest(plain).left.length, 3000);
  await assert.rejects(hub.publisher.publish(recipient, { ...manifest, left: left(20_000) }, signal), { code: 'BUNDLE_TOO_LARGE' });
  assert.equal((await hub.publisher.current(cluster.uid))?.head.generation, 2);
});

test('a head that is committed while the one before it is sent waits for its own blobs', async () => {
  const keys = testKeys();
  await using nats = await startFleetNats(keys);
  await using temp = await tempDir();
  await using see = await connectAdmin(keys, nats.url);
  const cluster = await testCluster(1);
  const recipient = { uid: cluster.uid, sealingKey: cluster.sealing.publicKey };
  const left = Array.from({ length: 3000 }, (_, index) => ({ name: `drover/${digestOf(String(index))}`, objects: 'Orphan' as const }));
  const meanwhile: { publish?: (() => Promise<boolean>) | undefined } = {};
  const bare: string[] = [];
  const effect = async <T>(point: string, run: () => Promise<T>): Promise<T> => {
    if (point === 'blob-put') {
      const { publish } = meanwhile;
      meanwhile.publish = undefined;
      if ((await publish?.()) === false) meanwhile.publish = publish;
    }
    const result = await run();
    if (point === 'head-put') {
      const found = (await see.api(`STREAM.MSG.GET.${HEADS_STREAM}`, { last_by_subj: `drover.head.${cluster.uid}` })) as {
        message: { data: string };
      };
      const opened = openEnvelope(
        Buffer.from(found.message.data, 'base64'),
        keys.headKeys.map((key) => rawPublicKey(key)),
      );
      const sealed = parseHead(opened.payload).sealed.slice(7);
      if (opened.attachment.length === 0) {
        await see.api(`STREAM.MSG.GET.${BLOBS_STREAM}`, { last_by_subj: `drover.blob.${sealed}` }).catch(() => bare.push(sealed));
      }
    }
    return result;
  };
  await using hub = await startHub(keys, nats.url, temp.path, { ports: { effect } });
  await settled(hub);
  meanwhile.publish = async () => {
    const current = await hub.publisher.current(cluster.uid);
    if (current === undefined) return false;
    await hub.publisher.publish(recipient, { ...current.manifest, left: left.slice(1) }, signal);
    return true;
  };
  const { manifest } = await publishUnit(keys, hub, cluster, [configMap('a', '1')]);
  await hub.publisher.publish(recipient, { ...manifest, left }, signal);
  await settled(hub);
  assert.deepEqual(bare, []);
  assert.equal(meanwhile.publish, undefined);
});

test('a unit is stored once, and a change of one object stores one object and one manifest', async () => {
  const keys = testKeys();
  await using temp = await tempDir();
  await using hub = await startHub(keys, 'nats://127.0.0.1:1', temp.path, { run: false });
  const objects = Array.from({ length: 50 }, (_, index) => configMap(`o${index}`, String(index)));
  const first = await hub.publisher.storeUnit('drover/shop', UNIT_OPTIONS, objects, signal);
  assert.deepEqual(await hub.publisher.storeUnit('drover/shop', UNIT_OPTIONS, objects, signal), first);
  const count = async (): Promise<number> => (await hub.store.db.selectFrom('blob').selectAll().execute()).length;
  assert.equal(await count(), 2);
  const changed = await hub.publisher.storeUnit('drover/shop', UNIT_OPTIONS, [...objects.slice(1), configMap('o0', 'new')], signal);
  assert.notEqual(changed.digest, first.digest);
  assert.equal(await count(), 4);
  const sizes = (await hub.store.db.selectFrom('blob').select('size').orderBy('size').execute()).map(({ size }) => size);
  assert.ok((sizes[0] ?? 0) < 200);
});

test('a bundle that names content which is not stored is refused', async () => {
  const keys = testKeys();
  await using temp = await tempDir();
  await using hub = await startHub(keys, 'nats://127.0.0.1:1', temp.path, { run: false });
  const { uid, sealing } = await testCluster(1);
  const unit = {
    name: 'drover/shop',
    digest: 'hmac:0',
    manifest: [],
    prune: true,
    mode: 'Enforce',
    suspended: false,
    dependsOn: [],
  } as const;
  const manifest = { format: BUNDLE_FORMAT, fleet: keys.fleet, cluster: uid, units: [unit], left: [] } as const;
  await assert.rejects(hub.publisher.publish({ uid, sealingKey: sealing.publicKey }, manifest, signal), { code: 'STORE_FAILED' });
});

test('F8 a wiped or older store of NATS is refilled with the very bytes of the record', async () => {
  const keys = testKeys();
  await using nats = await startFleetNats(keys);
  await using temp = await tempDir();
  await using hub = await startHub(keys, nats.url, temp.path);
  const clusters = await Promise.all([1, 2, 3].map(testCluster));
  for (const cluster of clusters) await publishUnit(keys, hub, cluster, [configMap('a', '1')]);
  await settled(hub);
  await nats.stop('SIGKILL');
  await cp(nats.storeDir, join(temp.path, 'older'), { recursive: true });
  await nats.start();
  for (const cluster of clusters) await publishUnit(keys, hub, cluster, [configMap('a', '2')]);
  await settled(hub);
  const recorded = async (): Promise<Map<string, Buffer>> =>
    new Map(
      (await hub.store.db.selectFrom('head').select(['cluster', 'envelope']).execute()).map((row) => [
        row.cluster,
        Buffer.from(row.envelope),
      ]),
    );
  const asRecorded = async (): Promise<void> => {
    await eventually(async () => {
      await using see = await operator(keys, nats.url);
      for (const [uid, envelope] of await recorded()) assert.deepEqual(await see.head(uid), envelope);
      const info = (await see.api(`STREAM.INFO.${BLOBS_STREAM}`, {})) as { state?: { messages: number } };
      assert.equal(info.state?.messages, (await hub.store.db.selectFrom('blob').select('name').execute()).length);
    }, WAIT);
    await settled(hub);
  };
  const before = await recorded();
  await nats.stop('SIGKILL');
  await nats.wipeStore();
  await nats.start();
  await asRecorded();
  await nats.stop('SIGKILL');
  await nats.wipeStore();
  await cp(join(temp.path, 'older'), nats.storeDir, { recursive: true });
  await nats.start();
  await asRecorded();
  assert.deepEqual(await recorded(), before);
});

test('F9 a stream that is deleted, purged or made anew by hand is rebuilt without a restart', async () => {
  const keys = testKeys();
  await using nats = await startFleetNats(keys);
  await using temp = await tempDir();
  await using hub = await startHub(keys, nats.url, temp.path);
  const cluster = await testCluster(1);
  await publishUnit(keys, hub, cluster, [configMap('a', '1')]);
  await settled(hub);
  await using see = await operator(keys, nats.url);
  const whole = (): Promise<void> =>
    eventually(async () => {
      assert.ok((await see.head(cluster.uid)) !== undefined);
      const blobs = (await see.api(`STREAM.INFO.${BLOBS_STREAM}`, {})) as { state?: { messages: number } };
      const heads = (await see.api(`STREAM.INFO.${HEADS_STREAM}`, {})) as {
        config?: { republish?: object; discard?: string; allow_direct?: boolean };
      };
      assert.equal(blobs.state?.messages, 2);
      assert.deepEqual(heads.config?.republish, { src: 'drover.head.*', dest: 'drover.news.{{wildcard(1)}}' });
      assert.equal(heads.config?.discard, 'new');
      assert.equal(heads.config?.allow_direct, true);
    }, WAIT);
  await using ops = await connectAdmin(keys, nats.url);
  await ops.api(`STREAM.DELETE.${HEADS_STREAM}`, {});
  await whole();
  await ops.api(`STREAM.DELETE.${BLOBS_STREAM}`, {});
  await whole();
  await ops.api(`STREAM.PURGE.${HEADS_STREAM}`, {});
  await ops.api(`STREAM.PURGE.${BLOBS_STREAM}`, {});
  await whole();
  const { config } = (await see.api(`STREAM.INFO.${HEADS_STREAM}`, {})) as { config?: object };
  await ops.api(`STREAM.UPDATE.${HEADS_STREAM}`, { ...config, discard: 'old', allow_direct: false, republish: undefined });
  await whole();
  await settled(hub);
});

test('F5 of two hubs on copies of one store one publishes, the other says so and publishes nothing more', async () => {
  const keys = testKeys();
  await using nats = await startFleetNats(keys);
  await using temp = await tempDir();
  const clusters = await Promise.all([1, 2].map(testCluster));
  const [a, b] = clusters;
  assert.ok(a !== undefined && b !== undefined);
  {
    await using first = await startHub(keys, nats.url, join(temp.path, 'one'));
    for (const cluster of clusters) await publishUnit(keys, first, cluster, [configMap('a', '1')]);
    await settled(first);
  }
  await cp(join(temp.path, 'one'), join(temp.path, 'two'), { recursive: true });
  await using one = await startHub(keys, nats.url, join(temp.path, 'one'));
  await using two = await startHub(keys, nats.url, join(temp.path, 'two'));
  await settled(one);
  await settled(two);
  await publishUnit(keys, one, a, [configMap('a', 'of one')]);
  await settled(one);
  await publishUnit(keys, two, a, [configMap('a', 'of two')]).catch(() => undefined);
  await eventually(() => assert.match(two.publisher.pending().problem ?? '', /PUBLISH_LOST_RACE|HUB_BEHIND/), WAIT);
  await assert.rejects(publishUnit(keys, two, b, [configMap('a', 'of two')]), { message: /PUBLISH_LOST_RACE|HUB_BEHIND/ });
  await using see = await operator(keys, nats.url);
  const recorded = await one.store.db.selectFrom('head').select('envelope').where('cluster', '=', a.uid).executeTakeFirstOrThrow();
  assert.deepEqual(await see.head(a.uid), Buffer.from(recorded.envelope));
  await publishUnit(keys, one, b, [configMap('a', 'of one again')]);
  await settled(one);
});

test('F6 a hub whose store is older publishes nothing until the epoch is raised', async () => {
  const keys = testKeys();
  await using nats = await startFleetNats(keys);
  await using temp = await tempDir();
  const cluster = await testCluster(1);
  {
    await using hub = await startHub(keys, nats.url, join(temp.path, 'now'));
    await publishUnit(keys, hub, cluster, [configMap('a', '1')]);
    await settled(hub);
    await hub.stop();
    await cp(join(temp.path, 'now'), join(temp.path, 'older'), { recursive: true });
  }
  {
    await using hub = await startHub(keys, nats.url, join(temp.path, 'now'));
    await publishUnit(keys, hub, cluster, [configMap('a', '2')]);
    await settled(hub);
  }
  await using restored = await startHub(keys, nats.url, join(temp.path, 'older'));
  await eventually(() => assert.match(restored.publisher.pending().problem ?? '', /HUB_BEHIND/), WAIT);
  await assert.rejects(publishUnit(keys, restored, cluster, [configMap('a', '3')]), { code: 'HUB_BEHIND' });
  await using see = await operator(keys, nats.url);
  const before = parseHead(
    openEnvelope(
      (await see.head(cluster.uid)) ?? Buffer.alloc(0),
      keys.headKeys.map((key) => rawPublicKey(key)),
    ).payload,
  );
  assert.equal(before.generation, 2);
  await restored.store.write((tx) => raiseEpoch(tx));
  const { epoch } = await publishUnit(keys, restored, cluster, [configMap('a', '3')]);
  assert.equal(epoch, 2);
  await settled(restored);
  const after = parseHead(
    openEnvelope(
      (await see.head(cluster.uid)) ?? Buffer.alloc(0),
      keys.headKeys.map((key) => rawPublicKey(key)),
    ).payload,
  );
  assert.equal(after.epoch, 2);
});

test('F6 a hub that lost its store finds heads it does not know and publishes nothing', async () => {
  const keys = testKeys();
  await using nats = await startFleetNats(keys);
  await using temp = await tempDir();
  const cluster = await testCluster(1);
  {
    await using hub = await startHub(keys, nats.url, join(temp.path, 'lost'));
    await publishUnit(keys, hub, cluster, [configMap('a', '1')]);
    await settled(hub);
  }
  await using hub = await startHub(keys, nats.url, join(temp.path, 'fresh'));
  await eventually(() => assert.match(hub.publisher.pending().problem ?? '', /HUB_BEHIND/), WAIT);
});

test('F5 a publish whose reply was lost is recognised as our own', async () => {
  const keys = testKeys();
  await using nats = await startFleetNats(keys);
  await using temp = await tempDir();
  let lose = true;
  const effect = async <T>(point: string, run: () => Promise<T>): Promise<T> => {
    const result = await run();
    if (point === 'head-put' && lose) {
      lose = false;
      throw new Error('reply lost');
    }
    return result;
  };
  await using hub = await startHub(keys, nats.url, temp.path, { ports: { effect } });
  const cluster = await testCluster(1);
  await publishUnit(keys, hub, cluster, [configMap('a', '1')]);
  await settled(hub);
  assert.equal(await readMeta(hub.store.db, 'behind'), undefined);
  assert.equal((await hub.store.db.selectFrom('head').select('published').executeTakeFirst())?.published, 1);
});

test('F10 a full JetStream stops publishing with a reason, and it goes on by itself once there is room', async () => {
  const keys = testKeys();
  await using nats = await startFleetNats(keys);
  await using temp = await tempDir();
  const tight = { ...LIMITS, blobsMaxBytes: 6000 };
  const cluster = await testCluster(1);
  {
    await using hub = await startHub(keys, nats.url, temp.path, { limits: tight });
    await publishUnit(keys, hub, cluster, [configMap('a', '1')]);
    await settled(hub);
    const large = Array.from({ length: 200 }, (_, index) => configMap(`o${index}`, String(index)));
    await publishUnit(keys, hub, cluster, large);
    await eventually(() => assert.match(hub.publisher.pending().problem ?? '', /NATS_FULL/), WAIT);
    assert.equal(hub.publisher.pending().heads, 1);
    await using ops = await connectAdmin(keys, nats.url);
    await using see = await operator(keys, nats.url);
    const { config } = (await see.api(`STREAM.INFO.${BLOBS_STREAM}`, {})) as { config?: object };
    await ops.api(`STREAM.UPDATE.${BLOBS_STREAM}`, { ...config, max_bytes: LIMITS.blobsMaxBytes });
    await hub.stop();
  }
  await using hub = await startHub(keys, nats.url, temp.path);
  await settled(hub);
});

test('F10 a hub that finds no room for its streams waits, and publishes as soon as there is some', async () => {
  const keys = testKeys();
  await using nats = await startFleetNats(keys, 8_000_000);
  await using temp = await tempDir();
  await using admin = await connectAdmin(keys, nats.url);
  await admin.api('STREAM.CREATE.FILL', { name: 'FILL', subjects: ['fill'], storage: 'file', max_bytes: 7_000_000 });
  await using hub = await startHub(keys, nats.url, temp.path, {
    limits: { headsMaxBytes: 2_000_000, blobsMaxBytes: 100_000, replicas: 1 },
  });
  const cluster = await testCluster(1);
  const { generation } = await publishUnit(keys, hub, cluster, [configMap('a', '1')]);
  assert.equal(generation, 1);
  await eventually(() => assert.match(hub.publisher.pending().problem ?? '', /NATS_FULL/), WAIT);
  await admin.api('STREAM.DELETE.FILL', {});
  await settled(hub);
  const noise = Array.from({ length: 500 }, (_, index) => configMap(`o${index}`, digestOf(String(index)).repeat(4)));
  await publishUnit(keys, hub, cluster, noise);
  await eventually(() => assert.match(hub.publisher.pending().problem ?? '', /NATS_FULL/), WAIT);
});

test('F10 NATS away: publishing commits, says what is pending, and follows when NATS is back', async () => {
  const keys = testKeys();
  await using nats = await startFleetNats(keys);
  await using temp = await tempDir();
  await using hub = await startHub(keys, nats.url, temp.path);
  const cluster = await testCluster(1);
  await publishUnit(keys, hub, cluster, [configMap('a', '1')]);
  await settled(hub);
  await nats.stop('SIGKILL');
  const { generation } = await publishUnit(keys, hub, cluster, [configMap('a', '2')]);
  assert.equal(generation, 2);
  await eventually(() => assert.match(hub.publisher.pending().problem ?? '', /NATS_UNREACHABLE/), WAIT);
  assert.equal(hub.publisher.pending().heads, 1);
  assert.ok(hub.publisher.pending().since !== undefined);
  await nats.start();
  await settled(hub);
});

test('B44 a blob that NATS holds damaged, or lacks, is published again', async () => {
  const keys = testKeys();
  await using nats = await startFleetNats(keys);
  await using temp = await tempDir();
  await using hub = await startHub(keys, nats.url, temp.path);
  const cluster = await testCluster(1);
  await publishUnit(keys, hub, cluster, [configMap('a', '1')]);
  await settled(hub);
  const [{ name } = { name: '' }] = await hub.store.db.selectFrom('blob').select('name').execute();
  await using ops = await connectAdmin(keys, nats.url);
  await using see = await operator(keys, nats.url);
  await ops.api(`STREAM.PURGE.${BLOBS_STREAM}`, { filter: `drover.blob.${name}` });
  await see.connection.request(`drover.blob.${name}`, 'damaged');
  hub.publisher.repairBlob('../../etc/passwd');
  hub.publisher.repairBlob(name);
  await eventually(async () => {
    const found = (await see.api(`STREAM.MSG.GET.${BLOBS_STREAM}`, { last_by_subj: `drover.blob.${name}` })) as {
      message?: { data: string };
    };
    assert.equal(digestOf(Buffer.from(found.message?.data ?? '', 'base64')), `sha256:${name}`);
  }, WAIT);
});

test('F8 content whose blobs are lost on both sides is stored again by the next render', async () => {
  const keys = testKeys();
  await using nats = await startFleetNats(keys);
  await using temp = await tempDir();
  await using hub = await startHub(keys, nats.url, temp.path);
  const cluster = await testCluster(1);
  await publishUnit(keys, hub, cluster, [configMap('a', '1')]);
  await settled(hub);
  await nats.stop('SIGKILL');
  await nats.wipeStore();
  for (const folder of await readdir(hub.blobDirectory)) {
    for (const file of await readdir(join(hub.blobDirectory, folder))) await writeFile(join(hub.blobDirectory, folder, file), 'damaged');
  }
  await nats.start();
  await eventually(() => assert.match(hub.publisher.pending().problem ?? '', /BLOB_MISSING/), WAIT);
  await publishUnit(keys, hub, cluster, [configMap('a', '1')]);
  await settled(hub);
});

test('P13 the heads of 1,000 clusters come back into an empty NATS; how long that takes is printed', async (context) => {
  const keys = testKeys();
  await using nats = await startFleetNats(keys);
  await using temp = await tempDir();
  const sealing = (await testCluster(0)).sealing;
  {
    await using hub = await startHub(keys, nats.url, temp.path);
    const objects = Array.from({ length: 1000 }, (_, index) => configMap(`o${index}`, `${index}`.repeat(40)));
    const storing = performance.now();
    await hub.publisher.storeUnit('drover/large', UNIT_OPTIONS, objects, signal);
    context.diagnostic(`1,000 new objects stored in ${Math.round(performance.now() - storing)} ms`);
    const publishing = performance.now();
    const clusters = await Promise.all(Array.from({ length: 1000 }, async (_, index) => ({ ...(await testCluster(index)), sealing })));
    await Promise.all(
      clusters.map((cluster, index) => publishUnit(keys, hub, cluster, [configMap('a', `${index}`), configMap('b', 'shared')])),
    );
    context.diagnostic(`1,000 clusters stored, sealed and committed in ${Math.round(performance.now() - publishing)} ms`);
    await settled(hub);
    context.diagnostic(`… and in NATS after ${Math.round(performance.now() - publishing)} ms`);
  }
  await nats.stop('SIGKILL');
  await nats.wipeStore();
  await nats.start();
  const starting = performance.now();
  await using hub = await startHub(keys, nats.url, temp.path);
  await using see = await operator(keys, nats.url);
  await eventually(async () => {
    const heads = (await see.api(`STREAM.INFO.${HEADS_STREAM}`, {})) as { state?: { messages: number } };
    assert.equal(heads.state?.messages, 1000);
    assert.equal((await hub.store.db.selectFrom('head').select('cluster').where('published', '=', 0).execute()).length, 0);
  }, WAIT);
  const took = performance.now() - starting;
  context.diagnostic(`1,000 heads with their blobs refilled in ${Math.round(took)} ms after the start of the hub`);
  await hub.stop();
  const again = performance.now();
  await using next = await startHub(keys, nats.url, temp.path);
  await publishUnit(keys, next, { ...(await testCluster(5)), sealing }, [configMap('a', 'after the restart')]);
  await settled(next);
  context.diagnostic(`a hub that starts with 1,000 heads in NATS has published in ${Math.round(performance.now() - again)} ms`);
});

test('swept content goes from record, NATS and disk', async () => {
  const keys = testKeys();
  await using nats = await startFleetNats(keys);
  await using temp = await tempDir();
  let ahead = 0;
  const clock = { ...testPorts(temp.path).clock, now: () => Date.now() + ahead, monotonic: () => performance.now() + ahead };
  await using hub = await startHub(keys, nats.url, temp.path, { ports: { clock } });
  const cluster = await testCluster(1);
  await publishUnit(keys, hub, cluster, [configMap('a', '1')]);
  await publishUnit(keys, hub, cluster, [configMap('a', '2')]);
  await settled(hub);
  const counts = async (): Promise<readonly number[]> => {
    await using see = await operator(keys, nats.url);
    const info = (await see.api(`STREAM.INFO.${BLOBS_STREAM}`, {})) as { state?: { messages: number } };
    let files = 0;
    for (const folder of await readdir(hub.blobDirectory)) files += (await readdir(join(hub.blobDirectory, folder))).length;
    const rows = await hub.store.db.selectFrom('blob').select('name').execute();
    const objects = await hub.store.db.selectFrom('object_content').select('digest').execute();
    const units = await hub.store.db.selectFrom('unit_content').select('digest').execute();
    return [rows.length, info.state?.messages ?? -1, files, objects.length, units.length];
  };
  assert.deepEqual(await counts(), [4, 4, 4, 2, 2]);
  for (const hours of [2, 30]) {
    ahead = hours * 3_600_000;
    await publishUnit(keys, hub, cluster, [configMap('a', '2')]);
    hub.publisher.repairBlob('0'.repeat(64));
    await eventually(async () => assert.ok((await counts())[0] === (hours === 2 ? 4 : 2)), WAIT);
    if (hours === 2)
      await eventually(
        async () =>
          assert.ok(
            (await hub.store.db.selectFrom('blob').select('name').where('unreferenced_since', 'is not', null).execute()).length === 2,
          ),
        WAIT,
      );
  }
  await eventually(async () => assert.deepEqual(await counts(), [2, 2, 2, 1, 1]), WAIT);
  assert.ok((await stat(hub.blobDirectory)).isDirectory());
  await rm(join(temp.path, 'nothing'), { force: true });
});
