import { CLUSTER, benchFleet } from './fleet.ts';
import type { BenchFleet } from './fleet.ts';
import type { Scenario } from './figures.ts';
import { judged, median, spread } from './figures.ts';
import { manifest } from './raw.ts';

const files = (count: number): Record<string, string> =>
  Object.fromEntries(
    Array.from({ length: count }, (_, index) => [`clusters/${CLUSTER}/o${index}.yaml`, manifest(`o${index}`, 'default', 'first')]),
  );

/** A push that changes one of a thousand objects costs what the change costs. */
export const scenario: Scenario = async ({ quick, progress }) => {
  const repetitions = quick ? 5 : 20;
  const result: { readonly wall: number[]; readonly requests: number[] }[] = [];
  for (const count of [1, 1000]) {
    progress(`a unit of ${count}: starting`);
    await using bench = await benchFleet(files(count));
    await bench.ready(await bench.clone.head(), 300_000);
    result.push(await measure(bench, repetitions));
  }
  const [one, thousand] = result;
  const ratio = median(thousand?.wall ?? []) / median(one?.wall ?? []);
  const requests = Math.max(...(thousand?.requests ?? [NaN]));
  return {
    id: 'P2',
    title: 'a push that changes 1 of 1,000 objects of a unit',
    figures: [
      spread('unit of 1: push to live', 'ms', one?.wall ?? []),
      spread('unit of 1,000: push to live', 'ms', thousand?.wall ?? []),
      judged('1,000 against 1', '×', ratio, '≤ 1.5', ratio <= 1.5),
      spread('unit of 1,000: API requests', 'n', thousand?.requests ?? []),
      judged('most API requests', 'n', requests, '≤ 4', requests <= 4),
    ],
    notes: [`${repetitions} pushes each; requests are those of the agent, without watches and the Lease`],
  };
};

async function measure(bench: BenchFleet, repetitions: number): Promise<{ wall: number[]; requests: number[] }> {
  const wall: number[] = [];
  const requests: number[] = [];
  for (let index = 0; index < repetitions; index++) {
    const value = `change-${index}`;
    const before = await bench.requests();
    const live = liveAt(bench, value);
    const sha = await bench.clone.publish(value, { [`clusters/${CLUSTER}/o0.yaml`]: manifest('o0', 'default', value) });
    wall.push((await live) - bench.pushedAt());
    await bench.ready(sha);
    requests.push((await bench.requests()) - before);
  }
  return { wall, requests };
}

async function liveAt(bench: BenchFleet, value: string): Promise<number> {
  const stop = new AbortController();
  for await (const event of bench.kube.watch('/api/v1/namespaces/default/configmaps?fieldSelector=metadata.name%3Do0', stop.signal)) {
    if ((event.object as { data?: { value?: string } }).data?.value !== value) continue;
    const at = performance.now();
    stop.abort();
    return at;
  }
  throw new Error('the watch ended before the change came');
}
