import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { BLOBS_STREAM, HEADS_STREAM, openEnvelope, parseHead, rawPublicKey } from '@drover/contract';
import { eventually, tempDir } from '@drover/testbed';
import { readMeta } from '#state/store.ts';
import { PUBLISH_CRASH_POINTS } from './crash-points.ts';
import type { TestHub, TestKeys } from './testdata/fleet.ts';
import { configMap, connectAdmin, publishUnit, startFleetNats, startHub, testCluster, testKeys, testPorts } from './testdata/fleet.ts';

const WAIT = 15_000;
const HOUR = 3_600_000;

/** Dies at the first effect of one name: from then on nothing of it goes on. */
function dyingEffect(point: string, moment: 'before' | 'after') {
  const dead = Promise.withResolvers<void>();
  let died = false;
  const never = new Promise<never>(() => undefined);
  const effect = async <T>(name: string, run: () => Promise<T>): Promise<T> => {
    if (died) return await never;
    const now = name === point;
    if (now && moment === 'before') {
      died = true;
      dead.resolve();
      return await never;
    }
    const result = await run();
    if (now) {
      died = true;
      dead.resolve();
      return await never;
    }
    return result;
  };
  return { effect, dead: dead.promise };
}

/** Publishes a second content, and has the first one swept. */
async function scenario(
  keys: TestKeys,
  hub: TestHub,
  cluster: Awaited<ReturnType<typeof testCluster>>,
  jump: (ms: number) => void,
): Promise<number> {
  const { generation } = await publishUnit(keys, hub, cluster, [configMap('a', '2')]);
  await eventually(() => assert.deepEqual([hub.publisher.pending().heads, hub.publisher.pending().problem], [0, undefined]), WAIT);
  await eventually(async () => {
    jump(26 * HOUR);
    hub.publisher.repairBlob('0'.repeat(64));
    await delay(50);
    assert.equal((await hub.store.db.selectFrom('blob').select('name').execute()).length, 2);
    await using admin = await connectAdmin(keys, hub.url);
    const info = (await admin.api(`STREAM.INFO.${BLOBS_STREAM}`, {})) as { state: { messages: number } };
    assert.equal(info.state.messages, 2);
  }, WAIT);
  return generation;
}

for (const point of PUBLISH_CRASH_POINTS) {
  for (const moment of ['before', 'after'] as const) {
    test(`F5 a hub that dies ${moment} ${point} takes one generation, publishes it and sweeps what is left`, async () => {
      const keys = testKeys();
      await using nats = await startFleetNats(keys);
      await using temp = await tempDir();
      const directory = join(temp.path, 'hub');
      const cluster = await testCluster(1);
      let ahead = 0;
      const clock = { ...testPorts(temp.path).clock, now: () => Date.now() + ahead, monotonic: () => performance.now() + ahead };
      const jump = (ms: number): void => void (ahead += ms);
      {
        await using hub = await startHub(keys, nats.url, directory);
        await publishUnit(keys, hub, cluster, [configMap('a', '1')]);
        await eventually(() => assert.equal(hub.publisher.pending().heads, 0), WAIT);
      }
      const { effect, dead } = dyingEffect(point, moment);
      const dying = await startHub(keys, nats.url, directory, { ports: { effect, clock } });
      const done = scenario(keys, dying, cluster, jump).catch(() => undefined);
      await Promise.race([dead, done]);
      await dying.abandon();
      await using hub = await startHub(keys, nats.url, directory, { ports: { clock } });
      assert.equal(await scenario(keys, hub, cluster, jump), 2);
      assert.equal(await readMeta(hub.store.db, 'behind'), undefined);
      await using admin = await connectAdmin(keys, nats.url);
      const found = (await admin.api(`STREAM.MSG.GET.${HEADS_STREAM}`, { last_by_subj: `drover.head.${cluster.uid}` })) as {
        message: { data: string };
      };
      const bytes = Buffer.from(found.message.data, 'base64');
      const { envelope } = await hub.store.db.selectFrom('head').select('envelope').executeTakeFirstOrThrow();
      assert.deepEqual(bytes, Buffer.from(envelope));
      const head = parseHead(
        openEnvelope(
          bytes,
          keys.headKeys.map((key) => rawPublicKey(key)),
        ).payload,
      );
      assert.equal(head.generation, 2);
    });
  }
}
