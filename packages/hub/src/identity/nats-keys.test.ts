import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { agentPermissions, BLOBS_STREAM, blobSubject, HEADS_STREAM, headSubject, inboxPrefix, newsSubject } from '@drover/contract';
import { eventually, tempDir } from '@drover/testbed';
import { createUser } from '@nats-io/nkeys';
import type { NatsConnection } from '@nats-io/transport-node';
import { connect, jwtAuthenticator, PermissionViolationError } from '@nats-io/transport-node';
import { configMap, publishUnit, startFleetNats, startHub, testCluster, testKeys, testPorts } from '../publish/testdata/fleet.ts';
import type { TestCluster, TestKeys } from '../publish/testdata/fleet.ts';
import { startNatsServer } from '../publish/nats-server-adapter.ts';
import { issueServerCertificate, makeAuthority } from './certificates-adapter.ts';
import { pushAccountClaim } from './nats-claims-adapter.ts';
import { accountJwt, agentUserJwt, hubUser, systemUser } from './nats-keys.ts';

const WAIT = 10_000;

interface AgentConnection extends AsyncDisposable {
  readonly connection: NatsConnection;
  readonly user: string;
  /** Subjects that the server refused. */
  readonly violations: Set<string>;
  readonly ended: Promise<void>;
}

async function connectAgent(keys: TestKeys, cluster: TestCluster, url: string, pair = createUser()): Promise<AgentConnection> {
  const jwt = agentUserJwt(keys.nats, { user: pair.getPublicKey(), uid: cluster.uid, name: 'agent' }, Date.now());
  const connection = await connect({
    servers: url,
    authenticator: jwtAuthenticator(jwt, pair.getSeed()),
    inboxPrefix: inboxPrefix(cluster.uid),
    reconnect: false,
  });
  const violations = new Set<string>();
  const ended = (async () => {
    for await (const status of connection.status()) {
      if (status.type === 'error' && status.error instanceof PermissionViolationError) violations.add(status.error.subject);
    }
  })();
  return { connection, user: pair.getPublicKey(), violations, ended, [Symbol.asyncDispose]: () => connection.close() };
}

async function fleetOfTwo(keys: TestKeys, url: string, directory: string) {
  const [a, b] = await Promise.all([1, 2].map(testCluster));
  assert.ok(a !== undefined && b !== undefined);
  const hub = await startHub(keys, url, directory);
  await publishUnit(keys, hub, a, [configMap('a', 'canary-of-a')]);
  await publishUnit(keys, hub, b, [configMap('b', 'canary-of-b')]);
  await eventually(() => assert.equal(hub.publisher.pending().heads, 0), WAIT);
  return { a, b, hub };
}

test('an agent reads its own head, blobs by name and its own news', async () => {
  const keys = testKeys();
  await using nats = await startFleetNats(keys);
  await using temp = await tempDir();
  const { a, hub } = await fleetOfTwo(keys, nats.url, temp.path);
  await using _ = hub;
  await using agent = await connectAgent(keys, a, nats.url);
  const head = await agent.connection.request(`$JS.API.DIRECT.GET.${HEADS_STREAM}.${headSubject(a.uid)}`);
  assert.ok(head.data.length > 100);
  const [{ name } = { name: '' }] = await hub.store.db.selectFrom('blob').select('name').execute();
  const blob = await agent.connection.request(`$JS.API.DIRECT.GET.${BLOBS_STREAM}.${blobSubject(name)}`);
  assert.ok(blob.data.length > 0);
  const news = agent.connection.subscribe(newsSubject(a.uid), { max: 1 });
  await agent.connection.flush();
  await publishUnit(keys, hub, a, [configMap('a', 'new')]);
  for await (const message of news) assert.ok(message.data.length > 100);
  assert.deepEqual([...agent.violations], []);
});

test('T1 a compromised agent reads nothing of other clusters', async () => {
  const keys = testKeys();
  await using nats = await startFleetNats(keys);
  await using temp = await tempDir();
  const { a, b, hub } = await fleetOfTwo(keys, nats.url, temp.path);
  await using _ = hub;
  await using agent = await connectAgent(keys, a, nats.url);
  const { connection, violations } = agent;
  const heard: string[] = [];
  const listen = [
    '>',
    '_INBOX.>',
    '*.>',
    newsSubject('*'),
    newsSubject('>'),
    newsSubject(b.uid),
    headSubject('>'),
    blobSubject('>'),
    `${inboxPrefix(b.uid)}.>`,
    '_INBOX_hub.>',
    '$JS.>',
    '$SYS.>',
  ];
  for (const subject of listen) {
    connection.subscribe(subject, { callback: (error, message) => void (error === null && heard.push(message.subject)) });
    connection.subscribe(subject, { queue: 'q', callback: (error, message) => void (error === null && heard.push(message.subject)) });
  }
  await connection.flush();
  await publishUnit(keys, hub, b, [configMap('b', 'more')]);
  await eventually(() => assert.equal(hub.publisher.pending().heads, 0), WAIT);
  for (const subject of listen) assert.ok(violations.has(subject), subject);
  const ask: readonly (readonly [string, object?])[] = [
    [`$JS.API.DIRECT.GET.${HEADS_STREAM}.${headSubject(b.uid)}`],
    [`$JS.API.DIRECT.GET.${HEADS_STREAM}.${headSubject('*')}`],
    [`$JS.API.DIRECT.GET.${HEADS_STREAM}.>`],
    [`$JS.API.DIRECT.GET.${HEADS_STREAM}`, { last_by_subj: headSubject(b.uid) }],
    [`$JS.API.DIRECT.GET.${BLOBS_STREAM}`, { seq: 1 }],
    [`$JS.API.STREAM.MSG.GET.${HEADS_STREAM}`, { last_by_subj: headSubject(b.uid) }],
    [`$JS.API.STREAM.INFO.${HEADS_STREAM}`, {}],
    ['$JS.API.STREAM.LIST', {}],
    ['$JS.API.STREAM.NAMES', {}],
    ['$JS.API.INFO', {}],
    [`$JS.API.CONSUMER.CREATE.${HEADS_STREAM}`, { stream_name: HEADS_STREAM, config: {} }],
  ];
  for (const [subject, body] of ask) {
    await assert.rejects(connection.request(subject, body === undefined ? '' : JSON.stringify(body), { timeout: 2000 }), subject);
    assert.ok(violations.has(subject), subject);
  }
  assert.deepEqual(heard, []);
  for (const subject of [blobSubject('>'), blobSubject('*')]) {
    const taken = await connection.request(`$JS.API.DIRECT.GET.${BLOBS_STREAM}.${subject}`).then(
      ({ data }) => Buffer.from(data).toString('latin1'),
      () => '',
    );
    assert.doesNotMatch(taken, /canary|ConfigMap|drover\.unit/);
  }
});

test('T2 a compromised agent changes nothing on the broker', async () => {
  const keys = testKeys();
  await using nats = await startFleetNats(keys);
  await using temp = await tempDir();
  const { a, b, hub } = await fleetOfTwo(keys, nats.url, temp.path);
  await using _ = hub;
  await using agent = await connectAgent(keys, a, nats.url);
  const verbs = [
    'CREATE',
    'UPDATE',
    'DELETE',
    'PURGE',
    'INFO',
    'RESTORE',
    'SNAPSHOT',
    'MSG.GET',
    'MSG.DELETE',
    'LEADER.STEPDOWN',
    'PEER.REMOVE',
  ];
  const subjects = [HEADS_STREAM, BLOBS_STREAM, 'OWN', '*'].flatMap((stream) => [
    ...verbs.map((verb) => `$JS.API.STREAM.${verb}.${stream}`),
    ...['CREATE', 'DURABLE.CREATE', 'DELETE', 'INFO', 'LIST', 'NAMES', 'MSG.NEXT', 'PAUSE', 'RESET', 'UNPIN'].map(
      (verb) => `$JS.API.CONSUMER.${verb}.${stream}.c`,
    ),
    `$JS.ACK.${stream}.c.1.1.1.1.1`,
    `$JS.FC.${stream}.c.x`,
    `$JS.SNAPSHOT.RESTORE.${stream}.x`,
  ]);
  subjects.push(
    headSubject(a.uid),
    headSubject(b.uid),
    newsSubject(a.uid),
    newsSubject(b.uid),
    blobSubject('0'.repeat(64)),
    `${inboxPrefix(b.uid)}.x`,
    '_INBOX_hub.x',
  );
  subjects.push(
    '$JS.API.ACCOUNT.PURGE.A',
    '$JS.API.SERVER.REMOVE',
    '$JS.API.META.LEADER.STEPDOWN',
    '$SYS.REQ.CLAIMS.UPDATE',
    '$SYS.REQ.CLAIMS.DELETE',
    '$SYS.REQ.SERVER.PING',
    'x',
  );
  for (let index = subjects.length; index < 200; index++) subjects.push(`drover.${index}.${a.uid}`);
  const before = await hub.store.db.selectFrom('head').select(['cluster', 'envelope']).execute();
  for (const subject of subjects) agent.connection.publish(subject, '{}');
  await agent.connection.flush();
  await eventually(() => {
    for (const subject of subjects) assert.ok(agent.violations.has(subject), subject);
  }, WAIT);
  await using other = await connectAgent(keys, b, nats.url);
  for (const [connection, { uid }] of [
    [agent.connection, a],
    [other.connection, b],
  ] as const) {
    const { data } = await connection.request(`$JS.API.DIRECT.GET.${HEADS_STREAM}.${headSubject(uid)}`);
    assert.deepEqual(Buffer.from(data), Buffer.from(before.find(({ cluster }) => cluster === uid)?.envelope ?? []));
  }
});

test('T5 a revoked agent is disconnected within 5 s and stays out, the others stay in', async () => {
  const keys = testKeys();
  await using nats = await startFleetNats(keys);
  const [a, b] = await Promise.all([1, 2].map(testCluster));
  assert.ok(a !== undefined && b !== undefined);
  const pair = createUser();
  await using agent = await connectAgent(keys, a, nats.url, pair);
  await using other = await connectAgent(keys, b, nats.url);
  const now = Date.now();
  const { random, log } = testPorts('/');
  const claim = accountJwt(keys.nats, [{ user: agent.user, at: now }], now + 1000);
  const signal = AbortSignal.timeout(WAIT);
  await pushAccountClaim({ address: { urls: [nats.url] }, user: () => systemUser(keys.nats, now), random, log }, claim, signal);
  const cut = performance.now();
  await agent.ended;
  assert.ok(performance.now() - cut < 5000);
  const jwt = agentUserJwt(keys.nats, { user: agent.user, uid: a.uid, name: 'a' }, now);
  await assert.rejects(connect({ servers: nats.url, authenticator: jwtAuthenticator(jwt, pair.getSeed()), reconnect: false }));
  await other.connection.flush();
  await nats.stop('SIGKILL');
  await nats.start();
  await assert.rejects(connect({ servers: nats.url, authenticator: jwtAuthenticator(jwt, pair.getSeed()), reconnect: false }));
});

test('without a user nobody connects, nor with a user of another fleet', async () => {
  const keys = testKeys();
  await using nats = await startFleetNats(keys);
  await assert.rejects(connect({ servers: nats.url, reconnect: false }));
  const stranger = hubUser(testKeys().nats, Date.now());
  const authenticator = jwtAuthenticator(stranger.jwt, new TextEncoder().encode(stranger.seed));
  await assert.rejects(connect({ servers: nats.url, authenticator, reconnect: false }));
});

test('T3 with TLS nobody talks in the clear, and the server is verified against the CA', async () => {
  const keys = testKeys();
  await using temp = await tempDir();
  const ports = testPorts(temp.path);
  const now = Date.now();
  const authority = await makeAuthority(ports.random, keys.fleet, now);
  const other = await makeAuthority(ports.random, keys.fleet, now);
  const issued = await issueServerCertificate(ports.random, authority, ['localhost', '127.0.0.1'], now);
  const tls = { certificateFile: join(temp.path, 'server.pem'), keyFile: join(temp.path, 'server.key') };
  await writeFile(tls.certificateFile, issued.certificatePem);
  await writeFile(tls.keyFile, issued.privateKeyPem, { mode: 0o600 });
  await using nats = await startNatsServer(
    {
      environment: process.env,
      conf: { keys: keys.nats, host: '127.0.0.1', port: 0, tls, maxFileStoreBytes: 1e8 },
      directory: join(temp.path, 'nats'),
      accountJwt: async () => accountJwt(keys.nats, [], now),
      ...ports,
    },
    AbortSignal.timeout(WAIT),
  );
  const { jwt, seed } = hubUser(keys.nats, now);
  const authenticator = jwtAuthenticator(jwt, new TextEncoder().encode(seed));
  const servers = `tls://127.0.0.1:${nats.port}`;
  const connection = await connect({
    servers,
    authenticator,
    tls: { ca: authority.certificatePem },
    inboxPrefix: '_INBOX_hub',
    reconnect: false,
  });
  await connection.flush();
  await connection.close();
  await assert.rejects(connect({ servers, authenticator, tls: { ca: other.certificatePem }, reconnect: false }));
});

test('the permissions of an agent are those of the contract', () => {
  const { publish, subscribe } = agentPermissions('u');
  assert.deepEqual([publish.length, subscribe.length], [2, 2]);
});
