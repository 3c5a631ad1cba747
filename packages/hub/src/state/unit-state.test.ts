import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UnitReport } from '@drover/contract';
import type { UnitKnowledge } from './unit-state.ts';
import { unitState } from './unit-state.ts';

const report = (over: Partial<UnitReport> = {}): UnitReport => ({
  unit: 'drover/shop',
  state: 'Ready',
  since: 1,
  epoch: 1,
  generation: 1,
  wanted: 'd1',
  applied: 'd1',
  healthy: true,
  objects: { total: 1, ready: 1 },
  changes: { created: 0, configured: 0, unchanged: 1, deleted: 0 },
  problems: [],
  drift: [],
  blockedOn: [],
  suspended: false,
  mode: 'Enforce',
  message: '',
  ...over,
});
const known = (over: Partial<UnitKnowledge> = {}): UnitKnowledge => ({
  presence: 'Delivered',
  note: undefined,
  problem: undefined,
  wanted: 'd1',
  published: 'd1',
  held: [],
  heldProblem: undefined,
  report: report(),
  silentMs: 0,
  online: true,
  offlineSince: 0,
  ...over,
});
const problem = {
  code: 'YAML_INVALID',
  subject: 'x',
  message: 'bad',
  hint: 'h',
  position: { file: 'a.yaml', line: 3, column: 1 },
} as const;

const cases: { name: string; known: UnitKnowledge; state: string; message?: RegExp }[] = [
  { name: 'I8 is Ready when the published digest is applied and healthy', known: known(), state: 'Ready' },
  { name: 'I8 is not Ready on the report of another digest', known: known({ published: 'd2', wanted: 'd2' }), state: 'Progressing' },
  { name: "is Unknown after five silent minutes, never last week's Ready", known: known({ silentMs: 300_000 }), state: 'Unknown' },
  {
    name: 'is Failed with file and line while its newest content does not render',
    known: known({ problem }),
    state: 'Failed',
    message: /a\.yaml:3:1/,
  },
  {
    name: 'is Waiting on what holds its wanted digest',
    known: known({ wanted: 'd2', held: [{ kind: 'Budget', message: '14 deletions, 10 allowed', since: 1 }] }),
    state: 'Waiting',
    message: /14 deletions/,
  },
  {
    name: 'is Waiting on an agent that is offline',
    known: known({ published: 'd2', wanted: 'd2', online: false, silentMs: 9 }),
    state: 'Waiting',
    message: /no stream/,
  },
  {
    name: 'is NotReady when applied and not healthy',
    known: known({ report: report({ healthy: false, state: 'NotReady', message: '0 of 1' }) }),
    state: 'NotReady',
    message: /0 of 1/,
  },
  {
    name: 'is Waiting for approval while it is kept',
    known: known({ presence: 'Kept', held: [{ kind: 'Approval', message: 'path vanished', since: 1 }] }),
    state: 'Waiting',
    message: /vanished/,
  },
  {
    name: 'is Failed when an object failed',
    known: known({ report: report({ state: 'Failed', applied: 'd0', healthy: false, message: 'no' }) }),
    state: 'Failed',
    message: /no/,
  },
];
for (const { name, known: input, state, message } of cases) {
  const id = /^I\d+ /.exec(name)?.[0] ?? '';
  test(`${id}a unit ${name.slice(id.length)}`, () => {
    const got = unitState(input);
    assert.equal(got.state, state);
    if (message !== undefined) assert.match(got.message, message);
  });
}
