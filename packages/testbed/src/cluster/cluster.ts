// A cluster is a kube-apiserver with its own etcd, and, where Deployments have to become ready, a controller manager, a
// scheduler and kwok, which plays the kubelets of nodes that do not exist.

import { randomBytes } from 'node:crypto';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';

import { eventually } from '../eventually.ts';
import { freePort } from '../ports.ts';
import { startProgram } from '../process/program.ts';
import type { Program, ProgramOptions } from '../process/program.ts';
import { serverPath } from '../servers.ts';
import { tempDir } from '../temp.ts';
import { kubeClient } from './client.ts';
import type { KubeClient } from './client.ts';
import { writeClusterFiles, writeKubeconfig } from './files.ts';
import type { ClusterFiles } from './files.ts';

export interface ClusterOptions {
  /** The context in the kubeconfig, too. */
  readonly name: string;
  /** Run controller manager, scheduler and kwok with this many nodes; `true` is one. */
  readonly controllers?: boolean | number;
  /** Where the cluster keeps everything; it stays. Without it a temporary folder, removed at the end. */
  readonly dir?: string;
  /** Write every request to `auditLog`. */
  readonly audit?: boolean;
  /** More arguments for the API server. */
  readonly extraArgs?: readonly string[];
}

export type ClusterProgram = 'etcd' | 'kube-apiserver' | 'kube-controller-manager' | 'kube-scheduler' | 'kwok';

export interface Cluster extends AsyncDisposable {
  readonly name: string;
  readonly dir: string;
  readonly url: string;
  readonly port: number;
  /** A path; its one user is in `system:masters`. */
  readonly kubeconfig: string;
  readonly token: string;
  /** The serving certificate with its authority, and its key: a proxy in front may serve with them. */
  readonly caFile: string;
  readonly keyFile: string;
  /** JSON lines; undefined without `audit`. */
  readonly auditLog: string | undefined;
  /** Of what runs now. */
  readonly pids: Readonly<Partial<Record<ClusterProgram, number>>>;
  /** A client of this cluster, ended with it. */
  readonly kube: KubeClient;
  /** Ends all programs; address and data stay for `start`. */
  stop(): Promise<void>;
  start(): Promise<void>;
  restart(): Promise<void>;
  /** Sends a signal to the API server, or to the named program; does not wait. */
  kill(signal: NodeJS.Signals, program?: ClusterProgram): void;
  /** Ends the API server alone: etcd keeps its data, controllers wait. */
  stopApiServer(signal?: NodeJS.Signals): Promise<void>;
  startApiServer(): Promise<void>;
}

/** Starts a cluster; it answers, as ourselves, when this returns, and its nodes are ready. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const own = options.dir === undefined ? await tempDir(options.name) : undefined;
  const dir = options.dir ?? own?.path ?? '';
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const token = randomBytes(24).toString('hex');
  const files = await writeClusterFiles(dir, token);
  // Paths of sockets are short; and the folder's mode keeps other users from a store that has no password.
  const socket = await tempDir('etcd');
  const programs = new Map<ClusterProgram, Program>();
  const nodes = Number(options.controllers ?? 0);
  let port = await freePort();

  async function run(name: ClusterProgram, args: readonly string[], more: Partial<ProgramOptions> = {}): Promise<void> {
    await programs.get(name)?.stop({ signal: 'SIGKILL' });
    const program = await startProgram({
      command: serverPath(name),
      args,
      logFile: join(dir, `${name}.log`),
      readyTimeoutMs: 60_000,
      ...more,
    });
    programs.set(name, program);
  }

  async function end(name: ClusterProgram, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await programs.get(name)?.stop({ signal, graceMs: 3_000 });
    programs.delete(name);
  }

  const startEtcd = (): Promise<void> => run('etcd', etcdArgs(dir), { cwd: socket.path, readyWhen: /serving client traffic insecurely/ });

  async function startApiServer(): Promise<void> {
    const args = [
      ...apiServerArgs({ files, port, socket: join(socket.path, SOCKET), audit: options.audit === true, bare: nodes === 0 }),
      ...(options.extraArgs ?? []),
    ];
    await run('kube-apiserver', args, { readyWhen: () => isReady(cluster) });
  }

  async function startControllers(): Promise<void> {
    const common = [`--kubeconfig=${files.kubeconfig}`];
    await Promise.all([
      run('kube-controller-manager', [...common, ...controllerManagerArgs(files)]),
      run('kube-scheduler', [...common, '--leader-elect=false', '--secure-port=0', ...QUICK]),
      run('kwok', [...common, ...(await kwokArgs())], { env: { KWOK_WORKDIR: join(dir, 'kwok') } }),
      ...Array.from({ length: nodes }, (_, index) => ensureNode(cluster.kube, `${options.name}-node-${index + 1}`)),
    ]);
    await eventually(() => controllersWork(cluster.kube, nodes), 30_000, 100);
  }

  const cluster: Cluster = {
    name: options.name,
    dir,
    get url() {
      return `https://127.0.0.1:${port}`;
    },
    get port() {
      return port;
    },
    kubeconfig: files.kubeconfig,
    token,
    caFile: files.caFile,
    keyFile: files.keyFile,
    auditLog: options.audit === true ? files.auditLog : undefined,
    get pids() {
      return Object.fromEntries([...programs].map(([name, program]) => [name, program.pid]));
    },
    kube: undefined as never,
    async start() {
      await startEtcd();
      await startApiServer();
      await writeKubeconfig(files.kubeconfig, cluster);
      if (nodes > 0) await startControllers();
    },
    async stop() {
      await Promise.all((['kwok', 'kube-scheduler', 'kube-controller-manager'] as const).map((name) => end(name, 'SIGKILL')));
      await end('kube-apiserver');
      await end('etcd');
    },
    async restart() {
      await cluster.stop();
      await cluster.start();
    },
    kill(signal, program = 'kube-apiserver') {
      programs.get(program)?.kill(signal);
    },
    stopApiServer: (signal) => end('kube-apiserver', signal),
    startApiServer,
    async [Symbol.asyncDispose]() {
      cluster.kube[Symbol.dispose]();
      // What stays is ended in good order: an API server that has lost its etcd would wait in vain.
      if (own === undefined) await cluster.stop();
      else await Promise.all([...programs.keys()].map((name) => end(name, 'SIGKILL')));
      await socket[Symbol.asyncDispose]();
      await own?.[Symbol.asyncDispose]();
    },
  };
  Object.assign(cluster, { kube: kubeClient(cluster) });
  try {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await cluster.start();
        return cluster;
      } catch (error) {
        // Between our look and the server's bind somebody else may have taken the port.
        if (attempt === 3 || !/address already in use/.test((error as Error).message)) throw error;
        await cluster.stop();
        port = await freePort();
      }
    }
  } catch (error) {
    await cluster[Symbol.asyncDispose]();
    throw error;
  }
}

const SOCKET = 'etcd.sock:0';
const QUICK = ['--kube-api-qps=300', '--kube-api-burst=600'];

/** Tests and demos lose their data with their machine, so nothing is flushed. */
const etcdArgs = (dir: string): string[] => [
  `--data-dir=${join(dir, 'etcd')}`,
  `--listen-client-urls=unix://${SOCKET}`,
  `--advertise-client-urls=unix://${SOCKET}`,
  '--listen-peer-urls=http://127.0.0.1:0',
  '--unsafe-no-fsync',
];

function apiServerArgs(given: { files: ClusterFiles; port: number; socket: string; audit: boolean; bare: boolean }): string[] {
  const { files } = given;
  return [
    `--etcd-servers=unix://${given.socket}`,
    '--bind-address=127.0.0.1',
    '--advertise-address=127.0.0.1',
    // The loopback address may not be an endpoint, and nobody inside a cluster dials this one.
    '--endpoint-reconciler-type=none',
    `--secure-port=${given.port}`,
    `--cert-dir=${files.certificates}`,
    `--token-auth-file=${files.tokens}`,
    '--authorization-mode=RBAC',
    '--anonymous-auth=false',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${files.serviceAccountPublicKey}`,
    `--service-account-signing-key-file=${files.serviceAccountKey}`,
    '--service-cluster-ip-range=10.96.0.0/16',
    '--shutdown-delay-duration=0s',
    // Without controllers nobody makes the default account that Pods would be refused without.
    ...(given.bare ? ['--disable-admission-plugins=ServiceAccount'] : []),
    ...(given.audit ? [`--audit-policy-file=${files.auditPolicy}`, `--audit-log-path=${files.auditLog}`, '--audit-log-mode=blocking'] : []),
  ];
}

const controllerManagerArgs = (files: ClusterFiles): string[] => [
  '--leader-elect=false',
  '--secure-port=0',
  `--service-account-private-key-file=${files.serviceAccountKey}`,
  `--root-ca-file=${files.caFile}`,
  // A machine that stands still for a while must not lose its nodes.
  '--node-monitor-grace-period=5m',
  ...QUICK,
];

async function kwokArgs(): Promise<string[]> {
  const stages = serverPath('stages');
  const files = (await readdir(stages)).filter((file) => file.endsWith('.yaml')).sort();
  return ['--manage-all-nodes=true', '--node-lease-duration-seconds=40', ...files.map((file) => `--config=${join(stages, file)}`)];
}

/** Ready means ready for us: the certificate is the one in our folder, and our token is accepted. */
async function isReady(cluster: Cluster): Promise<boolean> {
  const { status, text } = await cluster.kube.request('GET', '/readyz', undefined, { signal: AbortSignal.timeout(5_000) });
  if (status !== 200 || text !== 'ok') return false;
  await cluster.kube.get('/api/v1/namespaces/kube-system');
  await cluster.kube.get('/api/v1/namespaces/default');
  return true;
}

async function ensureNode(kube: KubeClient, name: string): Promise<void> {
  await kube.apply(`/api/v1/nodes/${name}`, {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      annotations: { 'kwok.x-k8s.io/node': 'fake', 'node.alpha.kubernetes.io/ttl': '0' },
      labels: { 'kubernetes.io/hostname': name, 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'amd64', type: 'kwok' },
    },
  });
  await kube.patch(`/api/v1/nodes/${name}/status`, {
    status: { allocatable: CAPACITY, capacity: CAPACITY },
  });
}

const CAPACITY = { cpu: '64', memory: '256Gi', pods: '500', 'ephemeral-storage': '1Ti' };

async function controllersWork(kube: KubeClient, nodes: number): Promise<void> {
  const ready = (await kube.list('/api/v1/nodes')).filter((node) =>
    (node['status'] as { conditions?: { type: string; status: string }[] }).conditions?.some(
      ({ type, status }) => type === 'Ready' && status === 'True',
    ),
  );
  if (ready.length < nodes) throw new Error(`${ready.length} of ${nodes} nodes are ready`);
  const tainted = ready.find((node) => ((node['spec'] as { taints?: unknown[] }).taints ?? []).length > 0);
  if (tainted !== undefined) throw new Error(`node ${tainted.metadata.name} still has taints`);
  await kube.get('/api/v1/namespaces/default/serviceaccounts/default');
}
