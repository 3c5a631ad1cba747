import 'reflect-metadata';
import assert from 'node:assert/strict';
import type { webcrypto } from 'node:crypto';
import { KeyObject, randomUUID, sign, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { createUser } from '@nats-io/nkeys';
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509';
import type { Credentials, JoinRequest, Logger } from '@drover/contract';
import { makeSealingKey, parseJoinToken, renewalBytes, writeJoinToken } from '@drover/contract';
import { openSqlite } from '#state/sqlite-adapter.ts';
import { openStore } from '#state/store.ts';
import { random } from '@drover/runtime';
import { keyDigest, makeAuthority, RENEW_GRACE_MS } from './certificates-adapter.ts';
import type { Joined } from './enrol.ts';
import { createEnrolment } from './enrol.ts';
import { makeNatsKeys } from './nats-keys.ts';
import type { NewJoinToken } from './tokens.ts';
import { createJoinToken, revokeToken } from './tokens.ts';
import type { FleetKeys } from './types.ts';

const DAY = 24 * 3_600_000;
const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };
const fleet = randomUUID();
const ca = await makeAuthority(random, fleet, Date.now());
const keys: FleetKeys = {
  fleet,
  secret: random.bytes(32),
  headKeys: [],
  ca: { ...ca, keyDigest: keyDigest(ca.privateKey) },
  nats: makeNatsKeys(Date.now()),
};

interface Agent {
  readonly uid: string;
  readonly privateKey: KeyObject;
  readonly csr: Uint8Array;
  readonly sealingKey: string;
  readonly natsUser: string;
}

async function newAgent(uid: string = randomUUID()): Promise<Agent> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const pair = (await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
  const csr = await Pkcs10CertificateRequestGenerator.create({ name: `CN=${uid}`, keys: pair, signingAlgorithm: algorithm });
  return {
    uid,
    privateKey: KeyObject.from(pair.privateKey),
    csr: new Uint8Array(csr.rawData),
    sealingKey: (await makeSealingKey()).publicKey,
    natsUser: createUser().getPublicKey(),
  };
}

async function setup() {
  let now = Date.now();
  const clock = { now: () => now, monotonic: () => now, sleep: async () => {} };
  const store = await openStore({ dialect: openSqlite(':memory:').dialect, now: () => now });
  const joined: Joined[] = [];
  const enrolment = createEnrolment({
    store,
    keys,
    clock,
    random,
    log: silent,
    addresses: () => ({ natsUrls: ['tls://hub:4222'], fleetAddress: 'hub:7444' }),
    onJoined: (entry) => joined.push(entry),
  });
  const deps = { store, clock, random };
  return {
    enrolment,
    store,
    joined,
    deps,
    later: (ms: number) => void (now += ms),
    now: () => now,
    token: async (wish: NewJoinToken = {}) => (await createJoinToken(deps, keys, wish)).token,
    join: (agent: Agent, token: string, more: Partial<JoinRequest> = {}) =>
      enrolment.join(
        { token, csr: agent.csr, sealingKey: agent.sealingKey, uid: agent.uid, natsUser: agent.natsUser, ...more },
        '10.0.0.1',
      ),
    renew: (agent: Agent, credentials: Credentials, change: { readonly signer?: KeyObject; readonly der?: Uint8Array } = {}) => {
      const certificate = change.der ?? new X509Certificate(credentials.certificatePem).raw;
      const signature = sign('sha256', renewalBytes(certificate, now), change.signer ?? agent.privateKey);
      return enrolment.renew({ certificate, signature, time: now }, '10.0.0.1');
    },
    cluster: (uid: string) => store.db.selectFrom('cluster').selectAll().where('uid', '=', uid).executeTakeFirst(),
    reasons: async () => (await store.db.selectFrom('event').select('reason').execute()).map(({ reason }) => reason),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

test('a one-use token for a named cluster accepts by itself, with its labels and mode', async () => {
  await using hub = await setup();
  const agent = await newAgent();
  const token = await hub.token({ cluster: 'prod-eu', labels: { env: 'prod' }, enforce: true });
  const facts = { agentVersion: '0.1.0', kubernetesVersion: 'v1.36.3', apiResources: [] };
  const credentials = await hub.join(agent, token, { facts, seen: { fleet, epoch: 1, generation: 7, content: 'sha256:x' } });
  assert.deepEqual(
    [credentials.name, credentials.fleet, credentials.accepted, credentials.fleetAddress, credentials.natsUrls],
    ['prod-eu', fleet, true, 'hub:7444', ['tls://hub:4222']],
  );
  const certificate = new X509Certificate(credentials.certificatePem);
  assert.ok(certificate.checkPrivateKey(agent.privateKey));
  assert.equal(certificate.subjectAltName, `URI:drover://${fleet}/cluster/${agent.uid}`);
  const row = await hub.cluster(agent.uid);
  assert.deepEqual(
    [row?.name, row?.accepted, row?.labels, row?.mode, row?.seen_generation, row?.agent_version, row?.nats_user],
    ['prod-eu', 1, '{"env":"prod"}', 'Enforce', 7, '0.1.0', agent.natsUser],
  );
  assert.deepEqual(hub.joined, [{ uid: agent.uid, name: 'prod-eu', accepted: true }]);
});

test('what joins by a multi-use token waits to be accepted, in mode Observe', async () => {
  await using hub = await setup();
  const token = await hub.token({ maxUses: 2 });
  const [first, second, third] = await Promise.all([newAgent(), newAgent(), newAgent()]);
  const one = await hub.join(first, token, { name: 'edge-1' });
  const two = await hub.join(second, token);
  assert.deepEqual([one.name, one.accepted, two.name, two.accepted], ['edge-1', false, `cluster-${second.uid.slice(0, 8)}`, false]);
  assert.deepEqual([(await hub.cluster(first.uid))?.accepted, (await hub.cluster(first.uid))?.mode], [0, 'Observe']);
  await assert.rejects(hub.join(third, token), { code: 'TOKEN_INVALID' });
});

test('the name that an agent proposes does not count against its token', async () => {
  await using hub = await setup();
  assert.equal((await hub.join(await newAgent(), await hub.token({ cluster: 'lab' }), { name: 'prod-eu' })).name, 'lab');
});

test('T4 a used, expired, revoked, foreign or invented token is refused', async () => {
  await using hub = await setup();
  const used = await hub.token();
  await hub.join(await newAgent(), used);
  const expired = await hub.token({ ttlMs: 1000 });
  const revoked = await hub.token();
  await revokeToken(hub.deps, parseJoinToken(revoked).id);
  const foreign = writeJoinToken({ ...parseJoinToken(await hub.token()), caDigest: 'cd'.repeat(32) });
  const invented = writeJoinToken({ ...parseJoinToken(await hub.token()), secret: '0'.repeat(40) });
  hub.later(1000);
  for (const token of [used, expired, revoked, foreign, invented, 'drover_x', '']) {
    await assert.rejects(hub.join(await newAgent(), token), (error: Error & { code: string }) => {
      assert.equal(error.code, 'TOKEN_INVALID', token);
      assert.ok(token === '' || !error.message.includes(token));
      return true;
    });
    hub.later(60_000);
  }
});

test('a join whose reply was lost is answered again, with the same key', async () => {
  await using hub = await setup();
  const agent = await newAgent();
  const token = await hub.token({ cluster: 'prod-eu' });
  await hub.join(agent, token);
  const again = await hub.join(agent, token);
  assert.equal(again.name, 'prod-eu');
  assert.equal((await hub.store.db.selectFrom('token').selectAll().executeTakeFirstOrThrow()).uses, 1);
});

test('B45 a second cluster cannot join under a name that is taken', async () => {
  await using hub = await setup();
  const first = await newAgent();
  await hub.join(first, await hub.token({ cluster: 'prod-eu' }));
  const second = await newAgent();
  await assert.rejects(hub.join(second, await hub.token({ cluster: 'prod-eu' })), { code: 'JOIN_REFUSED' });
  await assert.rejects(hub.join(second, await hub.token(), { name: 'prod-eu' }), { code: 'JOIN_REFUSED' });
  assert.equal(await hub.cluster(second.uid), undefined);
  assert.equal((await hub.cluster(first.uid))?.name, 'prod-eu');
});

test('B45 a known kube-system UID joins with a new key only by a token for that very cluster', async () => {
  await using hub = await setup();
  const first = await newAgent();
  await hub.join(first, await hub.token({ cluster: 'prod-eu', enforce: true, labels: { env: 'prod' } }));
  const other = await newAgent(first.uid);
  await assert.rejects(hub.join(other, await hub.token()), { code: 'JOIN_REFUSED' });
  await assert.rejects(hub.join(other, await hub.token({ cluster: 'prod-us' })), { code: 'JOIN_REFUSED' });
  assert.equal((await hub.cluster(first.uid))?.nats_user, first.natsUser);
});

test('B45 a renamed cluster stays the one its UID names', async () => {
  await using hub = await setup();
  const agent = await newAgent();
  const credentials = await hub.join(agent, await hub.token({ cluster: 'old-name' }));
  await hub.store.write((tx) => tx.updateTable('cluster').set({ name: 'new-name' }).where('uid', '=', agent.uid).execute());
  assert.equal((await hub.renew(agent, credentials)).name, 'new-name');
  assert.equal((await hub.store.db.selectFrom('cluster').selectAll().execute()).length, 1);
});

test('R9 F3 an agent that lost its secret gets the record it had, and the old key ends', async () => {
  await using hub = await setup();
  const first = await newAgent();
  const old = await hub.join(first, await hub.token({ cluster: 'prod-eu', enforce: true, labels: { env: 'prod' } }));
  const again = await newAgent(first.uid);
  const credentials = await hub.join(again, await hub.token({ cluster: 'prod-eu' }));
  assert.equal(credentials.accepted, true);
  const row = await hub.cluster(first.uid);
  assert.deepEqual(
    [row?.labels, row?.mode, row?.sealing_key, row?.nats_user],
    ['{"env":"prod"}', 'Enforce', again.sealingKey, again.natsUser],
  );
  assert.deepEqual(hub.joined.at(-1), { uid: first.uid, name: 'prod-eu', accepted: true, replaced: { natsUser: first.natsUser } });
  assert.ok((await hub.reasons()).includes('ClusterRejoined'));
  await assert.rejects(hub.renew(first, old), { code: 'CLUSTER_UNKNOWN' });
  await hub.renew(again, credentials);
});

test('a renewal gives a new certificate for the same key and cluster', async () => {
  await using hub = await setup();
  const agent = await newAgent();
  const credentials = await hub.join(agent, await hub.token({ cluster: 'prod-eu' }));
  hub.later(16 * 3_600_000);
  const renewed = await hub.renew(agent, credentials);
  const certificate = new X509Certificate(renewed.certificatePem);
  assert.ok(certificate.checkPrivateKey(agent.privateKey));
  assert.equal(certificate.subjectAltName, `URI:drover://${fleet}/cluster/${agent.uid}`);
  assert.ok(certificate.validToDate.getTime() > hub.now() + 23 * 3_600_000);
});

test('F36 a certificate that has expired is renewed within the grace, and not after it', async () => {
  await using hub = await setup();
  const agent = await newAgent();
  const credentials = await hub.join(agent, await hub.token({ cluster: 'prod-eu' }));
  hub.later(DAY + RENEW_GRACE_MS - 60_000);
  await hub.renew(agent, credentials);
  hub.later(120_000);
  await assert.rejects(hub.renew(agent, credentials), { code: 'IDENTITY_EXPIRED' });
});

test('T4 a renewal is refused that is signed by another key, or names another cluster', async () => {
  await using hub = await setup();
  const [agent, other] = await Promise.all([newAgent(), newAgent()]);
  const credentials = await hub.join(agent, await hub.token({ cluster: 'a' }));
  const others = await hub.join(other, await hub.token({ cluster: 'b' }));
  await assert.rejects(hub.renew(agent, credentials, { signer: other.privateKey }), { code: 'JOIN_REFUSED' });
  await assert.rejects(hub.renew(agent, others), { code: 'JOIN_REFUSED' });
  await assert.rejects(hub.renew(agent, credentials, { der: Buffer.from('x') }), { code: 'CLUSTER_UNKNOWN' });
});

test('F7 a cluster that the hub has forgotten is told so', async () => {
  await using hub = await setup();
  const agent = await newAgent();
  const credentials = await hub.join(agent, await hub.token({ cluster: 'prod-eu' }));
  await hub.store.write((tx) => tx.deleteFrom('cluster').execute());
  await assert.rejects(hub.renew(agent, credentials), { code: 'CLUSTER_UNKNOWN' });
});

const shapes: readonly { readonly name: string; readonly change: Partial<JoinRequest> }[] = [
  { name: 'a UID that is none', change: { uid: 'drover.head.>' } },
  { name: 'a short sealing key', change: { sealingKey: 'AAAA' } },
  { name: 'a NATS key of another kind', change: { natsUser: 'AABBCC' } },
  { name: 'a request without signature', change: { csr: Buffer.from('x') } },
  { name: 'a name that is none', change: { name: '../../x' } },
];
for (const { name, change } of shapes) {
  test(`T4 a join with ${name} is refused and uses nothing up`, async () => {
    await using hub = await setup();
    const token = await hub.token();
    await assert.rejects(hub.join(await newAgent(), token, change), { code: 'JOIN_REFUSED' });
    assert.equal((await hub.join(await newAgent(), token)).accepted, false);
  });
}

test('T4 guessing ends after some tries, and another address goes on', async () => {
  await using hub = await setup();
  const agent = await newAgent();
  const outcomes = new Set<string>();
  for (let count = 0; count < 30; count++) {
    await hub.join(agent, 'drover_x').catch((error: { code: string }) => outcomes.add(error.code));
  }
  assert.deepEqual([...outcomes], ['TOKEN_INVALID', 'RATE_LIMITED']);
  const { csr, sealingKey, uid, natsUser } = agent;
  await hub.enrolment.join({ token: await hub.token(), csr, sealingKey, uid, natsUser }, '10.0.0.2');
});
