import { CLUSTER, benchFleet } from './fleet.ts';
import type { Figure, Scenario } from './figures.ts';
import { judgedSpread, spread } from './figures.ts';
import { applyRate, manifest } from './raw.ts';
import { cpuSeconds } from './process.ts';

/** First install: 1,000 objects in one unit, then 100 units of 4. */
export const scenario: Scenario = async ({ quick, progress }) => {
  const figures: Figure[] = [];
  const repetitions = quick ? 1 : 3;
  for (const shape of [
    { title: '1,000 objects in one unit', units: 1, objects: 1000, least: 0.8 },
    { title: '100 units of 4 objects', units: 100, objects: 4, least: 0.7 },
  ]) {
    const ratios: number[] = [];
    const rates: number[] = [];
    const ceilings: number[] = [];
    const cpu: number[] = [];
    for (let repetition = 0; repetition < repetitions; repetition++) {
      progress(`${shape.title}: ${repetition + 1} of ${repetitions}`);
      await using bench = await benchFleet({ 'drover/README.md': '', 'clusters/none/README.md': '' });
      const total = shape.units * shape.objects;
      const ceiling = await applyRate(bench.kube, 'default', Math.min(total, 500));
      const installed = installedAt(bench.kube, total);
      const agent = bench.fleet.agent(CLUSTER).program.pid;
      const cpuBefore = cpuSeconds(agent);
      await bench.clone.publish('install', filesOf(shape.units, shape.objects));
      const { first, last } = await installed;
      const rate = (total * 1000) / (last - first);
      cpu.push(((cpuSeconds(agent) - cpuBefore) * 1000) / total);
      rates.push(rate);
      ceilings.push(ceiling);
      ratios.push(rate / ceiling);
    }
    figures.push(
      spread(`${shape.title}: installed`, 'objects/s', rates),
      spread(`${shape.title}: raw loop of applies`, 'objects/s', ceilings),
      spread(`${shape.title}: CPU of the agent`, 'ms/object', cpu),
      judgedSpread(`${shape.title}: against the raw loop`, '×', ratios, `≥ ${shape.least}`, (ratio) => ratio >= shape.least),
    );
  }
  return { id: 'P3', title: 'first install', figures, notes: ['from the first object created to the last, by an independent watcher'] };
};

function filesOf(units: number, objects: number): Record<string, string> {
  const files: Record<string, string> = {};
  for (let unit = 0; unit < units; unit++) {
    files[`drover/u${unit}.yaml`] =
      `apiVersion: drover.dev/v1alpha1\nkind: Delivery\nmetadata: { name: u${unit} }\nspec: { sourceRef: { kind: GitRepository, name: fleet }, path: u${unit} }\n`;
    for (let index = 0; index < objects; index++) files[`u${unit}/o${index}.yaml`] = manifest(`u${unit}-o${index}`, 'default', 'v');
  }
  return files;
}

async function installedAt(kube: Parameters<typeof applyRate>[0], total: number): Promise<{ first: number; last: number }> {
  const stop = new AbortController();
  const seen = new Set<string>();
  let first = NaN;
  for await (const event of kube.watch('/api/v1/namespaces/default/configmaps?labelSelector=drover.dev%2Fmanaged%3Dtrue', stop.signal)) {
    if (seen.size === 0) first = performance.now();
    seen.add(String((event.object as { metadata: { name: string } }).metadata.name));
    if (seen.size < total) continue;
    stop.abort();
    return { first, last: performance.now() };
  }
  throw new Error('the watch ended before everything was there');
}
