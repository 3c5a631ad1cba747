import 'reflect-metadata';
import assert from 'node:assert/strict';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import type { Socket } from 'node:net';
import { connect } from 'node:tls';
import { test } from 'node:test';
import type { ClientDuplexStream, ServiceError } from '@grpc/grpc-js';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import type { AgentMessage, Checksums, Facts, HubMessage, Logger, UnitReport } from '@drover/contract';
import { DroverError, reportChecksum } from '@drover/contract';
import type { Up } from '@drover/contract/wire';
import { Down, EnrolmentClient, FleetClient, fromDown, fromServiceError, toJoin, toUp } from '@drover/contract/wire';
import { eventually } from '@drover/testbed';
import { issueAgentCertificate, keyDigest, makeAuthority } from '#identity/certificates-adapter.ts';
import { createEnrolment } from '#identity/enrol.ts';
import { makeNatsKeys } from '#identity/nats-keys.ts';
import type { FleetKeys } from '#identity/types.ts';
import { openSqlite } from '#state/sqlite-adapter.ts';
import { openStore } from '#state/store.ts';
import { clock, random } from '@drover/runtime';
import { startCollector } from './collector.ts';
import type { AgentBatch } from './types.ts';

const fleet = randomUUID();
const authority = await makeAuthority(random, fleet, Date.now());
const keys: FleetKeys = {
  fleet,
  secret: random.bytes(32),
  headKeys: [],
  ca: { ...authority, keyDigest: keyDigest(authority.privateKey) },
  nats: makeNatsKeys(Date.now()),
};

async function startHub(
  options: { readonly onBatch?: (batches: AgentBatch[]) => Promise<void>; readonly checksums?: () => Promise<Checksums> } = {},
) {
  const logged: { readonly fields: object; readonly message: string }[] = [];
  const write = (fields: object, message: string): void => void logged.push({ fields, message });
  const log: Logger = { debug() {}, info() {}, warn: write, error: write, child: () => log };
  const store = await openStore({ dialect: openSqlite(':memory:').dialect, now: () => Date.now() });
  const batches: AgentBatch[][] = [];
  const turns: string[] = [];
  const collector = await startCollector({
    store,
    keys,
    clock,
    random,
    log,
    enrolment: createEnrolment({
      store,
      keys,
      clock,
      random,
      log,
      addresses: () => ({ natsUrls: [], fleetAddress: 'unused' }),
      onJoined: () => {},
    }),
    listen: { host: '127.0.0.1', enrolmentPort: 0, fleetPort: 0 },
    publicHosts: [],
    onBatch: async (list) => {
      await options.onBatch?.(list);
      batches.push(list);
    },
    onOnline: (uid) => turns.push(`+${uid}`),
    onOffline: (uid) => turns.push(`-${uid}`),
    onCloned: (uid) => turns.push(`!${uid}`),
    ...(options.checksums === undefined ? {} : { checksums: options.checksums }),
  });

  async function addCluster(uid: string = randomUUID(), lifeMs = 0) {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const row = { uid, name: `c-${uid.slice(0, 8)}`, namespace: 'drover', labels: '{}', mode: 'Enforce', sealing_key: '' };
    const rest = {
      identity_key: keyDigest(publicKey),
      nats_user: null,
      facts: null,
      agent_version: null,
      joined_at: 0,
      last_seen: null,
      online: 0,
    };
    const seen = { accepted: 1, seen_fleet: null, seen_epoch: 0, seen_generation: 0, applied_content: null };
    await store.db
      .insertInto('cluster')
      .values({ ...row, ...rest, ...seen })
      .execute();
    const certificate = await issueAgentCertificate(random, authority, { fleet, uid, publicKey }, Date.now() + lifeMs);
    return { uid, certificate, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
  }
  return {
    collector,
    store,
    batches,
    turns,
    logged,
    addCluster,
    address: `localhost:${collector.fleetPort}`,
    async [Symbol.asyncDispose]() {
      await collector[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    },
  };
}
type Hub = Awaited<ReturnType<typeof startHub>>;
type Cluster = Awaited<ReturnType<Hub['addCluster']>>;

function tls(cluster: Pick<Cluster, 'certificate' | 'key'>) {
  return credentials.createSsl(Buffer.from(authority.certificatePem), Buffer.from(cluster.key), Buffer.from(cluster.certificate));
}

/** An agent's stream, as raw as the transport gives it. */
function openStream(hub: Hub, cluster: Cluster) {
  const client = new FleetClient(hub.address, tls(cluster), { 'grpc.use_local_subchannel_pool': 1 });
  const call: ClientDuplexStream<Up, Down> = client.report();
  const received: HubMessage[] = [];
  let ended: DroverError | 'ended' | undefined;
  call.on('data', (down: Down) => {
    const message = fromDown(down);
    if (message !== undefined) received.push(message);
  });
  call.on('error', (error: ServiceError) => (ended ??= fromServiceError(error, 'hub')));
  call.on('end', () => (ended ??= 'ended'));
  return {
    call,
    received,
    send: (message: AgentMessage) => void call.write(toUp(message)),
    got: (type: HubMessage['type']) =>
      eventually(() => {
        const found = received.find((message) => message.type === type);
        assert.ok(found !== undefined, `no ${type} among ${JSON.stringify(received)}; ended: ${String(ended)}`);
        return found;
      }, 5_000),
    closed: () =>
      eventually(() => {
        assert.ok(ended !== undefined, 'still open');
        return ended;
      }, 5_000),
    codeAtEnd: async () => {
      const end = await eventually(() => {
        assert.ok(ended instanceof DroverError, `not refused: ${String(ended)}`);
        return ended;
      }, 5_000);
      return end.code;
    },
    [Symbol.dispose]: () => {
      call.cancel();
      client.close();
    },
  };
}

function hello(uid: string, more: Partial<Extract<AgentMessage, { type: 'hello' }>> = {}): AgentMessage {
  const none = { units: new Map<string, string>() };
  return { type: 'hello', protocol: 1, agentVersion: '0.1.0', instance: randomUUID(), leaseTransitions: 0, uid, checksums: none, ...more };
}

function unitReport(unit: string, message = ''): UnitReport {
  return {
    unit,
    state: 'Ready',
    since: 1,
    epoch: 1,
    generation: 1,
    wanted: 'hmac:a',
    applied: 'hmac:a',
    healthy: true,
    objects: { total: 1, ready: 1 },
    changes: { created: 1, configured: 0, unchanged: 0, deleted: 0 },
    problems: [],
    drift: [],
    blockedOn: [],
    suspended: false,
    mode: 'Enforce',
    message,
  };
}

function report(seq: number, units: readonly UnitReport[] = [], facts?: Facts): AgentMessage {
  return { type: 'report', seq, units, left: [], events: [], badBlobs: [], ...(facts === undefined ? {} : { facts }) };
}

test('a report is acknowledged after its commit, and comes with the identity of the certificate', async () => {
  const commit = Promise.withResolvers<void>();
  await using hub = await startHub({
    onBatch: (list) => (list.some((batch) => batch.units.length > 0) ? commit.promise : Promise.resolve()),
  });
  const cluster = await hub.addCluster();
  using stream = openStream(hub, cluster);
  stream.send(hello(cluster.uid));
  assert.deepEqual(await stream.got('welcome'), { type: 'welcome', protocol: 1, accepted: true });
  assert.deepEqual([...hub.collector.online()], [cluster.uid]);
  stream.send(report(1, [unitReport('drover/shop')]));
  stream.send(report(2));
  await eventually(() => assert.equal(hub.batches.length, 1), 2_000);
  assert.equal(stream.received.filter(({ type }) => type === 'ack').length, 0);
  commit.resolve();
  await eventually(() => assert.deepEqual(stream.received.at(-1), { type: 'ack', seq: 2 }), 2_000);
  const batch = hub.batches.flat().find(({ units }) => units.length > 0);
  assert.deepEqual([batch?.uid, batch?.units], [cluster.uid, [unitReport('drover/shop')]]);
});

test('reports that come together are committed together, at most one call at a time', async () => {
  let inside = 0;
  let most = 0;
  await using hub = await startHub({
    onBatch: async () => {
      most = Math.max(most, ++inside);
      await new Promise((done) => setImmediate(done));
      inside--;
    },
  });
  const clusters = await Promise.all(Array.from({ length: 10 }, () => hub.addCluster()));
  using stack = new DisposableStack();
  for (const cluster of clusters) {
    const stream = stack.use(openStream(hub, cluster));
    stream.send(hello(cluster.uid));
    for (let seq = 1; seq <= 3; seq++) stream.send(report(seq));
  }
  await eventually(() => assert.equal(hub.batches.flat().length, 40), 5_000);
  assert.equal(most, 1);
  assert.ok(hub.batches.length < 20, `${hub.batches.length} calls`);
});

test('after a reconnect the hub asks for the units and facts that differ, and for no others', async () => {
  const same = unitReport('drover/same');
  const facts: Facts = { agentVersion: '0.1.0', kubernetesVersion: 'v1.36.3', apiResources: [] };
  const units = new Map([
    ['drover/same', reportChecksum(same)],
    ['drover/old', 'before'],
  ]);
  await using hub = await startHub({ checksums: async () => ({ units, facts: reportChecksum(facts) }) });
  const cluster = await hub.addCluster();
  using stream = openStream(hub, cluster);
  const theirs = new Map([
    ['drover/same', reportChecksum(same)],
    ['drover/old', 'after'],
    ['drover/new', 'x'],
  ]);
  stream.send(hello(cluster.uid, { checksums: { units: theirs, facts: reportChecksum(facts) } }));
  assert.deepEqual(await stream.got('resync'), { type: 'resync', units: ['drover/old', 'drover/new'], facts: false });
});

test('reconcile-now reaches the agent whose stream is open', async () => {
  await using hub = await startHub();
  const cluster = await hub.addCluster();
  assert.equal(hub.collector.reconcileNow(cluster.uid), false);
  using stream = openStream(hub, cluster);
  stream.send(hello(cluster.uid));
  await stream.got('welcome');
  assert.equal(hub.collector.reconcileNow(cluster.uid, 'drover/shop'), true);
  assert.deepEqual(await stream.got('reconcile'), { type: 'reconcile', unit: 'drover/shop' });
});

test('B42 a payload that names another cluster counts for the one of the certificate', async () => {
  await using hub = await startHub();
  const [own, other] = await Promise.all([hub.addCluster(), hub.addCluster()]);
  using stream = openStream(hub, own);
  stream.send(hello(other.uid));
  stream.send(report(1, [unitReport('drover/shop')]));
  await stream.got('ack');
  assert.deepEqual(new Set(hub.batches.flat().map(({ uid }) => uid)), new Set([own.uid]));
  assert.ok(hub.logged.some(({ fields }) => 'claimed' in fields && fields.claimed === other.uid));
});

test('a second live stream of one identity is refused, and the first is told', async () => {
  await using hub = await startHub();
  const cluster = await hub.addCluster();
  using first = openStream(hub, cluster);
  first.send(hello(cluster.uid, { leaseTransitions: 3 }));
  await first.got('welcome');
  using second = openStream(hub, cluster);
  second.send(hello(cluster.uid, { leaseTransitions: 3 }));
  assert.equal(await second.codeAtEnd(), 'CLUSTER_CLONED');
  assert.equal((await first.got('notice')).type, 'notice');
  first.send(report(1));
  await first.got('ack');
  assert.deepEqual(hub.turns, [`+${cluster.uid}`, `!${cluster.uid}`]);
});

test('the successor by Lease replaces the older stream without a moment offline', async () => {
  await using hub = await startHub();
  const cluster = await hub.addCluster();
  using first = openStream(hub, cluster);
  first.send(hello(cluster.uid, { leaseTransitions: 3 }));
  await first.got('welcome');
  using second = openStream(hub, cluster);
  second.send(hello(cluster.uid, { leaseTransitions: 4 }));
  await second.got('welcome');
  assert.equal(await first.codeAtEnd(), 'LEASE_LOST');
  assert.deepEqual(hub.turns, [`+${cluster.uid}`]);
});

test('an agent that comes back before its old stream was noticed dead replaces it', async () => {
  await using hub = await startHub();
  const cluster = await hub.addCluster();
  const instance = randomUUID();
  using first = openStream(hub, cluster);
  first.send(hello(cluster.uid, { instance }));
  await first.got('welcome');
  using second = openStream(hub, cluster);
  second.send(hello(cluster.uid, { instance }));
  await second.got('welcome');
  assert.deepEqual(hub.turns, [`+${cluster.uid}`]);
});

test('a stream that ends makes its cluster offline', async () => {
  await using hub = await startHub();
  const cluster = await hub.addCluster();
  {
    using stream = openStream(hub, cluster);
    stream.send(hello(cluster.uid));
    await stream.got('welcome');
  }
  await eventually(() => assert.deepEqual(hub.turns, [`+${cluster.uid}`, `-${cluster.uid}`]), 5_000);
  assert.equal(hub.collector.online().size, 0);
});

test('F7 a cluster that the hub forgot, or whose key was replaced, is told CLUSTER_UNKNOWN', async () => {
  await using hub = await startHub();
  const cluster = await hub.addCluster();
  using stream = openStream(hub, cluster);
  stream.send(hello(cluster.uid));
  await stream.got('welcome');
  await hub.store.db.updateTable('cluster').set({ identity_key: 'other' }).execute();
  hub.collector.disconnect(cluster.uid);
  assert.equal(await stream.codeAtEnd(), 'CLUSTER_UNKNOWN');
  using again = openStream(hub, cluster);
  assert.equal(await again.codeAtEnd(), 'CLUSTER_UNKNOWN');
  await hub.store.db.deleteFrom('cluster').execute();
  using forgotten = openStream(hub, cluster);
  assert.equal(await forgotten.codeAtEnd(), 'CLUSTER_UNKNOWN');
});

test('T18 without a certificate of this fleet, or with one that has expired, no handler runs', async () => {
  await using hub = await startHub();
  const cluster = await hub.addCluster();
  const stranger = await makeAuthority(random, fleet, Date.now());
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const foreign = await issueAgentCertificate(random, stranger, { fleet, uid: cluster.uid, publicKey }, Date.now());
  const expired = await hub.addCluster(undefined, -48 * 3_600_000);
  const ca = Buffer.from(authority.certificatePem);
  const tries = [
    credentials.createSsl(ca),
    tls({ certificate: foreign, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }),
    tls(expired),
  ];
  for (const channel of tries) {
    const client = new FleetClient(hub.address, channel, { 'grpc.use_local_subchannel_pool': 1 });
    const call = client.report();
    call.on('data', () => {});
    const [error] = (await once(call, 'error')) as [ServiceError];
    assert.equal(fromServiceError(error, 'hub').code, 'HUB_UNREACHABLE');
    client.close();
  }
  assert.deepEqual(hub.logged, []);
});

const beforeHello: readonly { readonly name: string; readonly messages: (uid: string) => readonly AgentMessage[] }[] = [
  { name: 'a report before the hello', messages: () => [report(1)] },
  { name: 'two hellos', messages: (uid) => [hello(uid), hello(uid)] },
  { name: 'a gap in the numbers', messages: (uid) => [hello(uid), report(2)] },
  { name: 'a protocol too old', messages: (uid) => [hello(uid, { protocol: 0 })] },
  { name: 'a unit that is none', messages: (uid) => [hello(uid), report(1, [unitReport('no unit')])] },
];
for (const { name, messages } of beforeHello) {
  test(`B41 a stream with ${name} is closed`, async () => {
    await using hub = await startHub();
    const cluster = await hub.addCluster();
    using stream = openStream(hub, cluster);
    for (const message of messages(cluster.uid)) stream.send(message);
    assert.equal(await stream.codeAtEnd(), 'MESSAGE_REFUSED');
  });
}

test('B41 an oversized message closes that stream, and the others live', async () => {
  await using hub = await startHub();
  const [good, bad] = await Promise.all([hub.addCluster(), hub.addCluster()]);
  using stream = openStream(hub, good);
  stream.send(hello(good.uid));
  await stream.got('welcome');
  using other = openStream(hub, bad);
  other.send(hello(bad.uid));
  other.send(report(1, [unitReport('drover/shop', 'x'.repeat(2 * 1024 * 1024))]));
  assert.equal(await other.codeAtEnd(), 'HUB_UNREACHABLE');
  stream.send(report(1));
  await stream.got('ack');
});

/** Bytes that are no messages, on a stream of their own. */
async function sendRaw(hub: Hub, cluster: Cluster, payload: Buffer): Promise<DroverError> {
  const client = new Client(hub.address, tls(cluster), { 'grpc.use_local_subchannel_pool': 1 });
  const call = client.makeBidiStreamRequest(
    '/drover.agent.v1.Fleet/Report',
    (bytes: Buffer) => bytes,
    (bytes: Buffer) => Down.decode(bytes),
    new Metadata(),
  );
  call.on('data', () => {});
  call.write(payload);
  const [error] = (await once(call, 'error')) as [ServiceError];
  client.close();
  return fromServiceError(error, 'hub');
}

test('B41 T18 bytes that cannot be decoded close their stream with a constant text', async () => {
  await using hub = await startHub();
  const [good, bad] = await Promise.all([hub.addCluster(), hub.addCluster()]);
  using stream = openStream(hub, good);
  stream.send(hello(good.uid));
  await stream.got('welcome');
  const payloads = [
    Buffer.from('0affffffffffffffffff', 'hex'),
    Buffer.from('canary that is no message'),
    Buffer.from([0x0a, 0x05, 0x01]),
    // A string that is no UTF-8.
    Buffer.from([0x0a, 0x04, 0x12, 0x02, 0xff, 0xfe]),
  ];
  for (const payload of payloads) {
    const error = await sendRaw(hub, bad, payload);
    assert.equal(error.code, 'MESSAGE_REFUSED', payload.toString('hex'));
    assert.ok(!error.message.includes('canary'));
  }
  stream.send(report(1));
  await stream.got('ack');
});

/** Frames below gRPC: HTTP/2 with an agent's certificate. */
async function sendFrames(hub: Hub, cluster: Cluster, headers: Record<string, string>, body: Buffer): Promise<number | undefined> {
  const session = connectHttp2(`https://${hub.address}`, { ca: authority.certificatePem, cert: cluster.certificate, key: cluster.key });
  session.on('error', () => {});
  const stream = session.request({ ':method': 'POST', ':path': '/drover.agent.v1.Fleet/Report', te: 'trailers', ...headers });
  stream.on('error', () => {});
  let status: number | undefined;
  stream.on('response', (response) => (status = response[':status']));
  stream.resume();
  stream.end(body);
  await once(stream, 'close');
  session.destroy();
  return status;
}

test('B41 T18 malformed frames and invalid starts of streams do not end the hub', async () => {
  await using hub = await startHub();
  const [good, bad] = await Promise.all([hub.addCluster(), hub.addCluster()]);
  using stream = openStream(hub, good);
  stream.send(hello(good.uid));
  await stream.got('welcome');
  const grpc = { 'content-type': 'application/grpc' };
  const frames: readonly (readonly [Record<string, string>, Buffer])[] = [
    // Compressed, without an encoding; with one and with bytes that are not.
    [grpc, Buffer.from([1, 0, 0, 0, 2, 0xde, 0xad])],
    [{ ...grpc, 'grpc-encoding': 'gzip' }, Buffer.from([1, 0, 0, 0, 4, 0xde, 0xad, 0xbe, 0xef])],
    [{ ...grpc, 'grpc-encoding': 'deflate' }, Buffer.from([1, 0, 0, 0, 4, 0xde, 0xad, 0xbe, 0xef])],
    [{ ...grpc, 'grpc-encoding': 'unknown' }, Buffer.from([1, 0, 0, 0, 1, 0])],
    // A length that never comes, and one beyond any limit.
    [grpc, Buffer.from([0, 0, 0, 1, 0, 1])],
    [grpc, Buffer.from([0, 0xff, 0xff, 0xff, 0xff])],
    [{ 'content-type': 'text/plain' }, Buffer.from('hello')],
    [{ ...grpc, ':path': '/drover.agent.v1.Fleet/Nothing' }, Buffer.alloc(0)],
    [{ ...grpc, ':path': '/' }, Buffer.alloc(0)],
    [{ ...grpc, 'grpc-timeout': 'x' }, Buffer.alloc(0)],
  ];
  for (const [headers, body] of frames) await sendFrames(hub, bad, headers, body);
  const socket = connect({
    port: hub.collector.fleetPort,
    host: 'localhost',
    ca: authority.certificatePem,
    cert: bad.certificate,
    key: bad.key,
    ALPNProtocols: ['h2'],
  });
  await once(socket, 'secureConnect');
  socket.on('error', () => {});
  socket.end('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense that is no frame');
  await closed(socket);
  stream.send(report(1));
  await stream.got('ack');
  assert.deepEqual([...hub.collector.online()], [good.uid]);
});

async function closed(socket: Socket): Promise<void> {
  socket.resume();
  if (!socket.closed) await once(socket, 'close');
}

test('T18 the text of what a handler throws does not reach the peer', async () => {
  await using hub = await startHub({
    checksums: async () => {
      throw new Error('canary');
    },
  });
  const cluster = await hub.addCluster();
  using stream = openStream(hub, cluster);
  stream.send(hello(cluster.uid));
  const end = await stream.closed();
  assert.ok(end instanceof DroverError && end.code === 'UNEXPECTED' && !end.message.includes('canary'));
});

test('a report that cannot be committed closes its own stream and holds up nobody', async () => {
  await using hub = await startHub({
    onBatch: async (list) => {
      if (list.some(({ units }) => units.some(({ message }) => message === 'poison'))) throw new DroverError('STORE_FAILED', 'store', 'no');
    },
  });
  const [good, bad] = await Promise.all([hub.addCluster(), hub.addCluster()]);
  using first = openStream(hub, good);
  using second = openStream(hub, bad);
  first.send(hello(good.uid));
  second.send(hello(bad.uid));
  await Promise.all([first.got('welcome'), second.got('welcome')]);
  second.send(report(1, [unitReport('drover/shop', 'poison')]));
  first.send(report(1));
  await first.got('ack');
  assert.equal(await second.codeAtEnd(), 'STORE_FAILED');
});

test('I11 an agent that floods is read no faster than its reports are committed', async () => {
  const commit = Promise.withResolvers<void>();
  await using hub = await startHub({ onBatch: () => commit.promise });
  const cluster = await hub.addCluster();
  using stream = openStream(hub, cluster);
  stream.send(hello(cluster.uid));
  await stream.got('welcome');
  const big = unitReport('drover/shop', 'x'.repeat(500_000));
  for (let seq = 1; seq <= 100; seq++) stream.send(report(seq, [big]));
  await eventually(() => assert.ok(stream.call.writableLength > 50), 2_000);
  commit.resolve();
  await eventually(() => assert.deepEqual(stream.received.at(-1), { type: 'ack', seq: 100 }), 10_000);
  assert.equal(hub.batches.flat().length, 101);
});

test('a cluster joins over TLS, and refusals keep their code', async () => {
  await using hub = await startHub();
  const client = new EnrolmentClient(
    `localhost:${hub.collector.enrolmentPort}`,
    credentials.createSsl(Buffer.from(authority.certificatePem)),
  );
  const request = { token: 'drover_x', csr: new Uint8Array(0), sealingKey: '', uid: '', natsUser: '' };
  const error = await new Promise<ServiceError | null>((done) => void client.join(toJoin(request), (refusal) => done(refusal)));
  assert.ok(error !== null);
  assert.equal(fromServiceError(error, 'hub').code, 'TOKEN_INVALID');
  client.close();
});
