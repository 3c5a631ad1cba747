import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CLUSTER, benchFleet } from './fleet.ts';
import type { Figure, Scenario } from './figures.ts';
import { judged } from './figures.ts';
import { peakMemoryMiB } from './process.ts';
import { applyRate, manifest } from './raw.ts';

const BUNDLE = fileURLToPath(new URL('../../dist/drover-agent.mjs', import.meta.url));

/** Memory of the bundled agent: it grows with what it owns, not with what others have. */
export const scenario: Scenario = async ({ quick, progress }) => {
  if (!existsSync(BUNDLE)) throw new Error('P8 measures the bundled agent: run npm run build first');
  process.env['DROVER_AGENT_PROGRAM'] = BUNDLE;
  // To be set in an image too: one arena of the C library instead of one for each thread.
  process.env['MALLOC_ARENA_MAX'] = '1';
  const figures: Figure[] = [];
  for (const { owned, foreign, most } of [
    { owned: 100, foreign: 0, most: 90 },
    { owned: 1000, foreign: 0, most: 110 },
    { owned: 1000, foreign: quick ? 1000 : 5000, most: 110 },
  ]) {
    progress(`${owned} owned, ${foreign} foreign objects`);
    const files = Object.fromEntries(
      Array.from({ length: owned }, (_, index) => [`clusters/${CLUSTER}/o${index}.yaml`, manifest(`o${index}`, 'default', 'v')]),
    );
    await using bench = await benchFleet(files);
    if (foreign > 0) await applyRate(bench.kube, 'default', foreign);
    await bench.ready(await bench.clone.head(), 300_000);
    const memory = peakMemoryMiB(bench.fleet.agent(CLUSTER).program.pid);
    figures.push(judged(`${owned} owned, ${foreign} foreign`, 'MiB', memory, `≤ ${most}`, memory <= most));
  }
  delete process.env['DROVER_AGENT_PROGRAM'];
  delete process.env['MALLOC_ARENA_MAX'];
  return {
    id: 'P8',
    title: 'memory of the bundled agent (VmHWM)',
    figures,
    notes: ['with a kubeconfig that holds a token; MALLOC_ARENA_MAX=1; first install, so the peak includes joining'],
  };
};
