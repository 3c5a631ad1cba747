import assert from 'node:assert/strict';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { test } from 'node:test';
import type { Facts, Logger, UnitReport } from '@drover/contract';
import { eventually } from '@drover/testbed';
import { issueAgentCertificate, keyDigest } from '../../../hub/src/identity/certificates-adapter.ts';
import { startHub } from '../identity/testdata/hub.ts';
import { clock, random } from '@drover/runtime';
import type { FleetAccess } from './grpc-adapter.ts';
import { openReportStream } from './grpc-adapter.ts';
import { createReporter } from './reporter.ts';

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };
type Hub = Awaited<ReturnType<typeof startHub>>;

const unit = (message: string): UnitReport => ({
  unit: 'drover/shop',
  state: 'Ready',
  since: 1,
  epoch: 1,
  generation: 1,
  wanted: 'hmac:a',
  healthy: true,
  objects: { total: 0, ready: 0 },
  changes: { created: 0, configured: 0, unchanged: 0, deleted: 0 },
  problems: [],
  drift: [],
  blockedOn: [],
  suspended: false,
  mode: 'Enforce',
  message,
});
const facts: Facts = { agentVersion: '0.1.0', kubernetesVersion: 'v1.36.3', apiResources: [] };

/** A cluster with its record, and what its agent would hold. */
async function addCluster(hub: Hub): Promise<{ readonly uid: string; readonly access: FleetAccess }> {
  const uid = randomUUID();
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await hub.store.db
    .insertInto('cluster')
    .values({
      uid,
      name: `c-${uid.slice(0, 8)}`,
      namespace: 'drover',
      accepted: 1,
      labels: '{}',
      mode: 'Enforce',
      sealing_key: '',
      identity_key: keyDigest(publicKey),
      nats_user: null,
      facts: null,
      agent_version: null,
      joined_at: 0,
      last_seen: null,
      online: 0,
      seen_fleet: null,
      seen_epoch: 0,
      seen_generation: 0,
      applied_content: null,
    })
    .execute();
  const certificatePem = await issueAgentCertificate(random, hub.keys.ca, { fleet: hub.keys.fleet, uid, publicKey }, Date.now());
  const privateKeyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { uid, access: { fleetAddress: hub.fleetAddress, caPem: hub.keys.ca.certificatePem, certificatePem, privateKeyPem } };
}

async function startReporter(hub: Hub, cluster: Awaited<ReturnType<typeof addCluster>>, transitions = 0) {
  const reconciled: (string | undefined)[] = [];
  const reporter = createReporter({
    clock,
    random,
    log: silent,
    uid: cluster.uid,
    agentVersion: '0.1.0',
    leaseTransitions: () => transitions,
    open: (handlers) => openReportStream({ ...cluster.access, fleetAddress: hub.fleetAddress }, handlers),
    onReconcile: (name) => reconciled.push(name),
  });
  const ending = new AbortController();
  const running = reporter.run(ending.signal);
  return {
    reporter,
    reconciled,
    async [Symbol.asyncDispose]() {
      ending.abort();
      await running;
    },
  };
}
const messagesOf = (hub: Hub): readonly string[] => hub.batches.flatMap(({ units }) => units.map(({ message }) => message));

test('what an agent reports reaches the hub within a moment, and the hub’s wishes the agent', async () => {
  await using hub = await startHub();
  const cluster = await addCluster(hub);
  await using agent = await startReporter(hub, cluster);
  agent.reporter.setFacts(facts);
  agent.reporter.event({ id: 'e1', time: 1, severity: 'Info', reason: 'Started', message: 'm' });
  agent.reporter.badBlob('00ff');
  const head = { fleet: hub.keys.fleet, epoch: 1, generation: 3, content: 'sha256:c' };
  agent.reporter.publish({ head, units: [unit('one')], left: [{ unit: 'drover/old', done: true, remaining: [] }] });
  await eventually(() => assert.deepEqual(messagesOf(hub), ['one']), 2_000);
  const all = hub.batches;
  assert.deepEqual(
    [new Set(all.map(({ uid }) => uid)), all.at(-1)?.seen, all.flatMap(({ events }) => events.map(({ id }) => id))],
    [new Set([cluster.uid]), head, ['e1']],
  );
  assert.deepEqual(
    all.flatMap(({ left }) => left.map((one) => one.unit)),
    ['drover/old'],
  );
  assert.ok(all.some((batch) => batch.facts?.kubernetesVersion === 'v1.36.3') && all.some(({ badBlobs }) => badBlobs.includes('00ff')));
  assert.equal(hub.collector.reconcileNow(cluster.uid, 'drover/shop'), true);
  await eventually(() => assert.deepEqual(agent.reconciled, ['drover/shop']), 2_000);
});

test('F12 after the hub was away an agent reports again, and what happened meanwhile arrives', async () => {
  await using hub = await startHub();
  const cluster = await addCluster(hub);
  await using agent = await startReporter(hub, cluster);
  agent.reporter.publish({ head: undefined, units: [unit('before')], left: [] });
  await eventually(() => assert.deepEqual(messagesOf(hub), ['before']), 2_000);
  await hub.stop();
  agent.reporter.publish({ head: undefined, units: [unit('meanwhile')], left: [] });
  agent.reporter.event({ id: 'e1', time: 1, severity: 'Info', reason: 'Meanwhile', message: 'm' });
  await hub.start();
  await eventually(() => assert.equal(messagesOf(hub).at(-1), 'meanwhile'), 10_000);
  await eventually(
    () =>
      assert.deepEqual(
        hub.batches.flatMap(({ events }) => events.map(({ id }) => id)),
        ['e1'],
      ),
    2_000,
  );
});

test('a second agent with the same identity and Lease is told that it is a clone, and so is the first', async () => {
  await using hub = await startHub();
  const cluster = await addCluster(hub);
  await using first = await startReporter(hub, cluster);
  first.reporter.publish({ head: undefined, units: [unit('first')], left: [] });
  await eventually(() => assert.deepEqual(messagesOf(hub), ['first']), 2_000);
  await using second = await startReporter(hub, cluster);
  second.reporter.publish({ head: undefined, units: [unit('second')], left: [] });
  await eventually(() => assert.deepEqual([first.reporter.cloned(), second.reporter.cloned()], [true, true]), 5_000);
  assert.ok(!messagesOf(hub).includes('second'));
  await using successor = await startReporter(hub, cluster, 1);
  successor.reporter.publish({ head: undefined, units: [unit('successor')], left: [] });
  await eventually(() => assert.equal(messagesOf(hub).at(-1), 'successor'), 5_000);
});

const ended: readonly { readonly name: string; readonly code: string; readonly access: (own: FleetAccess) => FleetAccess | undefined }[] = [
  { name: 'nobody listens', code: 'HUB_UNREACHABLE', access: (own) => ({ ...own, fleetAddress: '127.0.0.1:1' }) },
  { name: 'the address is none', code: 'HUB_UNREACHABLE', access: (own) => ({ ...own, fleetAddress: 'nowhere.invalid:7444' }) },
  { name: 'the cluster has not joined', code: 'KEY_MISSING', access: () => undefined },
];
for (const { name, code, access } of ended) {
  test(`a stream ends with ${code} when ${name}`, async () => {
    await using hub = await startHub();
    const cluster = await addCluster(hub);
    const error = await new Promise<{ code: string }>((done) =>
      openReportStream(access(cluster.access), { received: () => {}, ended: done }),
    );
    assert.equal(error.code, code);
  });
}

test('a hub that is dialled by its address is checked for that address', async () => {
  await using hub = await startHub();
  const cluster = await addCluster(hub);
  const fleetAddress = hub.fleetAddress.replace('localhost', '127.0.0.1');
  const stream = openReportStream(
    { ...cluster.access, fleetAddress },
    { received: (message) => welcome.resolve(message.type), ended: (error) => welcome.reject(error) },
  );
  const welcome = Promise.withResolvers<string>();
  const checksums = { units: new Map<string, string>() };
  stream.send({ type: 'hello', protocol: 1, agentVersion: '', instance: 'i', leaseTransitions: 0, uid: cluster.uid, checksums });
  assert.equal(await welcome.promise, 'welcome');
  stream.close();
});
