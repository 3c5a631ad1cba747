import { join } from 'node:path';
import { serverPath, tempDir } from '@drover/testbed';
import { CLUSTER, benchFleet } from './fleet.ts';
import type { BenchFleet } from './fleet.ts';
import type { Figure, Scenario } from './figures.ts';
import { judged, median, quantile, spread } from './figures.ts';
import { applyAlone, manifest, timed } from './raw.ts';

const OBJECTS = 15;

function files(kind: 'plain' | 'kustomize'): Record<string, string> {
  const names = Array.from({ length: OBJECTS }, (_, index) => `o${index}.yaml`);
  const made = Object.fromEntries(names.map((name, index) => [`clusters/${CLUSTER}/${name}`, manifest(`o${index}`, 'default', 'first')]));
  if (kind === 'kustomize') made[`clusters/${CLUSTER}/kustomization.yaml`] = `resources:\n${names.map((name) => `- ${name}\n`).join('')}`;
  return made;
}

/** One push that changes one object, by webhook: from the moment it is in the repository to the watch event. */
export const scenario: Scenario = async ({ quick, progress }) => {
  const pushes = quick ? 20 : 100;
  const figures: Figure[] = [];
  for (const kind of ['plain', 'kustomize'] as const) {
    progress(`${kind}: starting`);
    await using bench = await benchFleet(files(kind));
    await bench.ready(await bench.clone.head());
    const latencies = await measure(bench, pushes, (done) => progress(`${kind}: ${done} of ${pushes} pushes`));
    const fetches = await fetchAlone(bench, quick ? 5 : 20);
    const renders = kind === 'kustomize' ? await renderAlone(bench, quick ? 5 : 20) : [0];
    const applies = await applyAlone(bench.kube, 'default', 50);
    const parts = median(fetches) + median(renders) + median(applies);
    const sorted = latencies.toSorted((a, b) => a - b);
    const p50 = quantile(sorted, 0.5);
    const p99 = quantile(sorted, 0.99);
    figures.push(
      spread(`${kind}: push to watch event`, 'ms', latencies),
      spread(`${kind}: fetch alone`, 'ms', fetches),
      ...(kind === 'kustomize' ? [spread(`${kind}: kustomize build alone`, 'ms', renders)] : []),
      spread(`${kind}: one apply alone`, 'ms', applies),
      judged(`${kind}: p50 against the sum of the parts`, '×', p50 / parts, '≤ 1.5', p50 / parts <= 1.5),
      judged(`${kind}: p99 against p50`, '×', p99 / p50, '≤ 4', p99 / p50 <= 4),
    );
  }
  return {
    id: 'P1',
    title: 'one push that changes one object of one cluster, by webhook',
    figures,
    notes: [`${pushes} pushes each, one after another`],
  };
};

async function measure(bench: BenchFleet, pushes: number, progress: (done: number) => void): Promise<number[]> {
  const latencies: number[] = [];
  const seen = new Map<string, number>();
  let heard = (): void => {};
  const stop = new AbortController();
  const watching = (async (): Promise<void> => {
    for await (const event of bench.kube.watch('/api/v1/namespaces/default/configmaps', stop.signal)) {
      const value = (event.object as { data?: { value?: string } }).data?.value;
      if (value !== undefined && !seen.has(value)) seen.set(value, performance.now());
      heard();
    }
  })().catch(() => {});
  for (let index = 0; index < pushes; index++) {
    const value = `push-${index}`;
    const sha = await bench.clone.publish(value, {
      [`clusters/${CLUSTER}/o${index % OBJECTS}.yaml`]: manifest(`o${index % OBJECTS}`, 'default', value),
    });
    while (!seen.has(value)) await new Promise<void>((resolve) => (heard = resolve));
    latencies.push((seen.get(value) ?? NaN) - bench.pushedAt());
    // The next push begins when this one is over, reports included.
    await bench.ready(sha);
    if (index % 10 === 9) progress(index + 1);
  }
  stop.abort();
  await watching;
  return latencies;
}

/** `git fetch` of one commit into a bare mirror. */
async function fetchAlone(bench: BenchFleet, times: number): Promise<number[]> {
  await using dir = await tempDir('fetch');
  const mirror = join(dir.path, 'mirror.git');
  // The hub is not told: its own fetch at the same time would be measured too.
  bench.fleet.git.setWebhook(undefined);
  await timed('git', ['clone', '--quiet', '--bare', bench.fleet.repository.authUrl, mirror]);
  const taken: number[] = [];
  for (let index = 0; index < times; index++) {
    await bench.clone.publish(`fetch-${index}`, { 'unrelated.txt': `${index}` });
    taken.push(await timed('git', ['fetch', '--quiet', bench.fleet.repository.authUrl, '+refs/heads/main:refs/heads/main'], mirror));
  }
  return taken;
}

async function renderAlone(bench: BenchFleet, times: number): Promise<number[]> {
  const directory = join(bench.clone.path, 'clusters', CLUSTER);
  const taken: number[] = [];
  for (let index = 0; index < times; index++) taken.push(await timed(serverPath('kustomize'), ['build', directory]));
  return taken;
}
