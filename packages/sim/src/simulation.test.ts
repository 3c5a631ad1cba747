import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CRASH_POINTS } from '@drover/agent/sim';
import { simulate } from './simulation.ts';

/** `npm run simulate` has others; these are for the names of what holds. */
const SEEDS = 30;
const FIRST = 10_001;

test(`I1 I3 I4 I5 I8 I9 F1 F2 F4 F17 hold in ${SEEDS} seeded runs of the agent with crashes, lost replies and meddling`, async () => {
  const points = new Set<string>();
  let crashes = 0;
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    const result = await simulate(seed);
    assert.deepEqual(result.violations, [], `npm run simulate -- --seed ${seed} --trace`);
    for (const point of result.points) points.add(point);
    crashes += result.crashes;
  }
  // Enrolment is not part of these runs.
  const simulated = CRASH_POINTS.filter((point) => point !== 'identity-write');
  assert.deepEqual([...points].sort(), [...simulated].sort(), 'every effect of the agent is simulated');
  assert.ok(crashes > SEEDS / 2, `${crashes} crashes`);
});

test('a seed replays exactly', async () => {
  const lines: string[][] = [[], []];
  for (const own of lines) await simulate(7, { trace: (line) => void own.push(line) });
  assert.ok((lines[0]?.length ?? 0) > 50);
  assert.deepEqual(lines[0], lines[1]);
});
