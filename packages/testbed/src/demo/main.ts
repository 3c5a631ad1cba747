// npm start: three clusters, a hub, an agent beside each cluster and a Git repository, on this machine.

import { access, chmod, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { startFleet } from '../fleet/fleet.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { droverCommand } from '../fleet/programs.ts';
import { serverPath } from '../servers.ts';
import { claim } from './claim.ts';
import { guide } from './guide.ts';
import { DEMO, demoPath } from './places.ts';
import type { DemoFile } from './places.ts';
import { CLUSTERS, repositoryFiles } from './repository.ts';
import { unitTable } from './units.ts';
import type { UnitRow } from './units.ts';

const READY_WITHIN_MS = 120_000;
const { values } = parseArgs({ options: { once: { type: 'boolean', default: false } } });
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => stop.abort());

const started = performance.now();
const say = (text: string): void =>
  void process.stderr.write(`[${((performance.now() - started) / 1000).toFixed(1).padStart(5)} s] ${text}\n`);

async function main(): Promise<number> {
  await using place = await claim(dirname(DEMO));
  if (!place.mine) {
    say(
      `a demo is running in ${DEMO} already, as process ${place.holder}: use that (eval "$(npm run -s demo:env)"), or end it with Ctrl-C`,
    );
    return 1;
  }
  try {
    return await run();
  } finally {
    // Whoever asks for its settings is told that no demo is running.
    if (!values.once) await rm(demoPath('demo.json'), { force: true });
  }
}

async function run(): Promise<number> {
  await rm(DEMO, { recursive: true, force: true });
  await mkdir(DEMO, { recursive: true, mode: 0o700 });
  say(`starting ${CLUSTERS.length} clusters, a hub and their agents in .drover/demo`);
  await using fleet = await startFleet({
    dir: DEMO,
    clusters: CLUSTERS.map(({ name, labels }) => ({ name, labels, controllers: true })),
    files: repositoryFiles(),
    progress: say,
  });
  const repository = demoPath('repository');
  await fleet.repository.clone(repository);
  await writeFiles(fleet, repository);
  const problem = await untilReady(fleet);
  if (problem !== undefined) {
    if (stop.signal.aborted) return 130;
    say(problem);
    return 1;
  }
  say('every unit is Ready');
  if (values.once) return 0;
  process.stdout.write(guide({ repository, kubeconfig: demoPath('kubeconfig'), hub: fleet.hub.url }));
  await watch(fleet);
  say('stopping');
  return 0;
}

async function writeFiles(fleet: Fleet, repository: string): Promise<void> {
  const contexts = CLUSTERS.map(({ name }) => fleet.cluster(name));
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': CLUSTERS[0].name,
    clusters: contexts.map(({ name, url, caFile }) => ({ name, cluster: { server: url, 'certificate-authority': caFile } })),
    users: contexts.map(({ name, token }) => ({ name, user: { token } })),
    contexts: contexts.map(({ name }) => ({ name, context: { cluster: name, user: name } })),
  };
  await writeFile(demoPath('kubeconfig'), JSON.stringify(kubeconfig, undefined, 2), { mode: 0o600 });
  const demo: DemoFile = {
    hub: fleet.hub.url,
    token: null,
    repository,
    clusters: contexts.map(({ name, kubeconfig: path }) => ({ name, kubeconfig: path })),
  };
  await writeFile(demoPath('demo.json'), JSON.stringify(demo, undefined, 2), { mode: 0o600 });
  await mkdir(demoPath('bin'), { recursive: true });
  const { command, args } = droverCommand([]);
  await writeFile(demoPath('bin', 'drover'), `#!/bin/sh\nexec ${[command, ...args].map((part) => `'${part}'`).join(' ')} "$@"\n`);
  await chmod(demoPath('bin', 'drover'), 0o755);
  // drover render wants kustomize.
  for (const program of ['kubectl', 'kustomize'] as const) await symlink(serverPath(program), demoPath('bin', program));
}

/** @returns undefined when every cluster's unit is Ready, else why not */
async function untilReady(fleet: Fleet): Promise<string | undefined> {
  const deadline = performance.now() + READY_WITHIN_MS;
  let rows: readonly UnitRow[] = [];
  while (!stop.signal.aborted) {
    rows = await unitsOf(fleet).catch(() => rows);
    const ready = new Set(rows.filter((row) => row.state === 'Ready').map((row) => row.cluster));
    if (CLUSTERS.every(({ name }) => ready.has(name)) && rows.every((row) => row.state === 'Ready')) return undefined;
    if (performance.now() > deadline) break;
    await delay(150, undefined, { signal: stop.signal }).catch(() => {});
  }
  return ['not every unit is Ready:', ...unitTable(rows, rows.length === 0 ? 'the hub shows no unit' : '')].join('\n');
}

async function unitsOf(fleet: Fleet): Promise<readonly UnitRow[]> {
  return (await fleet.hub.get<{ items: readonly UnitRow[] }>('/v1/units')).items;
}

/** Keeps the table until the demo is stopped, and plugs the hub out and in. */
async function watch(fleet: Fleet): Promise<void> {
  const live = process.stdout.isTTY;
  let shown = '';
  let height = 0;
  let plugged = true;
  while (!stop.signal.aborted) {
    const wanted = !(await access(demoPath('unplugged')).then(
      () => true,
      () => false,
    ));
    if (wanted !== plugged) {
      if (wanted) await fleet.hub.start();
      else await fleet.hub.stop();
      plugged = wanted;
    }
    const rows = plugged ? await unitsOf(fleet).catch((): readonly UnitRow[] => []) : [];
    const table = unitTable(
      rows,
      plugged ? '' : 'hub and NATS are unplugged; the agents go on alone. To plug in: rm .drover/demo/unplugged',
    );
    const text = table.join('\n');
    if (text !== shown) {
      if (live && height > 0) process.stdout.write(`\x1b[${height}A\x1b[0J`);
      process.stdout.write(`${text}\n`);
      shown = text;
      height = table.length;
    }
    await delay(400, undefined, { signal: stop.signal }).catch(() => {});
  }
}

process.exitCode = await main().catch((error: unknown) => {
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return 1;
});
