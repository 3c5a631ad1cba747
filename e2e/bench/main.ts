// npm run bench -- P1 P2 [--quick] [--json FILE]

import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';

import type { Scenario, ScenarioResult } from './figures.ts';
import { table } from './figures.ts';

const SCENARIOS: Readonly<Record<string, () => Promise<{ readonly scenario: Scenario }>>> = {
  P1: () => import('./p1-push.ts'),
  P2: () => import('./p2-one-of-many.ts'),
  P3: () => import('./p3-install.ts'),
  P4: () => import('./p4-idle.ts'),
  P8: () => import('./p8-memory.ts'),
  P9: () => import('./p9-render.ts'),
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false }, json: { type: 'string' } },
});
const wanted = positionals.length > 0 ? positionals : Object.keys(SCENARIOS);
const unknown = wanted.filter((id) => !(id in SCENARIOS));
if (unknown.length > 0) {
  process.stderr.write(`unknown: ${unknown.join(', ')}; there are ${Object.keys(SCENARIOS).join(', ')}\n`);
  process.exitCode = 2;
} else {
  const results: ScenarioResult[] = [];
  for (const id of wanted) {
    const load = SCENARIOS[id];
    if (load === undefined) continue;
    const started = performance.now();
    const progress = (text: string): void =>
      void process.stderr.write(`[${id} ${((performance.now() - started) / 1000).toFixed(0)} s] ${text}\n`);
    const { scenario } = await load();
    results.push(await scenario({ quick: values.quick, progress }));
  }
  process.stdout.write(`${table(results)}\n`);
  if (values.json !== undefined) {
    const record = { node: process.version, cpus: cpus().length, cpu: cpus()[0]?.model, quick: values.quick, results };
    await writeFile(values.json, `${JSON.stringify(record, undefined, 2)}\n`);
  }
}
