// npm run bench -- P1 P2 [--quick] [--json FILE]

import { writeFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
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
  const failed: string[] = [];
  for (const id of wanted) {
    const load = SCENARIOS[id];
    if (load === undefined) continue;
    const started = performance.now();
    const progress = (text: string): void =>
      void process.stderr.write(`[${id} ${((performance.now() - started) / 1000).toFixed(0)} s] ${text}\n`);
    const { scenario } = await load();
    const loadBefore = loadavg()[0] ?? NaN;
    try {
      const result = await scenario({ quick: values.quick, progress });
      const load1 = [loadBefore, loadavg()[0] ?? NaN].map((value) => value.toFixed(1)).join(' and ');
      results.push({ ...result, notes: [...result.notes, `load of the machine before and after: ${load1}`] });
    } catch (thrown) {
      // The others are worth having all the same.
      failed.push(id);
      process.exitCode = 1;
      process.stderr.write(`${id} failed: ${Error.isError(thrown) ? thrown.stack : String(thrown)}\n`);
    }
    // After each one: a run that is ended early leaves what it has.
    if (values.json === undefined) continue;
    const machine = { node: process.version, cpus: cpus().length, cpu: cpus()[0]?.model };
    await writeFile(values.json, `${JSON.stringify({ ...machine, quick: values.quick, failed, results }, undefined, 2)}\n`);
  }
  process.stdout.write(`${table(results)}\n`);
}
