// A whole fleet on this machine: clusters, a Git server with one repository, a hub and an agent beside each cluster,
// all run through the programs' own command lines.

import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { startCluster } from '../cluster/cluster.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { startGitServer } from '../git/server.ts';
import type { GitServer, ServedRepository } from '../git/server.ts';
import { tempDir } from '../temp.ts';
import { startAgent } from './agent.ts';
import type { RunningAgent } from './agent.ts';
import { startHub } from './hub.ts';
import type { RunningHub } from './hub.ts';
import { runDrover } from './drover.ts';
import type { DroverResult } from './drover.ts';

export interface FleetCluster {
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Controllers and a simulated node, so that Deployments become ready. */
  readonly controllers?: boolean;
  readonly audit?: boolean;
  /** More arguments of its agent. */
  readonly agentArgs?: readonly string[];
  /** Without one: the agent is started later by `join`. */
  readonly agent?: boolean;
}

export interface FleetOptions {
  readonly clusters: readonly FleetCluster[];
  /** Everything is kept here; without it a temporary folder, removed at the end. */
  readonly dir?: string;
  /** First content of the repository. */
  readonly files: Readonly<Record<string, string>>;
  /** More arguments of the hub, after its defaults. */
  readonly hubArgs?: readonly string[];
  readonly hubEnv?: Readonly<Record<string, string>>;
  /** Called as things come up. */
  readonly progress?: (line: string) => void;
}

export interface Fleet extends AsyncDisposable {
  readonly dir: string;
  readonly git: GitServer;
  readonly repository: ServedRepository;
  readonly hub: RunningHub;
  readonly clusters: ReadonlyMap<string, Cluster>;
  readonly agents: ReadonlyMap<string, RunningAgent>;
  cluster(name: string): Cluster;
  agent(name: string): RunningAgent;
  /** Starts a cluster's agent with a fresh token. */
  join(cluster: FleetCluster): Promise<RunningAgent>;
  /** Starts a cluster's agent with this token. */
  joinBy(cluster: FleetCluster, token: string): Promise<RunningAgent>;
  /** Gives a source of that namespace the credentials of the Git server, under a secret's name. */
  addSecret(namespace: string, name: string): Promise<void>;
  /** Runs the CLI against the hub. */
  drover(...args: readonly string[]): Promise<DroverResult>;
}

const SOURCE = 'fleet';

export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const stack = new AsyncDisposableStack();
  // What the fleet ends, once it is there.
  let resources = stack;
  try {
    const own = options.dir === undefined ? stack.use(await tempDir('fleet')) : undefined;
    const dir = options.dir ?? own?.path ?? '';
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const progress = options.progress ?? ((): void => {});
    const git = stack.use(await startGitServer({ dir: join(dir, 'git') }));
    const password = randomBytes(12).toString('hex');
    const webhookKey = randomBytes(20).toString('hex');
    git.setAuth({ user: 'drover', password });
    const secrets = join(dir, 'secrets');
    async function addSecret(namespace: string, name: string): Promise<void> {
      await mkdir(join(secrets, namespace, name), { recursive: true, mode: 0o700 });
      for (const [key, value] of Object.entries({ username: 'drover', password, webhook: webhookKey })) {
        await writeFile(join(secrets, namespace, name, key), value, { mode: 0o600 });
      }
    }
    await addSecret('drover', SOURCE);
    const repository = await git.createRepository('fleet');
    await using clone = await repository.clone();
    await clone.publish('first', options.files);

    const starting = options.clusters.map(async (wanted) => {
      const cluster = await startCluster({
        name: wanted.name,
        controllers: wanted.controllers ?? false,
        audit: wanted.audit ?? false,
        dir: join(dir, 'clusters', wanted.name),
      });
      progress(`cluster ${wanted.name} is up`);
      return cluster;
    });
    const settled = await Promise.allSettled(starting);
    const clusters = new Map<string, Cluster>();
    for (const result of settled) {
      if (result.status === 'rejected') continue;
      stack.use(result.value);
      clusters.set(result.value.name, result.value);
    }
    for (const result of settled) if (result.status === 'rejected') throw result.reason;

    const hub = stack.use(
      await startHub({
        dir: join(dir, 'hub'),
        source: repository.url,
        secrets,
        ...(options.hubArgs === undefined ? {} : { args: options.hubArgs }),
        ...(options.hubEnv === undefined ? {} : { env: options.hubEnv }),
      }),
    );
    progress(`hub is up at ${hub.url}`);
    git.setWebhook({ url: `${hub.url}/v1/hooks/generic/${SOURCE}`, secret: webhookKey });

    const agents = new Map<string, RunningAgent>();
    async function joinBy(wanted: FleetCluster, token: string): Promise<RunningAgent> {
      const cluster = clusters.get(wanted.name);
      if (cluster === undefined) throw new Error(`no cluster ${wanted.name}`);
      const agent = resources.use(
        await startAgent({
          name: wanted.name,
          dir: join(dir, 'agents', wanted.name),
          hub: hub.url,
          token,
          kubeconfig: cluster.kubeconfig,
          ...(wanted.agentArgs === undefined ? {} : { args: wanted.agentArgs }),
        }),
      );
      agents.set(wanted.name, agent);
      progress(`agent of ${wanted.name} has started`);
      return agent;
    }
    async function joinFresh(wanted: FleetCluster): Promise<RunningAgent> {
      return await joinBy(wanted, await hub.createToken({ cluster: wanted.name, labels: wanted.labels ?? {}, enforce: true }));
    }
    await Promise.all(options.clusters.filter((cluster) => cluster.agent !== false).map(joinFresh));

    resources = stack.move();
    return {
      dir,
      git,
      repository,
      hub,
      clusters,
      agents,
      cluster: (name) => found(clusters, name),
      agent: (name) => found(agents, name),
      join: joinFresh,
      joinBy,
      addSecret,
      drover: (...args) => runDrover(args, { hub: hub.url }),
      [Symbol.asyncDispose]: () => resources.disposeAsync(),
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

function found<T>(map: ReadonlyMap<string, T>, name: string): T {
  const value = map.get(name);
  if (value === undefined) throw new Error(`no ${name}; there are ${[...map.keys()].join(', ')}`);
  return value;
}
