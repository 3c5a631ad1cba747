import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UnitReport } from '@drover/contract';
import type { FastifyInstance } from 'fastify';
import { createApi } from './api.ts';
import { createSuspensionKeeper } from './effects/suspension-keeper.ts';
import { showTarget, readTarget } from './effects/suspend.ts';
import { targetKey } from './queries/suspensions.ts';
import type { EffectView, EventRow, List, ProblemDocument, UnitRow } from './rows.ts';
import { openFixture } from './testdata/open-api.ts';
import type { Fixture } from './testdata/open-api.ts';
import { DECLARED, NOW, UIDS } from './testdata/seed-fleet.ts';

interface Opened extends AsyncDisposable {
  readonly app: FastifyInstance;
  readonly fixture: Fixture;
  post(url: string, body?: object): Promise<{ readonly status: number; readonly view: EffectView & ProblemDocument }>;
  get<T>(url: string): Promise<T>;
}

async function open(...over: Parameters<typeof openFixture>): Promise<Opened> {
  const fixture = await openFixture(...over);
  const app = await createApi(fixture.deps);
  return {
    app,
    fixture,
    async post(url, body) {
      const reply = await app.inject({ method: 'POST', url, ...(body === undefined ? {} : { payload: body }) });
      return { status: reply.statusCode, view: reply.json() };
    },
    get: async <T>(url: string) => (await app.inject(url)).json<T>(),
    async [Symbol.asyncDispose]() {
      await app.close();
      await fixture[Symbol.asyncDispose]();
    },
  };
}

/** What the agents would report: `change` over the last report of every unit. */
async function agentsReport(fixture: Fixture, change: Partial<UnitReport>): Promise<void> {
  for (const row of await fixture.store.db.selectFrom('unit').selectAll().where('report', 'is not', null).execute()) {
    const report = JSON.stringify({ ...(JSON.parse(row.report ?? '{}') as UnitReport), ...change });
    await fixture.store.db
      .updateTable('unit')
      .set({ report })
      .where('delivery', '=', row.delivery)
      .where('cluster', '=', row.cluster)
      .execute();
  }
}

test('a suspended unit is hands off: told to the cluster, shown in its row, kept apart from the file', async () => {
  await using api = await open();
  api.fixture.asked.onRecompose = () => agentsReport(api.fixture, { suspended: true });
  const { status, view } = await api.post('/v1/units/drover/shop/prod-eu/suspend?wait=5s', { message: 'INC-812', for: '2h' });
  assert.equal(status, 200);
  assert.equal(view.done, true);
  assert.deepEqual(api.fixture.asked.calls, [`recompose ${UIDS['prod-eu']}`]);
  const list = await api.get<List<UnitRow>>('/v1/units?suspended=true');
  assert.deepEqual(
    list.items.map((unit) => unit.unit),
    ['shop@prod-eu'],
  );
  const unit = await api.get<{ suspensions: unknown[] }>('/v1/units/drover/shop/prod-eu');
  assert.deepEqual(unit.suspensions, [
    {
      target: 'unit/drover/shop/prod-eu',
      by: 'local',
      message: 'INC-812',
      since: new Date(NOW).toISOString(),
      until: new Date(NOW + 7_200_000).toISOString(),
      origin: 'Api',
    },
  ]);
  const [event] = (await api.get<List<EventRow>>('/v1/events?reason=Suspended')).items;
  assert.deepEqual([event?.unit, event?.actor, event?.message], ['shop@prod-eu', 'local', 'shop@prod-eu is suspended: INC-812']);
});

test('without wait it is taken on at once, and what it waits for is listed', async () => {
  await using api = await open();
  const { status, view } = await api.post('/v1/deliveries/drover/shop/suspend');
  assert.equal(status, 202);
  assert.equal(view.done, false);
  const waiting = view.waitingFor.map((entry) => [entry.subject, entry.message]);
  assert.deepEqual(
    waiting.filter(([subject]) => subject === 'shop@edge-17'),
    [['shop@edge-17', 'its agent is offline: it takes effect when it is back']],
  );
});

test('with wait it is answered when the agents have confirmed it, not before', async () => {
  await using api = await open();
  const answered = api.post('/v1/clusters/prod-eu/suspend?wait=30s');
  let done = false;
  void answered.then(() => (done = true));
  while (api.fixture.asked.calls.length === 0) await new Promise((next) => setImmediate(next));
  assert.equal(done, false);
  await agentsReport(api.fixture, { suspended: true });
  const { status } = await answered;
  assert.equal(status, 200);
});

test('when the time is up it is answered with what it waits for', async () => {
  await using api = await open();
  const { status, view } = await api.post('/v1/clusters/prod-eu/suspend?wait=150ms');
  assert.equal(status, 202);
  assert.deepEqual(
    view.waitingFor.map((entry) => entry.subject),
    ['platform@prod-eu', 'shop@prod-eu'],
  );
});

test('resume lifts the suspension by API alone and says what still suspends', async () => {
  const declared = new Map(
    [...DECLARED].map(([name, spec]) => [name, { ...spec, suspend: true, position: { file: 'drover/clusters.yaml' } }]),
  );
  await using api = await open({}, { declared: () => declared });
  await api.post('/v1/units/drover/shop/prod-eu/suspend');
  const { status, view } = await api.post('/v1/units/drover/shop/prod-eu/resume');
  assert.equal(status, 200);
  assert.equal(view.message, 'shop@prod-eu is still suspended');
  assert.deepEqual(
    view.suspensions.map(({ target, by, origin }) => ({ target, by, origin })),
    [{ target: 'cluster/prod-eu', by: 'drover/clusters.yaml', origin: 'File' }],
  );
});

test('resume of what is not suspended is harmless, and says so', async () => {
  await using api = await open();
  const { status, view } = await api.post('/v1/deliveries/drover/shop/resume');
  assert.deepEqual([status, view.message], [200, 'Delivery shop was not suspended']);
  assert.equal((await api.get<List<EventRow>>('/v1/events?reason=Resumed')).total, 0);
});

test('a suspension ends when its time is up, and the bundles are composed again', async () => {
  await using api = await open();
  await api.post('/v1/clusters/prod-eu/suspend', { for: '1m' });
  await api.post('/v1/deliveries/drover/shop/suspend');
  api.fixture.asked.calls.length = 0;
  const keeper = createSuspensionKeeper(api.fixture.deps);
  await keeper.check();
  assert.deepEqual(api.fixture.asked.calls, []);
  api.fixture.now = NOW + 60_000;
  const units = await api.get<List<UnitRow>>('/v1/units?suspended=true&cluster=prod-eu');
  assert.deepEqual(
    units.items.map((unit) => unit.unit),
    ['shop@prod-eu'],
  );
  await keeper.check();
  assert.deepEqual(api.fixture.asked.calls, [`recompose ${UIDS['prod-eu']}`]);
  assert.equal((await api.get<List<EventRow>>('/v1/events?reason=SuspensionEnded')).total, 1);
});

test('reconcile fetches the source of a Delivery, then has its units verified', async () => {
  await using api = await open();
  const { status, view } = await api.post('/v1/deliveries/drover/shop/reconcile?wait=200ms');
  assert.equal(status, 202);
  assert.deepEqual(api.fixture.asked.calls[0], 'fetch drover/fleet');
  assert.equal(api.fixture.asked.calls.filter((call) => call.endsWith(' drover/shop') && call.startsWith('verify ')).length, 5);
  assert.deepEqual(
    view.waitingFor.map((entry) => entry.subject),
    ['shop@edge-17', 'shop@lab-3'],
  );
});

const reconciled: readonly (readonly [url: string, calls: readonly string[]])[] = [
  ['/v1/sources/GitRepository/drover/fleet', ['fetch drover/fleet']],
  ['/v1/clusters/prod-eu', [`verify ${UIDS['prod-eu']} all`]],
  ['/v1/units/drover/platform/prod-eu', [`verify ${UIDS['prod-eu']} drover/platform`]],
];
for (const [url, calls] of reconciled) {
  test(`reconcile of ${url} is answered when it has taken effect`, async () => {
    await using api = await open();
    const { status } = await api.post(`${url}/reconcile?wait=5s`);
    assert.equal(status, 200);
    assert.deepEqual(api.fixture.asked.calls, calls);
  });
}

test('reconcile of what is suspended is refused, naming who suspended it and why', async () => {
  await using api = await open();
  await api.post('/v1/sources/GitRepository/drover/fleet/suspend', { message: 'INC-9' });
  api.fixture.asked.calls.length = 0;
  const { status, view } = await api.post('/v1/sources/GitRepository/drover/fleet/reconcile');
  assert.equal(status, 409);
  assert.match(view.detail, /local suspended source\/GitRepository\/drover\/fleet \(INC-9\); resume it first/);
  assert.deepEqual(api.fixture.asked.calls, []);
});

test('a failure of the work is told to who waits for it', async () => {
  await using api = await open({}, { verify: () => Promise.reject(new Error('canary')) });
  const { status, view } = await api.post('/v1/clusters/prod-eu/reconcile?wait=5s');
  assert.deepEqual([status, view.code], [500, 'UNEXPECTED']);
});

test('a cluster that waits is accepted, enforced, and told in the log', async () => {
  await using api = await open();
  await api.fixture.store.db.updateTable('cluster').set({ accepted: 0, mode: 'Observe' }).where('name', '=', 'lab-3').execute();
  assert.equal((await api.post('/v1/clusters/lab-3/enforce')).status, 409);
  const accepted = await api.post('/v1/clusters/lab-3/accept?wait=5s');
  assert.deepEqual([accepted.status, accepted.view.message], [200, 'cluster lab-3 is accepted']);
  const enforced = await api.post('/v1/clusters/lab-3/enforce?wait=5s');
  assert.deepEqual([enforced.status, enforced.view.done], [200, true]);
  const row = await api.fixture.store.db
    .selectFrom('cluster')
    .select(['accepted', 'mode'])
    .where('name', '=', 'lab-3')
    .executeTakeFirstOrThrow();
  assert.deepEqual({ ...row }, { accepted: 1, mode: 'Enforce' });
  const events = await api.get<List<EventRow>>('/v1/events?cluster=lab-3');
  assert.deepEqual(
    events.items.map((event) => event.reason),
    ['ClusterEnforced', 'ClusterAccepted'],
  );
});

test('enforce waits for agents that still observe', async () => {
  await using api = await open();
  await agentsReport(api.fixture, { mode: 'Observe' });
  const { status, view } = await api.post('/v1/clusters/prod-eu/enforce?wait=150ms');
  assert.equal(status, 202);
  assert.equal(view.waitingFor.length, 2);
});

test('enforce does not overrule a file', async () => {
  const declared = new Map(
    [...DECLARED].map(([name, spec]) => [name, { ...spec, mode: 'Observe' as const, position: { file: 'drover/clusters.yaml' } }]),
  );
  await using api = await open({}, { declared: () => declared });
  const { status, view } = await api.post('/v1/clusters/prod-eu/enforce');
  assert.equal(status, 409);
  assert.match(view.detail, /drover\/clusters\.yaml says mode: Observe/);
});

test('a cluster that was accepted cannot be rejected; one that waits is forgotten', async () => {
  await using api = await open();
  assert.equal((await api.post('/v1/clusters/prod-eu/reject')).status, 409);
  assert.deepEqual(api.fixture.asked.calls, []);
  await api.fixture.store.db.updateTable('cluster').set({ accepted: 0 }).where('name', '=', 'lab-3').execute();
  assert.equal((await api.post('/v1/clusters/lab-3/reject')).status, 200);
  assert.deepEqual(api.fixture.asked.calls, [`disconnect ${UIDS['lab-3']}`]);
  assert.equal((await api.app.inject('/v1/clusters/lab-3')).statusCode, 404);
});

for (const wait of ['soon', '11m', '-1s', '1e9s']) {
  test(`a wait of ${wait} is refused before anything is done`, async () => {
    await using api = await open();
    const { status } = await api.post(`/v1/clusters/prod-eu/suspend?wait=${wait}`);
    assert.equal(status, 400);
    assert.deepEqual(api.fixture.asked.calls, []);
    assert.equal((await api.fixture.store.db.selectFrom('suspension').selectAll().execute()).length, 0);
  });
}

test('tokens are made, listed without their text, and revoked', async () => {
  await using api = await open();
  const reply = await api.app.inject({
    method: 'POST',
    url: '/v1/tokens',
    payload: { kind: 'join', cluster: 'lab-9', labels: { env: 'lab' }, enforce: true, ttl: '1h' },
  });
  assert.equal(reply.statusCode, 201, reply.body);
  const made = reply.json<{ id: string; token: string; expiresAt: string }>();
  assert.match(made.token, /^drover_[0-9a-f]{12}_[0-9a-f]{40}_c{64}$/);
  assert.equal(made.expiresAt, new Date(NOW + 3_600_000).toISOString());
  const listed = await api.app.inject('/v1/tokens');
  assert.doesNotMatch(listed.body, new RegExp(made.token.split('_')[2] ?? ''));
  assert.equal((await api.app.inject({ method: 'DELETE', url: `/v1/tokens/${made.id}` })).statusCode, 204);
  assert.equal((await api.get<List<{ state: string }>>('/v1/tokens')).items[0]?.state, 'Revoked');
  assert.equal((await api.app.inject({ method: 'DELETE', url: '/v1/tokens/00' })).statusCode, 404);
});

for (const payload of [
  { kind: 'api', name: 'ci', role: 'operator', cluster: 'x' },
  { kind: 'join', role: 'admin' },
  { kind: 'join', labels: { 'a b': 'c' } },
  { kind: 'join', labels: { a: 'b c' } },
  { kind: 'api', name: '', role: 'viewer' },
  { kind: 'join', ttl: 'forever' },
]) {
  test(`a token of ${JSON.stringify(payload)} is refused`, async () => {
    await using api = await open();
    const reply = await api.app.inject({ method: 'POST', url: '/v1/tokens', payload });
    assert.equal(reply.statusCode, 400, reply.body);
  });
}

for (const target of [
  { type: 'unit', namespace: 'drover', delivery: 'shop', cluster: 'prod-eu' },
  { type: 'delivery', namespace: 'drover', delivery: 'shop' },
  { type: 'cluster', cluster: 'prod-eu' },
  { type: 'source', kind: 'GitRepository', namespace: 'drover', name: 'fleet' },
] as const) {
  test(`the key of ${showTarget(target)} is read as it was written`, () => assert.deepEqual(readTarget(targetKey(target)), target));
}
