import assert from 'node:assert/strict';
import type { Fleet, KubeClient, WorkingClone } from '@drover/testbed';
import { eventually } from '@drover/testbed';
import type { ClusterName } from './fleet.ts';
import { CLUSTERS, sharedFleet } from './fleet.ts';

/** A unit's row, as the API shows it. */
export interface UnitRow {
  readonly unit: string;
  readonly cluster: string;
  readonly state: string;
  readonly release: { readonly wanted: number | null; readonly applied: number | null };
  readonly revision: { readonly wanted: string | null; readonly applied: string | null };
  readonly digest: { readonly wanted: string | null; readonly applied: string | null };
  readonly objects: { readonly total: number; readonly ready: number };
  readonly drift: number;
  readonly suspended: boolean;
  readonly blockedOn: readonly { readonly kind: string; readonly message: string }[];
  readonly message: string;
}

export interface DeliverOptions {
  /** Lines of YAML below `spec:`, indented by two. */
  readonly spec?: string;
  readonly clusters?: readonly ClusterName[];
  /** What becomes of the objects at the end; Delete by default. */
  readonly deletionPolicy?: 'Delete' | 'Orphan';
  /** Name of the Delivery; the scenario's by default. */
  readonly delivery?: string;
}

/** One behaviour in the shared fleet: a Delivery, a directory a cluster and a namespace, under a name of its own. */
export interface Scenario extends AsyncDisposable {
  readonly name: string;
  readonly fleet: Fleet;
  readonly clone: WorkingClone;
  readonly clusters: readonly ClusterName[];
  kube(cluster: ClusterName): KubeClient;
  /** Path of a file of this scenario for one cluster. */
  path(cluster: ClusterName, file: string): string;
  /** Commits and pushes files, given by cluster-relative names for every cluster, or whole paths; returns the commit. */
  push(message: string, files: Readonly<Record<string, string>>, removed?: readonly string[]): Promise<string>;
  /** The same file in every cluster's directory. */
  everywhere(files: Readonly<Record<string, string>>): Record<string, string>;
  unit(cluster: ClusterName, delivery?: string): Promise<UnitRow>;
  /** Waits until the unit is as `probe` says. */
  until(cluster: ClusterName, probe: (unit: UnitRow) => boolean, timeoutMs?: number, delivery?: string): Promise<UnitRow>;
  /** Waits until every unit is Ready at a commit. */
  ready(sha: string, timeoutMs?: number): Promise<void>;
  configMap(cluster: ClusterName, name: string): string;
}

let count = 0;

export const configMap = (name: string, namespace: string, data: Readonly<Record<string, string>>): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ${name}\n  namespace: ${namespace}\ndata: ${JSON.stringify(data)}\n`;

export async function scenario(
  title: string,
  options: DeliverOptions = {},
  files: (name: string) => Readonly<Record<string, string>> = () => ({}),
): Promise<Scenario> {
  const { fleet, clone } = await sharedFleet();
  const name = `${title}-${++count}`;
  const clusters = options.clusters ?? CLUSTERS;
  for (const cluster of clusters) {
    await fleet.cluster(cluster).kube.create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  }
  const made: Scenario = {
    name,
    fleet,
    clone,
    clusters,
    kube: (cluster) => fleet.cluster(cluster).kube,
    path: (cluster, file) => `apps/${name}/${cluster}/${file}`,
    push: (message, changed, removed = []) => clone.publish(`${name}: ${message}`, changed, removed),
    everywhere: (changed) =>
      Object.fromEntries(clusters.flatMap((cluster) => Object.entries(changed).map(([file, text]) => [made.path(cluster, file), text]))),
    async unit(cluster, delivery = name) {
      const { items } = await fleet.hub.get<{ items: readonly UnitRow[] }>(`/v1/units?delivery=${delivery}&cluster=${cluster}`);
      const [row] = items;
      assert.ok(row !== undefined, `no unit ${delivery}@${cluster}`);
      return row;
    },
    until: (cluster, probe, timeoutMs = 20_000, delivery = name) =>
      eventually(async () => {
        const row = await made.unit(cluster, delivery);
        assert.ok(probe(row), `${row.unit} is ${JSON.stringify(row)}`);
        return row;
      }, timeoutMs),
    async ready(sha, timeoutMs = 30_000) {
      for (const cluster of clusters) {
        await made.until(cluster, (row) => row.state === 'Ready' && row.revision.applied?.endsWith(sha) === true, timeoutMs);
      }
    },
    configMap: (cluster, object) => `/api/v1/namespaces/${name}/configmaps/${object}`,
    async [Symbol.asyncDispose]() {
      await remove(made, options.delivery ?? name);
    },
  };
  const first = files(name);
  const sha = await made.push('first', { [`drover/${name}.yaml`]: delivery(name, options), ...made.everywhere(first) });
  if (Object.keys(first).length > 0) await made.ready(sha);
  return made;
}

function delivery(name: string, options: DeliverOptions): string {
  const selector =
    options.clusters === undefined
      ? ''
      : `  clusters: { matchExpressions: [{ key: drover.dev/name, operator: In, values: [${options.clusters.join(', ')}] }] }\n`;
  return `apiVersion: drover.dev/v1alpha1
kind: Delivery
metadata: { name: ${options.delivery ?? name} }
spec:
  sourceRef: { kind: GitRepository, name: fleet }
  path: apps/${name}/\${cluster.name}
  retryInterval: 1s
  deletionPolicy: ${options.deletionPolicy ?? 'Delete'}
${selector}${options.spec ?? ''}`;
}

/** Removes the Delivery: its objects go with it, which every scenario thereby shows. */
async function remove(made: Scenario, name: string): Promise<void> {
  await made.push('removed', {}, [`drover/${made.name}.yaml`]);
  await eventually(async () => {
    const { items } = await made.fleet.hub.get<{ items: readonly UnitRow[] }>(`/v1/units?delivery=${name}`);
    assert.deepEqual(
      items.map((row) => `${row.unit}: ${row.message}`),
      [],
      'units that have not left',
    );
  }, 30_000);
}
