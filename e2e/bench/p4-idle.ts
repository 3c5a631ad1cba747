import { setTimeout as delay } from 'node:timers/promises';
import { CLUSTER, benchFleet } from './fleet.ts';
import type { Scenario } from './figures.ts';
import { judged } from './figures.ts';
import { cpuSeconds } from './process.ts';
import { manifest } from './raw.ts';

/** A cluster in which nothing happens. */
export const scenario: Scenario = async ({ quick, progress }) => {
  const minutes = quick ? 1 : 3;
  const files = Object.fromEntries(
    Array.from({ length: 1000 }, (_, index) => [`clusters/${CLUSTER}/o${index}.yaml`, manifest(`o${index}`, 'default', 'v')]),
  );
  await using bench = await benchFleet(files);
  await bench.ready(await bench.clone.head(), 300_000);
  const { pid } = bench.fleet.agent(CLUSTER).program;
  progress(`1,000 objects are Ready; idle for ${minutes} min`);
  await delay(5_000);
  const before = await bench.requests();
  const cpu = cpuSeconds(pid);
  await delay(minutes * 60_000);
  const perMinute = ((await bench.requests()) - before) / minutes;
  const percent = ((cpuSeconds(pid) - cpu) * 100) / (minutes * 60);
  return {
    id: 'P4',
    title: 'idle with 1,000 objects',
    figures: [
      judged('API requests besides watches and the Lease', 'a minute', perMinute, '≤ 2', perMinute <= 2),
      judged('CPU of the agent', '% of a core', percent, '≤ 0.5', percent <= 0.5),
    ],
    notes: [`${minutes} min`],
  };
};
