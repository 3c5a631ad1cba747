import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, test } from 'node:test';
import type { Clock, Credentials, JoinRequest, Logger } from '@drover/contract';
import { DroverError } from '@drover/contract';
import { eventually, startCluster } from '@drover/testbed';
import { createSecretStore } from '#inventory/secrets.ts';
import { kubeconfigCredentials } from '#kube/credentials-adapter.ts';
import { createKubeClient } from '#kube/kube-client-adapter.ts';
import { clock, random } from '@drover/runtime';
import { createEnrolmentPort } from './enrolment-adapter.ts';
import type { Identity, IdentityDeps } from './identity.ts';
import { openIdentity } from './identity.ts';
import { createKeyMaker } from './keys-adapter.ts';
import { readClusterUid } from './cluster-uid.ts';
import { startHub } from './testdata/hub.ts';
import type { EnrolmentPort } from './types.ts';

const HOUR = 3_600_000;
const never = new AbortController().signal;
const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };
const cluster = await startCluster({ name: 'identity' });
const kube = createKubeClient({
  credentials: await kubeconfigCredentials({ path: cluster.kubeconfig, clock }),
  clock,
  random,
  log: silent,
});
after(async () => {
  await kube[Symbol.asyncDispose]();
  await cluster[Symbol.asyncDispose]();
});
const uid = await readClusterUid(kube, never);
const SECRET = '/api/v1/namespaces/drover-system/secrets/drover-identity';

async function forget(): Promise<void> {
  await cluster.kube.request('DELETE', SECRET).catch(() => undefined);
}

type Hub = Awaited<ReturnType<typeof startHub>>;

/** The real ports, except for what a test replaces. */
function depsOf(hub: Pick<Hub, 'url'> | undefined, change: Partial<IdentityDeps> = {}): IdentityDeps {
  return {
    secrets: createSecretStore({ kube, effect: (_point, run) => run() }),
    clock,
    random,
    log: silent,
    maker: createKeyMaker(random),
    enrolment: createEnrolmentPort(),
    uid,
    ...(hub === undefined ? {} : { hub: hub.url }),
    seen: async () => undefined,
    facts: async () => undefined,
    ...change,
  };
}

/** Runs an identity until the end of the scope. */
async function running(deps: IdentityDeps) {
  const ending = new AbortController();
  const identity = await openIdentity(deps, ending.signal);
  const run = identity.run(ending.signal);
  run.catch(() => undefined);
  return {
    identity,
    run,
    async [Symbol.asyncDispose]() {
      ending.abort();
      await run.catch(() => undefined);
    },
  };
}

const stored = async (): Promise<{
  readonly uid: string;
  readonly membership?: { readonly name: string; readonly certificatePem: string };
}> => {
  const secret = await kube.get(
    { group: '', version: 'v1', kind: 'Secret', resource: 'secrets', namespaced: true },
    { group: '', kind: 'Secret', namespace: 'drover-system', name: 'drover-identity' },
    never,
  );
  const data = (secret as { readonly data?: Readonly<Record<string, string>> } | undefined)?.data;
  return JSON.parse(Buffer.from(data?.['identity.json'] ?? '', 'base64').toString());
};

test('an agent joins with its token, and a restart needs neither token nor hub', async () => {
  await forget();
  let first: Identity;
  {
    await using hub = await startHub();
    const facts = { agentVersion: '0.1.0', kubernetesVersion: 'v1.36.3', apiResources: [] };
    const seen = { fleet: hub.keys.fleet, epoch: 1, generation: 5, content: 'sha256:c' };
    await using agent = await running(
      depsOf(hub, { token: await hub.token({ cluster: 'prod-eu' }), facts: async () => facts, seen: async () => seen }),
    );
    first = agent.identity;
    const membership = await agent.identity.joined(never);
    assert.deepEqual(
      [membership.name, membership.fleet, membership.fleetAddress, membership.headKeys, membership.accepted],
      ['prod-eu', hub.keys.fleet, hub.fleetAddress, hub.headKeys, true],
    );
    const row = await hub.store.db.selectFrom('cluster').selectAll().executeTakeFirstOrThrow();
    assert.deepEqual(
      [row.uid, row.seen_generation, row.agent_version, row.sealing_key, row.nats_user],
      [uid, 5, '0.1.0', first.keys.sealing.publicKey, first.keys.natsUser],
    );
    await eventually(async () => assert.equal((await stored()).membership?.name, 'prod-eu'), 5_000);
  }
  await using again = await running(depsOf(undefined));
  assert.deepEqual(again.identity.keys, first.keys);
  assert.equal((await again.identity.joined(never)).name, 'prod-eu');
});

test('the keys are stored before anybody hears of them, so that a join whose reply was lost is repeated with them', async () => {
  await forget();
  await using hub = await startHub();
  const token = await hub.token({ cluster: 'prod-eu' });
  const real = createEnrolmentPort();
  const requests: JoinRequest[] = [];
  const losing: EnrolmentPort = {
    ...real,
    async join(address, caPem, request, signal) {
      requests.push(request);
      assert.equal((await stored()).uid, uid);
      await real.join(address, caPem, request, signal);
      throw new DroverError('HUB_UNREACHABLE', 'hub', 'the reply was lost');
    },
  };
  {
    await using agent = await running(depsOf(hub, { token, enrolment: losing }));
    await eventually(() => assert.equal(requests.length, 1), 5_000);
    assert.equal(agent.identity.membership, undefined);
  }
  await using agent = await running(depsOf(hub, { token }));
  assert.equal((await agent.identity.joined(never)).name, 'prod-eu');
  assert.equal(agent.identity.keys.sealing.publicKey, requests[0]?.sealingKey);
});

test('F3 an agent with an empty disk is the same cluster: all of its identity is in the cluster', async () => {
  await forget();
  await using hub = await startHub();
  const token = await hub.token({ cluster: 'prod-eu' });
  {
    await using agent = await running(depsOf(hub, { token }));
    await agent.identity.joined(never);
    await eventually(async () => assert.equal((await stored()).membership?.name, 'prod-eu'), 5_000);
  }
  await using agent = await running(depsOf(hub, { token }));
  await agent.identity.joined(never);
  assert.equal(hub.joins.length, 1);
});

test('R9 an agent whose Secret is gone gets the record it had, by a new token for its cluster', async () => {
  await forget();
  await using hub = await startHub();
  {
    await using agent = await running(depsOf(hub, { token: await hub.token({ cluster: 'prod-eu', enforce: true }) }));
    await agent.identity.joined(never);
  }
  await forget();
  await using refused = await running(depsOf(hub, { token: await hub.token({ cluster: 'prod-us' }) }));
  await assert.rejects(refused.run, { code: 'JOIN_REFUSED' });
  await forget();
  await using agent = await running(depsOf(hub, { token: await hub.token({ cluster: 'prod-eu' }) }));
  assert.equal((await agent.identity.joined(never)).name, 'prod-eu');
  const rows = await hub.store.db.selectFrom('cluster').selectAll().execute();
  assert.deepEqual(
    rows.map(({ name, mode }) => [name, mode]),
    [['prod-eu', 'Enforce']],
  );
});

test('a Secret that was copied from another cluster is nobody’s', async () => {
  await forget();
  await using hub = await startHub();
  const elsewhere = '00000000-0000-4000-8000-000000000000';
  await using copied = await running(depsOf(hub, { uid: elsewhere, token: await hub.token({ cluster: 'other' }) }));
  await copied.identity.joined(never);
  await eventually(async () => assert.equal((await stored()).membership?.name, 'other'), 5_000);
  await using agent = await running(depsOf(hub, { token: await hub.token({ cluster: 'prod-eu' }) }));
  assert.equal((await agent.identity.joined(never)).name, 'prod-eu');
  assert.notEqual(agent.identity.keys.natsUser, copied.identity.keys.natsUser);
});

test('two agents that start together in one cluster share one identity', async () => {
  await forget();
  await using hub = await startHub();
  const token = await hub.token({ cluster: 'prod-eu' });
  const [one, two] = await Promise.all([running(depsOf(hub, { token })), running(depsOf(hub, { token }))]);
  await using _one = one;
  await using _two = two;
  await Promise.all([one.identity.joined(never), two.identity.joined(never)]);
  assert.deepEqual(one.identity.keys, two.identity.keys);
});

test('an agent waits for a hub that is not there yet', async () => {
  await forget();
  await using hub = await startHub();
  const token = await hub.token({ cluster: 'prod-eu' });
  await hub.stop();
  const warned: string[] = [];
  const log: Logger = { ...silent, warn: (_fields, message) => void warned.push(message), child: () => log };
  await using agent = await running(depsOf(hub, { token, log }));
  await eventually(() => assert.ok(warned.length > 0), 5_000);
  await hub.start();
  assert.equal((await agent.identity.joined(never)).name, 'prod-eu');
});

const refusals: readonly { readonly name: string; readonly code: string; readonly change: (hub: Hub) => Promise<Partial<IdentityDeps>> }[] =
  [
    { name: 'without a token', code: 'KEY_MISSING', change: async () => ({}) },
    { name: 'without a hub', code: 'USAGE', change: async (hub) => ({ token: await hub.token(), hub: undefined }) },
    {
      name: 'with a token of another hub',
      code: 'HUB_UNTRUSTED',
      change: async () => {
        await using other = await startHub();
        return { token: await other.token() };
      },
    },
    {
      name: 'with a token that has expired',
      code: 'TOKEN_INVALID',
      change: async (hub) => {
        const token = await hub.token();
        await hub.store.db.updateTable('token').set({ expires_at: 1 }).execute();
        return { token };
      },
    },
  ];
for (const { name, code, change } of refusals) {
  test(`a cluster that never joined cannot join ${name}, and is told why`, async () => {
    await forget();
    await using hub = await startHub();
    await using agent = await running(depsOf(hub, await change(hub)));
    await assert.rejects(agent.run, { code });
  });
}

test('a text that is no token is refused at once', async () => {
  await using hub = await startHub();
  await assert.rejects(openIdentity(depsOf(hub, { token: 'drover_x' }), never), { code: 'TOKEN_INVALID' });
});

/** A clock whose hours pass as fast as they are slept. */
function fastClock() {
  let shift = 0;
  let sleeps = 0;
  const fast: Clock = {
    now: () => Date.now() + shift,
    monotonic: () => performance.now() + shift,
    sleep: (ms, signal) => {
      sleeps++;
      return clock.sleep(Math.min(ms, 20), signal);
    },
  };
  return {
    clock: fast,
    pass: (ms: number) => void (shift += ms),
    /** Until the program has looked around after what happened before. */
    async looked() {
      const before = sleeps;
      await eventually(() => assert.ok(sleeps > before + 2), 10_000);
    },
  };
}

async function joinedAgent(hub: Hub, change: Partial<IdentityDeps> = {}) {
  await forget();
  const time = fastClock();
  const renewals: Credentials[] = [];
  const agent = await running(depsOf(hub, { token: await hub.token({ cluster: 'prod-eu' }), clock: time.clock, ...change }));
  agent.identity.onRenewed((membership) => renewals.push(membership));
  const joined = await agent.identity.joined(never);
  renewals.length = 0;
  return { ...agent, ...time, renewals, joined };
}

test('a certificate is renewed at two thirds of its life, for the same key, and stored', async () => {
  await using hub = await startHub();
  await using agent = await joinedAgent(hub);
  agent.pass(15 * HOUR);
  await agent.looked();
  assert.equal(agent.renewals.length, 0);
  agent.pass(2 * HOUR);
  await eventually(() => assert.equal(agent.renewals.length, 1), 5_000);
  const [before, now] = [new X509Certificate(agent.joined.certificatePem), new X509Certificate(agent.renewals[0]?.certificatePem ?? '')];
  assert.notEqual(now.serialNumber, before.serialNumber);
  assert.deepEqual(now.publicKey.export({ type: 'spki', format: 'der' }), before.publicKey.export({ type: 'spki', format: 'der' }));
  await eventually(async () => assert.equal((await stored()).membership?.certificatePem, agent.renewals[0]?.certificatePem), 5_000);
});

test('F36 with the hub away the identity stays as it is, and is renewed when it comes back, also after expiry', async () => {
  await using hub = await startHub();
  await using agent = await joinedAgent(hub);
  await hub.stop();
  agent.pass(100 * HOUR);
  await agent.looked();
  assert.equal(agent.identity.membership?.certificatePem, agent.joined.certificatePem);
  await hub.start();
  await eventually(() => assert.ok(agent.renewals.length > 0), 5_000);
});

test('F7 an agent that the hub forgot keeps its identity, and asks again', async () => {
  await using hub = await startHub();
  await using agent = await joinedAgent(hub);
  const [row] = await hub.store.db.selectFrom('cluster').selectAll().execute();
  assert.ok(row !== undefined);
  await hub.store.db.deleteFrom('cluster').execute();
  agent.pass(20 * HOUR);
  await agent.looked();
  assert.equal(agent.identity.membership?.name, 'prod-eu');
  await hub.store.db.insertInto('cluster').values(row).execute();
  await eventually(() => assert.ok(agent.renewals.length > 0), 5_000);
});

test('an agent that the hub forgot joins again when it was given a new token', async () => {
  await using hub = await startHub();
  {
    await using agent = await joinedAgent(hub);
    await eventually(async () => assert.equal((await stored()).membership?.name, 'prod-eu'), 5_000);
    assert.equal(agent.renewals.length, 0);
  }
  await hub.store.db.deleteFrom('cluster').execute();
  const time = fastClock();
  time.pass(20 * HOUR);
  await using agent = await running(depsOf(hub, { token: await hub.token({ cluster: 'prod-eu' }), clock: time.clock }));
  await eventually(async () => assert.equal((await hub.store.db.selectFrom('cluster').selectAll().execute()).length, 1), 5_000);
  assert.equal(agent.identity.membership?.name, 'prod-eu');
});

test('a token of another hub moves the cluster to it', async () => {
  await using old = await startHub();
  {
    await using _agent = await joinedAgent(old);
    await eventually(async () => assert.equal((await stored()).membership?.name, 'prod-eu'), 5_000);
  }
  await using hub = await startHub();
  await using agent = await running(depsOf(hub, { token: await hub.token({ cluster: 'moved' }) }));
  await eventually(() => assert.equal(agent.identity.membership?.name, 'moved'), 5_000);
  assert.equal(agent.identity.membership?.fleet, hub.keys.fleet);
});
