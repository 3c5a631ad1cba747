import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Fleet } from '@drover/testbed';
import { eventually, startFleet } from '@drover/testbed';
import { readInventory } from './support/inventory.ts';
import { configMap } from './support/scenario.ts';

const CLUSTER = 'solo';
const COLLECTION = '/api/v1/namespaces/default/configmaps';
/** DROVER_CHAOS=200x50 for the long run. */
const [pushes = 24, kills = 8] = (process.env['DROVER_CHAOS'] ?? '').split('x').filter(Boolean).map(Number);
const seed = Number(process.env['DROVER_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

/** A small seeded generator: a failing run is told by its seed. */
function random(state: number): () => number {
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

interface Seen {
  readonly at: number;
  readonly value: string;
}

/** Every value of the one object that each push changes, by an independent watcher. */
function watchValues(fleet: Fleet, signal: AbortSignal): { readonly seen: Seen[]; readonly done: Promise<void> } {
  const seen: Seen[] = [];
  const done = (async (): Promise<void> => {
    const { kube } = fleet.cluster(CLUSTER);
    for await (const event of kube.watch(`${COLLECTION}?fieldSelector=metadata.name%3Dcounter`, signal)) {
      const value = (event.object as { data?: { v?: string } }).data?.v;
      if (value !== undefined) seen.push({ at: performance.now(), value });
    }
  })().catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
  return { seen, done };
}

interface Sample {
  readonly at: number;
  readonly state: string;
  readonly sha: string | undefined;
}

/** The unit's state every 100 ms, as the API tells it; nothing while the hub is away. */
async function sampleStates(fleet: Fleet, signal: AbortSignal): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  while (!signal.aborted) {
    const asked = performance.now();
    try {
      const { items } = await fleet.hub.get<{ items: readonly { state: string; revision: { applied: string | null } }[] }>('/v1/units');
      const [row] = items;
      if (row !== undefined && performance.now() - asked < 100)
        samples.push({ at: asked, state: row.state, sha: row.revision.applied?.split(':').at(-1) });
    } catch {
      // The hub was just killed.
    }
    await delay(100, undefined, { signal }).catch(() => {});
  }
  return samples;
}

interface Deleted {
  readonly name: string;
  readonly uid: string | undefined;
  readonly resourceVersion: string | undefined;
}

async function agentDeletes(path: string): Promise<readonly Deleted[]> {
  const deletes: Deleted[] = [];
  for (const line of (await readFile(path, 'utf8')).split('\n')) {
    if (line === '') continue;
    const event = JSON.parse(line) as {
      verb: string;
      stage: string;
      userAgent?: string;
      objectRef?: { resource: string; name: string };
      requestObject?: { preconditions?: { uid?: string; resourceVersion?: string } };
    };
    if (event.verb !== 'delete' || event.stage !== 'ResponseComplete' || event.objectRef?.resource !== 'configmaps') continue;
    if (!(event.userAgent ?? '').startsWith('drover')) continue;
    const { uid, resourceVersion } = event.requestObject?.preconditions ?? {};
    deletes.push({ name: event.objectRef.name, uid, resourceVersion });
  }
  return deletes;
}

test(`I1 I2 I3 I4 I5 random kills of hub and agent during pushes break nothing (${pushes} pushes, ${kills} kills, seed ${seed})`, async () => {
  const chance = random(seed);
  const first: Record<string, string> = { [`clusters/${CLUSTER}/counter.yaml`]: configMap('counter', 'default', { v: '0' }) };
  for (let index = 0; index < 6; index++) first[`clusters/${CLUSTER}/k${index}.yaml`] = configMap(`k${index}`, 'default', {});
  await using fleet = await startFleet({ clusters: [{ name: CLUSTER, audit: true }], files: first });
  await using clone = await fleet.repository.clone();
  const { kube, auditLog } = fleet.cluster(CLUSTER);
  await eventually(() => kube.get(`${COLLECTION}/counter`), 30_000);

  const stop = new AbortController();
  const watcher = watchValues(fleet, stop.signal);
  const sampling = sampleStates(fleet, stop.signal);
  const values = new Map<string, string>([[await clone.head(), '0']]);
  const inGit = new Set(Object.keys(first).map((path) => path.split('/').at(-1)?.replace('.yaml', '') ?? ''));
  const everRemoved = new Set<string>();
  let lastHead = { epoch: 0, generation: 0 };
  const killTimes: number[] = [];

  for (let push = 1; push <= pushes; push++) {
    const changed: Record<string, string> = { [`clusters/${CLUSTER}/counter.yaml`]: configMap('counter', 'default', { v: `${push}` }) };
    const removed: string[] = [];
    const extra = `x${push}`;
    if (chance() < 0.4) {
      changed[`clusters/${CLUSTER}/${extra}.yaml`] = configMap(extra, 'default', {});
      inGit.add(extra);
    }
    const candidates = [...inGit].filter((name) => name.startsWith('x') && name !== extra);
    const victim = candidates[Math.floor(chance() * candidates.length)];
    if (victim !== undefined && chance() < 0.4) {
      removed.push(`clusters/${CLUSTER}/${victim}.yaml`);
      inGit.delete(victim);
      everRemoved.add(victim);
    }
    values.set(await clone.publish(`push ${push}`, changed, removed), `${push}`);
    if (killTimes.length < kills && chance() < (kills - killTimes.length) / (pushes - push + 1)) {
      await delay(chance() * 400);
      killTimes.push(performance.now());
      if (chance() < 0.5) {
        await fleet.hub.kill();
        await fleet.hub.start();
      } else {
        await fleet.agent(CLUSTER).kill();
        await fleet.agent(CLUSTER).start();
      }
    }
    // I5, at this instant: what is owned is in the inventory, or was taken out after we looked.
    const owned = await kube.list(`${COLLECTION}?labelSelector=drover.dev%2Fmanaged%3Dtrue`);
    const inventory = await readInventory(kube);
    if (inventory !== undefined) {
      for (const object of owned) {
        const key = `/ConfigMap/default/${object.metadata.name}`;
        if (!inventory.keys.has(key))
          assert.equal(await kube.find(`${COLLECTION}/${object.metadata.name}`), undefined, `I5 ${key} is owned and not in the inventory`);
      }
      assert.ok(
        inventory.epoch > lastHead.epoch || inventory.generation >= lastHead.generation,
        `I4 generation fell from ${lastHead.generation} to ${inventory.generation}`,
      );
      lastHead = inventory;
    }
  }

  // I3: what is live is what Git says.
  await eventually(async () => {
    const items = await kube.list(`${COLLECTION}?labelSelector=drover.dev%2Fmanaged%3Dtrue`);
    assert.deepEqual(items.map((object) => object.metadata.name).sort(), [...inGit].sort());
    assert.deepEqual(items.find((object) => object.metadata.name === 'counter')?.['data'], { v: `${pushes}` });
    const units = await fleet.hub.get<{ items: readonly { state: string; message: string }[] }>('/v1/units');
    assert.equal(units.items[0]?.state, 'Ready', units.items[0]?.message);
  }, 60_000);
  await delay(1_500);
  stop.abort();
  const samples = await sampling;
  await watcher.done;

  // I1: only what left Git was deleted, each with its preconditions.
  for (const deleted of await agentDeletes(auditLog ?? '')) {
    assert.ok(everRemoved.has(deleted.name), `I1 ${deleted.name} was deleted and never left Git`);
    assert.ok(deleted.uid !== undefined && deleted.resourceVersion !== undefined, `I1 ${deleted.name} was deleted without preconditions`);
  }

  // What the API said was applied was live within a second of it.
  const wrong = samples.filter((sample) => {
    const value = sample.sha === undefined ? undefined : values.get(sample.sha);
    if (sample.state !== 'Ready' || value === undefined) return false;
    const before = watcher.seen.filter((seen) => seen.at <= sample.at + 1_000).map((seen) => Number(seen.value));
    return before.length > 0 && Math.max(...before) < Number(value);
  });
  assert.deepEqual(wrong, [], 'states that the cluster did not have');
  const late = samples.filter((sample) => {
    const disturbed = killTimes.some((at) => sample.at > at - 2_000 && sample.at < at + 12_000);
    if (disturbed || sample.state !== 'Ready' || sample.sha === undefined) return false;
    const settled = watcher.seen.filter((seen) => seen.at < sample.at - 1_000).at(-1);
    return settled !== undefined && Number(values.get(sample.sha) ?? '0') < Number(settled.value);
  });
  assert.deepEqual(late, [], 'states that lag more than a second behind the cluster');
});
