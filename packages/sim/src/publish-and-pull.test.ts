import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import type { DroverError } from '@drover/contract';
import { BLOBS_STREAM, HEADS_STREAM, newsSubject, rawPublicKey } from '@drover/contract';
import { createNatsFeed } from '../../agent/src/pull/nats-adapter.ts';
import type { Puller } from '../../agent/src/pull/puller.ts';
import { createPuller } from '../../agent/src/pull/puller.ts';
import { createMemoryCache, testPorts } from '../../agent/src/pull/testdata/scripted.ts';
import type { VerifiedBundle } from '../../agent/src/pull/types.ts';
import { agentUserJwt } from '../../hub/src/identity/nats-keys.ts';
import type { TestCluster, TestHub, TestKeys } from '../../hub/src/publish/testdata/fleet.ts';
import {
  configMap,
  connectAdmin,
  LIMITS,
  makeUser,
  publishUnit,
  startFleetNats,
  startHub,
  testCluster,
  testKeys,
} from '../../hub/src/publish/testdata/fleet.ts';
import { eventually, tempDir } from '../../testbed/src/index.ts';

/** What the hub publishes, as the agent pulls it: real nats-server, operator mode. */
const WAIT = 20_000;
const soon = (): AbortSignal => AbortSignal.timeout(WAIT);

interface RunningAgent extends AsyncDisposable {
  readonly puller: Puller;
  readonly badBlobs: string[];
  readonly alarms: DroverError[];
}

function startAgent(
  keys: TestKeys,
  cluster: TestCluster,
  url: string,
  cache = createMemoryCache(),
  onBadBlob?: (name: string) => void,
): RunningAgent {
  const user = makeUser();
  const ports = testPorts(cache);
  const badBlobs: string[] = [];
  const alarms: DroverError[] = [];
  const feed = createNatsFeed({
    cluster: cluster.uid,
    access: () => ({ urls: [url], jwt: agentUserJwt(keys.nats, { user: user.publicKey, uid: cluster.uid, name: 'agent' }, Date.now()) }),
    seed: user.seed,
    random: ports.random,
    log: ports.log,
  });
  const puller = createPuller({
    ports,
    feed,
    cluster: cluster.uid,
    trust: () => ({ fleet: keys.fleet, headKeys: keys.headKeys.map((key) => rawPublicKey(key)) }),
    sealing: cluster.sealing,
    badBlob: (name) => {
      badBlobs.push(name);
      onBadBlob?.(name);
    },
    alarm: (error) => alarms.push(error),
  });
  const stopping = new AbortController();
  const running = Promise.all([feed.run(stopping.signal), puller.run(stopping.signal)]);
  puller.start(undefined);
  return {
    puller,
    badBlobs,
    alarms,
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await running;
    },
  };
}

async function contentOf(bundle: VerifiedBundle): Promise<readonly string[]> {
  const unit = await bundle.unit('drover/shop', soon());
  return await Promise.all(unit.objects.map((object) => bundle.object(unit, object, soon())));
}

async function nextOf(agent: RunningAgent, generation: number): Promise<VerifiedBundle> {
  for (;;) {
    const bundle = await agent.puller.next(soon());
    if (bundle.head.generation === generation) return bundle;
  }
}

async function settled(hub: TestHub): Promise<void> {
  await eventually(() => assert.deepEqual([hub.publisher.pending().heads, hub.publisher.pending().problem], [0, undefined]), WAIT);
}

test('what is published is pulled, object by object, by its cluster alone', async (context) => {
  const keys = testKeys();
  await using nats = await startFleetNats(keys);
  await using temp = await tempDir();
  await using hub = await startHub(keys, nats.url, temp.path);
  const [a, b] = await Promise.all([testCluster(1), testCluster(2)]);
  await using one = startAgent(keys, a, nats.url);
  await using two = startAgent(keys, b, nats.url);
  const objects = Array.from({ length: 1000 }, (_, index) => configMap(`o${index}`, `${index}`.repeat(50)));
  await publishUnit(keys, hub, a, objects);
  await publishUnit(keys, hub, b, [configMap('b', 'of b')]);
  assert.deepEqual(
    await contentOf(await nextOf(one, 1)),
    objects.map(({ json }) => json),
  );
  assert.deepEqual(await contentOf(await nextOf(two, 1)), [configMap('b', 'of b').json]);
  const times: number[] = [];
  for (let round = 0; round < 30; round++) {
    const start = performance.now();
    const next = one.puller.next(soon());
    await publishUnit(keys, hub, a, [configMap('a', String(round))]);
    await contentOf(await next);
    times.push(performance.now() - start);
  }
  times.sort((x, y) => x - y);
  context.diagnostic(
    `stored, published, heard, verified and opened in ${times[15]?.toFixed(1)} ms (median), ${times[29]?.toFixed(1)} ms (most)`,
  );
  assert.deepEqual([one.badBlobs, two.badBlobs, one.alarms, two.alarms], [[], [], [], []]);
});

test('F8 F9 NATS wiped, purged or rebuilt: agents keep their bundle, and hear of the next one', async () => {
  const keys = testKeys();
  await using nats = await startFleetNats(keys);
  await using temp = await tempDir();
  await using hub = await startHub(keys, nats.url, temp.path);
  const cluster = await testCluster(1);
  await using agent = startAgent(keys, cluster, nats.url);
  await publishUnit(keys, hub, cluster, [configMap('a', '1')]);
  await nextOf(agent, 1);
  await settled(hub);
  await nats.stop('SIGKILL');
  await nats.wipeStore();
  await nats.start();
  await publishUnit(keys, hub, cluster, [configMap('a', '2')]);
  assert.deepEqual(await contentOf(await nextOf(agent, 2)), [configMap('a', '2').json]);
  {
    await using admin = await connectAdmin(keys, nats.url);
    await admin.api(`STREAM.DELETE.${HEADS_STREAM}`, {});
    await admin.api(`STREAM.DELETE.${BLOBS_STREAM}`, {});
  }
  await publishUnit(keys, hub, cluster, [configMap('a', '3')]);
  assert.deepEqual(await contentOf(await nextOf(agent, 3)), [configMap('a', '3').json]);
  await settled(hub);
  assert.deepEqual(agent.alarms, []);
});

test('T3 F11 a broker that replays, forges or swaps heads changes nothing', async () => {
  const keys = testKeys();
  await using nats = await startFleetNats(keys);
  await using temp = await tempDir();
  await using hub = await startHub(keys, nats.url, temp.path);
  const [a, b] = await Promise.all([testCluster(1), testCluster(2)]);
  await using agent = startAgent(keys, a, nats.url);
  await using admin = await connectAdmin(keys, nats.url);
  const captured: Uint8Array[] = [];
  admin.connection.subscribe('drover.news.>', { callback: (_, message) => void captured.push(message.data) });
  await admin.connection.flush();
  for (const value of ['1', '2']) {
    await publishUnit(keys, hub, a, [configMap('a', value)]);
    await settled(hub);
  }
  await publishUnit(keys, hub, b, [configMap('b', '1')]);
  const bundle = await nextOf(agent, 2);
  await eventually(() => assert.equal(captured.length, 3), WAIT);
  const forged = Uint8Array.from(captured.at(-1) ?? []);
  forged[forged.length - 1] = (forged[forged.length - 1] ?? 0) ^ 1;
  for (const bytes of [...captured, ...captured, forged, Buffer.from('x'), new Uint8Array(0)]) {
    admin.connection.publish(newsSubject(a.uid), bytes);
  }
  await eventually(() => {
    const { Cluster, Empty, Envelope } = agent.puller.rejected();
    assert.ok(Cluster >= 2 && Empty === 1 && Envelope === 1);
  }, WAIT);
  assert.equal(agent.puller.current, bundle);
});

test('F5 T3 a second content for a known generation is rejected with an alarm', async () => {
  const keys = testKeys();
  await using nats = await startFleetNats(keys);
  await using other = await startFleetNats(keys);
  await using temp = await tempDir();
  const cluster = await testCluster(1);
  await using hub = await startHub(keys, nats.url, join(temp.path, 'one'));
  await using second = await startHub(keys, other.url, join(temp.path, 'two'));
  await using agent = startAgent(keys, cluster, nats.url);
  await publishUnit(keys, hub, cluster, [configMap('a', 'of one')]);
  await nextOf(agent, 1);
  await publishUnit(keys, second, cluster, [configMap('a', 'of two')]);
  const { envelope } = await second.store.db.selectFrom('head').select('envelope').executeTakeFirstOrThrow();
  await using admin = await connectAdmin(keys, nats.url);
  admin.connection.publish(newsSubject(cluster.uid), envelope);
  await eventually(() => assert.equal(agent.alarms[0]?.code, 'HEAD_CONFLICT'), WAIT);
});

test('B44 a blob damaged on the broker is reported, repaired by the hub and fetched', async () => {
  const keys = testKeys();
  await using nats = await startFleetNats(keys);
  await using temp = await tempDir();
  await using hub = await startHub(keys, nats.url, temp.path, { limits: LIMITS });
  const cluster = await testCluster(1);
  await publishUnit(keys, hub, cluster, [configMap('a', '1')]);
  await settled(hub);
  await using admin = await connectAdmin(keys, nats.url);
  for (const { name } of await hub.store.db.selectFrom('blob').select('name').execute()) {
    await admin.api(`STREAM.PURGE.${BLOBS_STREAM}`, { filter: `drover.blob.${name}` });
    await admin.connection.request(`drover.blob.${name}`, 'damaged');
  }
  await using agent = startAgent(keys, cluster, nats.url, undefined, (name) => hub.publisher.repairBlob(name));
  const bundle = await nextOf(agent, 1);
  assert.deepEqual(await eventually(() => contentOf(bundle), WAIT), [configMap('a', '1').json]);
  assert.equal(agent.badBlobs.length, 2);
});

test('F12 F5 an agent restarts with neither hub nor NATS, and follows both when they are back', async () => {
  const keys = testKeys();
  await using nats = await startFleetNats(keys);
  await using temp = await tempDir();
  const cluster = await testCluster(1);
  const cache = createMemoryCache();
  {
    await using hub = await startHub(keys, nats.url, temp.path);
    await using agent = startAgent(keys, cluster, nats.url, cache);
    await publishUnit(keys, hub, cluster, [configMap('a', '1')]);
    await contentOf(await nextOf(agent, 1));
    await settled(hub);
  }
  await nats.stop('SIGKILL');
  await using agent = startAgent(keys, cluster, nats.url, cache);
  assert.deepEqual(await contentOf(await nextOf(agent, 1)), [configMap('a', '1').json]);
  await nats.start();
  await using hub = await startHub(keys, nats.url, temp.path);
  await publishUnit(keys, hub, cluster, [configMap('a', '2')]);
  assert.deepEqual(await contentOf(await nextOf(agent, 2)), [configMap('a', '2').json]);
});

/** A link to NATS that breaks each time when so many bytes have come down on it. */
async function breakingLink(port: number, breakAfterBytes: number) {
  const sockets = new Set<Socket>();
  let breaks = 0;
  let down = 0;
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    let left = breakAfterBytes;
    const end = (): void => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', end).on('close', end);
    }
    client.on('data', (bytes) => void upstream.write(bytes));
    upstream.on('data', (bytes) => {
      down += bytes.length;
      left -= bytes.length;
      client.write(bytes.subarray(0, Math.max(0, left + bytes.length)));
      if (left > 0) return;
      breaks++;
      client.end(() => end());
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `nats://127.0.0.1:${(server.address() as AddressInfo).port}`,
    breaks: () => breaks,
    downBytes: () => down,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

test('F13 over a link that breaks every 200 KB a large bundle arrives, and no verified blob comes twice', async (context) => {
  const keys = testKeys();
  await using nats = await startFleetNats(keys);
  await using temp = await tempDir();
  await using hub = await startHub(keys, nats.url, temp.path);
  const cluster = await testCluster(1);
  const noise = (seed: number): string =>
    Buffer.from(Array.from({ length: 1500 }, (_, index) => (seed * 7919 + index * index * 31) % 251)).toString('base64');
  const objects = Array.from({ length: 600 }, (_, index) => configMap(`o${index}`, noise(index)));
  await publishUnit(keys, hub, cluster, objects);
  await settled(hub);
  const blobs = await hub.store.db.selectFrom('blob').select('size').execute();
  const bytes = blobs.reduce((sum, { size }) => sum + size, 0);
  await using link = await breakingLink(nats.port, 200_000);
  await using agent = startAgent(keys, cluster, link.url);
  const bundle = await nextOf(agent, 1);
  assert.deepEqual(
    await eventually(() => contentOf(bundle), WAIT),
    objects.map(({ json }) => json),
  );
  context.diagnostic(`${bytes} bytes in ${blobs.length} blobs came as ${link.downBytes()} bytes over ${link.breaks() + 1} connections`);
  assert.ok(link.breaks() >= 1);
  assert.deepEqual(agent.badBlobs, []);
});
