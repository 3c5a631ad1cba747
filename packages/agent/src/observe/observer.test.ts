import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, test } from 'node:test';
import type { Logger, ObjectKey } from '@drover/contract';
import { keyOf, refOf } from '@drover/contract';
import type { Cluster, FaultProxy } from '@drover/testbed';
import { eventually, startCluster, startFaultProxy } from '@drover/testbed';
import { kubeconfigCredentials } from '#kube/credentials-adapter.ts';
import type { KubeClient } from '#kube/kube-client-adapter.ts';
import { createKubeClient } from '#kube/kube-client-adapter.ts';
import type { KindInfo, LiveObject } from '#kube/types.ts';
import { clock, random } from '@drover/runtime';
import { driftBetween, ownedFields } from './fields.ts';
import { createObserver } from './observer.ts';
import type { Expectation, Observation, Observer } from './types.ts';

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };
const signal = new AbortController().signal;
const MAPS = '/api/v1/namespaces/default/configmaps';

let cluster: Cluster;
let proxy: FaultProxy;
let kube: KubeClient;
let configMaps: KindInfo;

before(async () => {
  cluster = await startCluster({ name: 'observer' });
  proxy = await startFaultProxy({ target: cluster });
  kube = await client();
  configMaps = await served('v1', 'ConfigMap');
});
after(async () => {
  await kube[Symbol.asyncDispose]();
  await proxy[Symbol.asyncDispose]();
  await cluster[Symbol.asyncDispose]();
});
afterEach(() => {
  proxy.clear();
  proxy.clearRequests();
});

async function client(more: Partial<Parameters<typeof createKubeClient>[0]> = {}): Promise<KubeClient> {
  return createKubeClient({
    credentials: await kubeconfigCredentials({ path: proxy.kubeconfig, clock }),
    clock,
    random,
    log: quiet,
    ...more,
  });
}

async function served(apiVersion: string, kind: string): Promise<KindInfo> {
  const lookup = await kube.lookup(apiVersion, kind, signal);
  return lookup.type === 'served' ? lookup.info : assert.fail(JSON.stringify(lookup));
}

/** An observer that runs until the end of the test. */
function observing(through: KubeClient = kube): Observer & AsyncDisposable {
  const stop = new AbortController();
  const observer = createObserver({ kube: through, ports: { clock, random, log: quiet } });
  const ended = observer.run(stop.signal);
  return Object.assign(observer, {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await ended;
    },
  });
}

interface Thing {
  readonly key: ObjectKey;
  readonly path: string;
  readonly live: LiveObject;
  readonly entry: Expectation;
}

const rest = { unit: 'drover/shop', digest: 'sha256:00' };
const unique = (): string => `o-${randomUUID().slice(0, 8)}`;
const configMap = (name: string, data: object = { a: '1', b: '1' }): object => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'default', labels: { 'drover.dev/managed': 'true' }, annotations: { 'drover.dev/unit': 'drover/shop' } },
  data,
});

async function applied(object: object = configMap(unique()), kind: KindInfo = configMaps): Promise<Thing> {
  const ref = refOf(object as LiveObject);
  const { object: live } = await kube.apply(kind, ref, JSON.stringify(object), { fieldManager: 'drover', force: true }, signal);
  const key = keyOf(ref);
  const entry = { key, apiVersion: live.apiVersion, uid: live.metadata.uid, fields: ownedFields(live).hash, ...rest };
  return { key, path: `${MAPS}/${ref.name}`, live, entry };
}

async function changedTo(observer: Observer, key: ObjectKey, test: (seen: Observation) => boolean, withinMs = 5_000): Promise<Observation> {
  const late = AbortSignal.timeout(withinMs);
  for (;;) {
    const seen = observer.observed(key);
    if (seen !== undefined && test(seen)) return seen;
    await observer.changed(late).catch(() => assert.fail(`still ${JSON.stringify(observer.observed(key))}`));
  }
}

const drifted = (seen: Observation): boolean => seen.drifted;
const inSync = (seen: Observation): boolean => seen.presence === 'Present' && !seen.drifted;
const missing = (seen: Observation): boolean => seen.presence === 'Missing';
const sent = (verb: string, path = ''): number =>
  proxy.requests.filter((request) => request.verb === verb && request.path.includes(path)).length;

test('what was applied is found, and what is not there is missing only after a read of its own', async () => {
  await using observer = observing();
  const there = await applied();
  const gone = await applied();
  const intent = { ...gone.entry, key: `${gone.key}-intent`, uid: null, fields: undefined };
  await cluster.kube.delete(gone.path);
  proxy.clearRequests();
  observer.expect([there.entry, gone.entry, intent]);
  assert.equal(observer.synced(), false);
  assert.equal(observer.observed(gone.key)?.presence, 'Unknown');
  await observer.whenSynced(AbortSignal.timeout(5_000));
  assert.deepEqual(observer.observed(there.key)?.health, { health: 'Current', message: '' });
  assert.equal(observer.observed(there.key)?.drifted, false);
  assert.deepEqual([observer.observed(gone.key)?.presence, observer.observed(gone.key)?.drifted], ['Missing', true]);
  assert.deepEqual([observer.observed(intent.key)?.presence, observer.observed(intent.key)?.drifted], ['Missing', false]);
  assert.equal(sent('get', gone.path), 2);
  assert.equal(sent('get', there.path), 0);
  assert.equal(observer.observed('/ConfigMap/default/nobody'), undefined);
});

test('a change by another manager is drift, with path and manager, as soon as the watch tells', async () => {
  await using observer = observing();
  const thing = await applied();
  observer.expect([thing.entry]);
  await observer.whenSynced(AbortSignal.timeout(5_000));
  await cluster.kube.apply(
    thing.path,
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: thing.live.metadata.name }, data: { a: '2' } },
    { manager: 'intruder' },
  );
  // Forced apply makes the intruder the only owner of the field.
  const seen = await changedTo(observer, thing.key, drifted);
  assert.deepEqual(seen.paths, ['/data/a']);
  assert.equal(seen.manager, 'intruder');
  assert.equal(seen.presence, 'Present');
});

test('a change that leaves our fields alone is no drift', async () => {
  await using observer = observing();
  const thing = await applied();
  observer.expect([thing.entry]);
  await observer.whenSynced(AbortSignal.timeout(5_000));
  const { resourceVersion } = thing.live.metadata;
  await cluster.kube.patch(thing.path, { data: { c: 'theirs' }, metadata: { labels: { theirs: 'x' } } });
  await eventually(() => assert.notEqual(observer.observed(thing.key)?.resourceVersion, resourceVersion), 5_000);
  assert.equal(observer.observed(thing.key)?.drifted, false);
});

test('drift from before a restart is seen by the hash in the inventory', async () => {
  const thing = await applied();
  await cluster.kube.patch(thing.path, { data: { a: '2' } });
  await using observer = observing();
  observer.expect([thing.entry]);
  const seen = await changedTo(observer, thing.key, drifted);
  assert.equal(seen.paths, undefined);
  const before = await kube.get(configMaps, refOf(thing.live), signal);
  const { live: after } = await applied(configMap(thing.live.metadata.name));
  const { paths, manager } = driftBetween(before ?? assert.fail(), after);
  assert.deepEqual(paths, ['/data/a']);
  assert.notEqual(manager, undefined);
});

test('a deleted object is missing after one read', async () => {
  await using observer = observing();
  const thing = await applied();
  observer.expect([thing.entry]);
  await observer.whenSynced(AbortSignal.timeout(5_000));
  proxy.clearRequests();
  await cluster.kube.delete(thing.path);
  const seen = await changedTo(observer, thing.key, missing);
  assert.equal(seen.drifted, true);
  assert.equal(seen.health.health, 'NotFound');
  assert.equal(sent('get', thing.path), 1);
});

test('an object that is applied is known at once, and its echo is no change', async () => {
  await using observer = observing();
  const thing = await applied();
  observer.expect([thing.entry]);
  await observer.whenSynced(AbortSignal.timeout(5_000));
  const again = await applied(configMap(thing.live.metadata.name, { b: '1' }));
  const hash = observer.applied(thing.key, again.live, rest);
  assert.equal(hash, again.entry.fields);
  assert.deepEqual([observer.observed(thing.key)?.drifted, observer.observed(thing.key)?.presence], [false, 'Present']);
  const fresh = await applied();
  observer.applied(fresh.key, fresh.live, rest);
  assert.equal(observer.synced(), true);
  await cluster.kube.patch(fresh.path, { data: { a: '2' } });
  assert.deepEqual((await changedTo(observer, fresh.key, drifted)).paths, ['/data/a']);
});

test('R14 an object whose label was stripped still exists and has drifted; mended, it is watched again', async () => {
  await using observer = observing();
  const thing = await applied();
  observer.expect([thing.entry]);
  await observer.whenSynced(AbortSignal.timeout(5_000));
  await cluster.kube.patch(thing.path, { metadata: { labels: { 'drover.dev/managed': null } } });
  const seen = await changedTo(observer, thing.key, drifted);
  assert.equal(seen.presence, 'Present');
  assert.deepEqual(seen.paths, ['/metadata/labels/drover.dev~1managed']);
  const mended = await applied(configMap(thing.live.metadata.name));
  observer.applied(thing.key, mended.live, rest);
  assert.equal(observer.observed(thing.key)?.drifted, false);
  await cluster.kube.delete(thing.path);
  await changedTo(observer, thing.key, missing, 15_000);
});

test('R13 a foreign object with all our labels and annotations is no matter of ours', async () => {
  await using observer = observing();
  const thing = await applied();
  observer.expect([thing.entry]);
  await observer.whenSynced(AbortSignal.timeout(5_000));
  await observer.changed(signal);
  proxy.clearRequests();
  const foreign = unique();
  await cluster.kube.apply(`${MAPS}/${foreign}`, configMap(foreign), { manager: 'operator' });
  await cluster.kube.delete(`${MAPS}/${foreign}`);
  await cluster.kube.patch(thing.path, { data: { a: '2' } });
  const changes = await observer.changed(AbortSignal.timeout(5_000));
  assert.deepEqual([...changes], [thing.key]);
  assert.equal(observer.observed(`/ConfigMap/default/${foreign}`), undefined);
  assert.equal(sent('get'), 0);
});

test('F24 an object made anew under its name has drifted, with its new UID', async () => {
  await using observer = observing();
  const thing = await applied();
  observer.expect([thing.entry]);
  await observer.whenSynced(AbortSignal.timeout(5_000));
  await cluster.kube.delete(thing.path);
  const anew = await applied(configMap(thing.live.metadata.name));
  const seen = await changedTo(observer, thing.key, ({ uid }) => uid === anew.live.metadata.uid);
  assert.equal(seen.drifted, true);
});

test('F23 a broken watch goes on where it was, and tells what was missed', async () => {
  await using observer = observing();
  const thing = await applied();
  observer.expect([thing.entry]);
  await observer.whenSynced(AbortSignal.timeout(5_000));
  await eventually(() => assert.equal(sent('watch'), 1), 5_000);
  proxy.clearRequests();
  proxy.resetConnections();
  await cluster.kube.patch(thing.path, { data: { a: '2' } });
  assert.deepEqual((await changedTo(observer, thing.key, drifted)).paths, ['/data/a']);
  assert.equal(sent('list', 'labelSelector'), 0);
});

test('F23 an expired watch lists anew, and what vanished is confirmed by a read', async () => {
  await using observer = observing();
  const [stays, goes] = [await applied(), await applied()];
  observer.expect([stays.entry, goes.entry]);
  await observer.whenSynced(AbortSignal.timeout(5_000));
  const hidden = proxy.inject({ verb: 'watch', action: { type: 'drop-events' } });
  await cluster.kube.delete(goes.path);
  await eventually(() => assert.equal(hidden.acted, 1), 5_000);
  hidden.release();
  proxy.clearRequests();
  proxy.inject({ verb: 'watch', call: 1, action: { type: 'status', status: 410, reason: 'Expired' } });
  proxy.resetConnections();
  await changedTo(observer, goes.key, missing);
  assert.equal(sent('list', 'labelSelector'), 1);
  assert.equal(sent('get', goes.path), 1);
  assert.equal(sent('get', stays.path), 0);
  assert.equal(observer.observed(stays.key)?.presence, 'Present');
});

test('F23 a lost event is found by a refresh', async () => {
  await using observer = observing();
  const thing = await applied();
  observer.expect([thing.entry]);
  await observer.whenSynced(AbortSignal.timeout(5_000));
  const hidden = proxy.inject({ verb: 'watch', action: { type: 'drop-events' } });
  await cluster.kube.patch(thing.path, { data: { a: '2' } });
  await eventually(() => assert.equal(hidden.acted, 1), 5_000);
  assert.equal(observer.observed(thing.key)?.drifted, false);
  observer.refresh();
  await changedTo(observer, thing.key, drifted);
});

test('F23 a watch that falls silent is opened again', async () => {
  await using impatient = await client({ watchSilenceMs: 400 });
  await using observer = observing(impatient);
  const thing = await applied();
  observer.expect([thing.entry]);
  await observer.whenSynced(AbortSignal.timeout(5_000));
  const stalled = proxy.inject({ verb: 'watch', action: { type: 'drop-events' } });
  await cluster.kube.patch(thing.path, { data: { a: '2' } });
  await eventually(() => assert.ok(stalled.acted >= 1), 5_000);
  stalled.release();
  await changedTo(observer, thing.key, drifted);
});

test('I2 while an object cannot be read it is unknown, not missing', async () => {
  await using observer = observing();
  const thing = await applied();
  observer.expect([thing.entry]);
  await observer.whenSynced(AbortSignal.timeout(5_000));
  const forbidden = proxy.inject({
    verb: 'get',
    path: new RegExp(thing.path),
    action: { type: 'status', status: 403, reason: 'Forbidden' },
  });
  await cluster.kube.delete(thing.path);
  const seen = await changedTo(observer, thing.key, ({ presence }) => presence !== 'Present');
  assert.deepEqual([seen.presence, seen.drifted], ['Unknown', false]);
  assert.equal(observer.synced(), false);
  forbidden.release();
  await changedTo(observer, thing.key, missing);
});

test('I2 R19 while a kind cannot be listed its objects are unknown, not missing', async () => {
  const thing = await applied();
  await cluster.kube.delete(thing.path);
  const down = proxy.inject({ verb: 'list', path: /configmaps/, action: { type: 'status', status: 404 } });
  await using observer = observing();
  observer.expect([thing.entry]);
  await eventually(() => assert.ok(down.acted >= 2), 10_000);
  assert.equal(observer.observed(thing.key)?.presence, 'Unknown');
  assert.equal(observer.observed(thing.key)?.kindAbsent, undefined);
  down.release();
  await changedTo(observer, thing.key, missing);
});

test('F21 R15 a kind whose definition was deleted is absent, its objects not missing, and can be drained', async () => {
  const group = `${unique()}.example.com`;
  const widgets = await installWidgets(group);
  const widget = {
    apiVersion: `${group}/v1`,
    kind: 'Widget',
    metadata: { name: 'w', namespace: 'default', labels: { 'drover.dev/managed': 'true' } },
    spec: { size: 1 },
  };
  const thing = await applied(widget, widgets);
  await using observer = observing();
  observer.expect([thing.entry]);
  await observer.whenSynced(AbortSignal.timeout(5_000));
  const definition = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.${group}`;
  await cluster.kube.delete(definition);
  const seen = await changedTo(observer, thing.key, ({ kindAbsent }) => kindAbsent === true, 20_000);
  assert.deepEqual([seen.presence, seen.drifted], ['Unknown', false]);
  assert.equal(observer.synced(), true, 'nobody waits for a kind that is gone');
  await eventually(async () => assert.equal(await cluster.kube.find(definition), undefined), 20_000);
  await installWidgets(group);
  const anew = await applied(widget, widgets);
  observer.applied(thing.key, anew.live, rest);
  assert.equal(observer.observed(thing.key)?.presence, 'Present');
  await cluster.kube.patch(`/apis/${group}/v1/namespaces/default/widgets/w`, { spec: { size: 2 } });
  assert.deepEqual((await changedTo(observer, thing.key, drifted, 10_000)).paths, ['/spec/size']);
  observer.expect([]);
  assert.equal(observer.observed(thing.key), undefined);
});

test('an idle observer asks for nothing', async () => {
  await using observer = observing();
  const things = await Promise.all(Array.from({ length: 20 }, () => applied()));
  observer.expect(things.map(({ entry }) => entry));
  await observer.whenSynced(AbortSignal.timeout(5_000));
  await eventually(() => assert.equal(sent('watch'), 1), 5_000);
  proxy.clearRequests();
  // A change seen through the watch shows that it lives.
  await cluster.kube.patch(things[0]?.path ?? '', { data: { a: '2' } });
  await changedTo(observer, things[0]?.key ?? '', drifted);
  observer.expect(things.map(({ entry }) => entry));
  assert.deepEqual(proxy.requests, []);
});

test('what is expected later, or no more, is observed, or not', async () => {
  await using observer = observing();
  const [first, second] = [await applied(), await applied()];
  observer.expect([first.entry]);
  await observer.whenSynced(AbortSignal.timeout(5_000));
  observer.expect([first.entry, second.entry]);
  await changedTo(observer, second.key, inSync);
  observer.expect([second.entry]);
  assert.equal(observer.observed(first.key), undefined);
  observer.expect([]);
  await eventually(() => assert.equal(observer.synced(), true), 1_000);
  observer.expect([first.entry]);
  await changedTo(observer, first.key, inSync);
});

test('many changes at once are told in few turns', async () => {
  await using observer = observing();
  const things = await Promise.all(Array.from({ length: 200 }, () => applied()));
  observer.expect(things.map(({ entry }) => entry));
  await observer.whenSynced(AbortSignal.timeout(10_000));
  await observer.changed(signal);
  const late = AbortSignal.timeout(20_000);
  const editing = Promise.all(things.map(({ path }) => cluster.kube.patch(path, { data: { a: '2' } })));
  const seen = new Set<ObjectKey>();
  while (seen.size < things.length)
    for (const key of await observer.changed(late)) if (observer.observed(key)?.drifted === true) seen.add(key);
  await editing;
});

test('waiting for a change ends with its signal and loses nothing', async () => {
  await using observer = observing();
  const thing = await applied();
  observer.expect([thing.entry]);
  await observer.whenSynced(AbortSignal.timeout(5_000));
  await observer.changed(signal);
  const stop = new AbortController();
  const waiting = observer.changed(stop.signal);
  stop.abort(new Error('enough'));
  await assert.rejects(waiting, /enough/);
  await cluster.kube.patch(thing.path, { data: { a: '2' } });
  assert.deepEqual([...(await observer.changed(AbortSignal.timeout(5_000)))], [thing.key]);
});

async function installWidgets(group: string): Promise<KindInfo> {
  await cluster.kube.apply(`/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.${group}`, {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `widgets.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural: 'widgets', kind: 'Widget' },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', properties: { size: { type: 'integer' } } } } },
          },
        },
      ],
    },
  });
  return await eventually(
    async () => {
      const info = await served(`${group}/v1`, 'Widget');
      await kube.list(info, {}, signal);
      return info;
    },
    15_000,
    200,
  );
}
