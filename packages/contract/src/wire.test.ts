import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DroverError } from './errors.ts';
import type { Facts, UnitReport } from './report.ts';
import type { AgentMessage, HubMessage } from './stream.ts';
import { reportChecksum } from './stream.ts';
import { Down, fromDown, fromJoin, fromServiceError, fromUp, toDown, toJoin, toServiceError, toUp, Up } from './wire.ts';

const unit: UnitReport = {
  unit: 'drover/shop',
  state: 'NotReady',
  since: 1_795_000_000_123,
  epoch: 1,
  generation: 42,
  wanted: 'hmac:aa',
  applied: 'hmac:bb',
  healthy: false,
  objects: { total: 14, ready: 13 },
  changes: { created: 1, configured: 2, unchanged: 10, deleted: 1 },
  problems: [{ key: 'apps/Deployment/shop/web', health: 'InProgress', message: '1 of 3 pods unavailable' }],
  drift: [{ key: '/ConfigMap/shop/web', kind: 'Differs', paths: ['/data/a'], manager: 'kubectl-edit', message: 'changed', at: 5 }],
  lastUndone: { key: '/ConfigMap/shop/web', kind: 'Missing', paths: [], message: 'was gone', at: 4 },
  blockedOn: [{ kind: 'Dependency', message: 'waits for platform', since: 3, until: 9, by: 'alice' }],
  suspended: true,
  mode: 'Observe',
  message: 'Deployment shop/web: 1 of 3 pods unavailable',
};
const bare: UnitReport = {
  unit: 'team-a/empty',
  state: 'Ready',
  since: 0,
  epoch: 0,
  generation: 0,
  wanted: 'hmac:cc',
  healthy: true,
  objects: { total: 0, ready: 0 },
  changes: { created: 0, configured: 0, unchanged: 0, deleted: 0 },
  problems: [{ key: '/Secret/a/b', health: 'NotFound', code: 'KUBE_FORBIDDEN', message: 'may not' }],
  drift: [],
  blockedOn: [{ kind: 'Error', message: 'x', since: 1 }],
  suspended: false,
  mode: 'Enforce',
  message: '',
};
const facts: Facts = {
  agentVersion: '0.1.0',
  kubernetesVersion: 'v1.36.3',
  apiResources: [{ group: 'apps', version: 'v1', kind: 'Deployment', namespaced: true }],
};
const seen = { fleet: 'f', epoch: 1, generation: 41, content: 'sha256:aa' };

const ups: readonly { readonly name: string; readonly message: AgentMessage }[] = [
  {
    name: 'a hello with checksums',
    message: {
      type: 'hello',
      protocol: 1,
      agentVersion: '0.1.0',
      instance: 'i',
      leaseTransitions: 3,
      uid: 'u',
      seen,
      checksums: { units: new Map([['drover/shop', 'abc']]), facts: 'def' },
    },
  },
  {
    name: 'a hello of a fresh agent',
    message: { type: 'hello', protocol: 1, agentVersion: '', instance: '', leaseTransitions: 0, uid: '', checksums: { units: new Map() } },
  },
  {
    name: 'a full report',
    message: {
      type: 'report',
      seq: 7,
      seen,
      facts,
      units: [unit, bare],
      left: [{ unit: 'drover/old', done: false, remaining: [{ key: '/Pod/a/b', health: 'Terminating', message: 'finalizer' }] }],
      events: [
        { id: 'e1', time: 1, severity: 'Warning', reason: 'DriftCorrected', unit: 'drover/shop', object: '/ConfigMap/a/b', message: 'm' },
        { id: 'e2', time: 2, severity: 'Info', reason: 'Started', message: '' },
      ],
      badBlobs: ['00ff'],
    },
  },
  { name: 'a heartbeat', message: { type: 'heartbeat' } },
];
for (const { name, message } of ups) {
  test(`a message survives the wire: ${name}`, () => {
    const bytes = Up.encode(toUp(message)).finish();
    assert.deepEqual(fromUp(Up.decode(bytes)), message);
  });
}

const downs: readonly HubMessage[] = [
  { type: 'welcome', protocol: 1, accepted: true },
  { type: 'ack', seq: 9 },
  { type: 'reconcile' },
  { type: 'reconcile', unit: 'drover/shop' },
  { type: 'resync', units: ['drover/shop'], facts: true },
  { type: 'notice', code: 'CLUSTER_CLONED', message: 'two' },
];
for (const message of downs) {
  test(`a message survives the wire: ${message.type} ${JSON.stringify(message)}`, () => {
    assert.deepEqual(fromDown(Down.decode(Down.encode(toDown(message)).finish())), message);
  });
}

test('a join request survives the wire', () => {
  const request = {
    token: 't',
    csr: Buffer.from('csr'),
    sealingKey: 'AAEC',
    uid: 'u',
    natsUser: 'U',
    seen,
    facts,
    name: 'edge',
  };
  assert.deepEqual(fromJoin(toJoin(request)), request);
});

test('the checksum of a report equals that of its stored JSON', () => {
  assert.equal(reportChecksum(unit), reportChecksum(JSON.parse(JSON.stringify(unit)) as UnitReport));
  assert.notEqual(reportChecksum(unit), reportChecksum({ ...unit, message: '' }));
});

test('F33 words of a newer agent become those that prove nothing', () => {
  const up = toUp({ type: 'report', seq: 1, units: [bare], left: [], events: [], badBlobs: [] });
  assert.ok(up.message?.$case === 'report');
  const [sent] = up.message.value.units;
  assert.ok(sent !== undefined);
  sent.state = 'Glorious';
  sent.mode = 'Maybe';
  sent.problems = [{ key: 'k', health: 'Fine', code: 'NEW_CODE', message: 'm' }];
  const read = fromUp(up);
  assert.ok(read.type === 'report');
  assert.deepEqual(
    read.units.map(({ state, mode, problems }) => ({ state, mode, problems })),
    [{ state: 'Unknown', mode: 'Observe', problems: [{ key: 'k', health: 'Unknown', code: 'UNEXPECTED', message: 'm' }] }],
  );
});

test('F33 a message of a kind not known here is refused from an agent and ignored from the hub', () => {
  assert.throws(() => fromUp({ message: undefined }), { code: 'MESSAGE_REFUSED' });
  assert.equal(fromDown({ message: undefined }), undefined);
});

for (const name of ['', 'shop', 'a/b/c', '../x', 'A/b', 'a/b c', `a/${'b'.repeat(600)}`]) {
  test(`a unit called ${JSON.stringify(name.slice(0, 20))} is refused`, () => {
    assert.throws(() => fromUp(toUp({ type: 'report', seq: 1, units: [{ ...bare, unit: name }], left: [], events: [], badBlobs: [] })), {
      code: 'MESSAGE_REFUSED',
    });
  });
}

test('a number beyond those that count exactly is refused', () => {
  const up = toUp({ type: 'report', seq: 1, units: [bare], left: [], events: [], badBlobs: [] });
  if (up.message?.$case === 'report') up.message.value.seq = 2n ** 60n;
  assert.throws(() => fromUp(up), { code: 'MESSAGE_REFUSED' });
});

test('T18 the text of an error that is not ours never leaves the program', () => {
  const sent = toServiceError(new TypeError('secret canary'));
  assert.ok(!JSON.stringify(sent).includes('canary') && !sent.details.includes('canary'));
  const unexpected = toServiceError(DroverError.from(new Error('secret canary'), 'x'));
  assert.ok(!unexpected.details.includes('canary'));
});

test('a named failure keeps its code and text over gRPC', () => {
  const sent = toServiceError(new DroverError('JOIN_REFUSED', 'prod-eu', 'the name is taken'));
  const back = fromServiceError({ ...sent, stack: '' }, 'hub');
  assert.equal(back.message, '[JOIN_REFUSED] hub: the name is taken');
});
