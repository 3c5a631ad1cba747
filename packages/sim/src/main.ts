import { parseArgs } from 'node:util';
import { simulate } from './simulation.ts';

/** `npm run simulate -- --seeds N [--from SEED]`, or `--seed S [--trace]` to replay one. Exits 1 at the first violation. */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
  },
});

const first = Number(values.seed ?? values.from);
const count = values.seed === undefined ? Number(values.seeds) : 1;
if (!Number.isSafeInteger(first) || !Number.isSafeInteger(count) || count < 1) {
  console.error('usage: simulate [--seeds N] [--from SEED] [--seed SEED [--trace]]');
  process.exit(2);
}

const totals = { generations: 0, crashes: 0, faults: 0, steps: 0 };
const points = new Set<string>();
const started = performance.now();
for (let seed = first; seed < first + count; seed++) {
  const result = await simulate(seed, values.trace ? { trace: (line) => console.log(line) } : {});
  for (const name of ['generations', 'crashes', 'faults', 'steps'] as const) totals[name] += result[name];
  for (const point of result.points) points.add(point);
  if (result.violations.length === 0) continue;
  console.error(`seed ${seed} breaks what must hold:`);
  for (const violation of result.violations.slice(0, 20)) console.error(`  ${violation}`);
  console.error(`replay: npm run simulate -- --seed ${seed} --trace`);
  process.exit(1);
}
const seconds = ((performance.now() - started) / 1000).toFixed(1);
console.log(
  `${count} seeds hold: ${totals.generations} generations, ${totals.crashes} crashes, ${totals.faults} failed requests, ${totals.steps} events in ${seconds} s`,
);
console.log(`effects that were hit: ${[...points].sort().join(' ')}`);
