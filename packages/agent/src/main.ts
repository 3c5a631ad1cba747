import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import type { BasePorts, Code, Facts, Seen } from '@drover/contract';
import { backoffMs, DroverError } from '@drover/contract';
import { createDiskCache, createMemoryCache } from '#cache/disk-adapter.ts';
import { createEnrolmentPort } from '#identity/enrolment-adapter.ts';
import { readClusterUid } from '#identity/cluster-uid.ts';
import type { Identity } from '#identity/identity.ts';
import { openIdentity } from '#identity/identity.ts';
import { createKeyMaker } from '#identity/keys-adapter.ts';
import type { Membership } from '#identity/types.ts';
import { decodeState, STATE_NAME } from '#inventory/codec.ts';
import type { SecretStore } from '#inventory/secrets.ts';
import { createSecretStore } from '#inventory/secrets.ts';
import type { Credentials as KubeCredentials } from '#kube/credentials-adapter.ts';
import { inClusterCredentials, kubeconfigCredentials } from '#kube/credentials-adapter.ts';
import { createKubeClient } from '#kube/kube-client-adapter.ts';
import type { Kube } from '#kube/types.ts';
import { createObserver } from '#observe/observer.ts';
import { createNatsFeed } from '#pull/nats-adapter.ts';
import { createPuller } from '#pull/puller.ts';
import { readFacts, watchFacts } from '#report/facts.ts';
import { openReportStream } from '#report/grpc-adapter.ts';
import type { RunningReporter } from '#report/reporter.ts';
import { createReporter } from '#report/reporter.ts';
import type { AgentConfig } from './config.ts';
import { AGENT_HELP, parseAgentConfig, showConfig } from './config.ts';
import { startHealth } from './health-adapter.ts';
import { writeMetrics } from './metrics.ts';
import { createPorts } from '@drover/runtime';
import type { Agent } from './reconcile.ts';
import { createAgent } from './reconcile.ts';
import { VERSION } from './version.ts';

/** A graceful stop takes no longer than this. */
const STOP_MS = 9_000;
const CLONE_LOOK_MS = 1_000;

/**
 * The program `drover agent`.
 *
 * @param argv without the program's name
 * @returns the exit code: 0 after a graceful stop, 1 after a failure, 2 for wrong usage
 */
export async function main(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): Promise<number> {
  // An agent is small: the young generation stays at its first 2 MiB, where it would grow to 128 on a large machine, and
  // garbage is collected early.
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString('--optimize-for-size');
  let config: AgentConfig;
  try {
    config = withTokenOfFile(parseAgentConfig(argv, env, (path) => readFileSync(path, 'utf8')));
  } catch (thrown) {
    process.stderr.write(`${DroverError.from(thrown, 'drover agent').message}\n`);
    return 2;
  }
  if (config.help) {
    process.stdout.write(AGENT_HELP);
    return 0;
  }
  if (config.printConfig) {
    process.stdout.write(`${showConfig(config)}\n`);
    return 0;
  }
  const ports = createPorts({ log: { level: config.logLevel, format: config.logFormat }, crashAt: env['DROVER_CRASH_AT'] });
  const stop = new AbortController();
  const ask = (): void => {
    if (stop.signal.aborted) return;
    ports.log.info({}, 'agent stops');
    stop.abort(new Error('asked to stop'));
    setTimeout(() => {
      ports.log.warn({ afterMs: STOP_MS }, 'agent did not stop in time');
      process.exit(0);
    }, STOP_MS).unref();
  };
  process.on('SIGTERM', ask);
  process.on('SIGINT', ask);
  try {
    await serve(config, env, ports, stop.signal);
    return 0;
  } catch (thrown) {
    if (stop.signal.aborted) return 0;
    const error = DroverError.from(thrown, 'agent');
    ports.log.error({ err: error }, 'the agent ends');
    process.stderr.write(`${error.message}\n  ${error.hint}\n`);
    return 1;
  } finally {
    process.off('SIGTERM', ask);
    process.off('SIGINT', ask);
  }
}

/** Starts everything, and ends it in order: the agent first, so that its last words are still reported. */
async function serve(
  config: AgentConfig,
  env: Readonly<Record<string, string | undefined>>,
  ports: BasePorts,
  signal: AbortSignal,
): Promise<void> {
  const { clock, random, log } = ports;
  await using stack = new AsyncDisposableStack();
  const credentials = await kubeCredentials(config, env, ports);
  const kube = stack.use(createKubeClient({ credentials, clock, random, log, userAgent: `drover-agent/${VERSION}` }));
  const cluster = await patiently(ports, signal, 'the cluster cannot be reached now', () => readClusterUid(kube, signal));
  const secrets = createSecretStore({ kube, effect: ports.effect });
  const identity = await openIdentity(
    {
      secrets,
      clock,
      random,
      log,
      maker: createKeyMaker(random),
      enrolment: createEnrolmentPort(),
      uid: cluster,
      hub: config.hub,
      token: config.token,
      name: config.name,
      seen: (at) => seenOf(secrets, at),
      facts: (at) => factsOf(kube, at),
    },
    signal,
  );
  const cache = config.cacheDir === undefined ? createMemoryCache() : createDiskCache(resolve(config.cacheDir));

  // Reporter and agent need each other: the hub's wishes go to the agent, the count of its Lease to the hub.
  const running: { agent?: Agent } = {};
  const reporter = createReporter({
    clock,
    random,
    log,
    uid: cluster,
    agentVersion: VERSION,
    leaseTransitions: () => running.agent?.leaseTransitions(),
    open: (handlers) => openReportStream(accessOf(identity), handlers),
    onReconcile: (unit) => running.agent?.reconcile(unit === undefined ? undefined : [unit]),
  });
  const member = (): Membership => {
    if (identity.membership === undefined) throw new DroverError('KEY_MISSING', 'identity', 'this cluster has not joined a hub yet');
    return identity.membership;
  };
  const feed = createNatsFeed({
    cluster,
    access: () => ({ urls: member().natsUrls, jwt: member().natsJwt, caPem: member().caPem }),
    seed: identity.keys.natsSeed,
    random,
    log,
  });
  const puller = createPuller({
    ports: { ...ports, cache },
    feed,
    cluster,
    trust: () => ({ fleet: member().fleet, headKeys: member().headKeys }),
    sealing: identity.keys.sealing,
    badBlob: (name) => reporter.badBlob(name),
    alarm: (error) => tell(ports, reporter, error),
  });
  const agent = createAgent({
    ports: { ...ports, kube, cache },
    source: puller,
    createObserver: () => createObserver({ kube, ports }),
    reporter,
    cluster,
    cacheKey: Buffer.from(identity.keys.cacheKey, 'base64'),
    mirror: config.cacheDir === undefined,
    maxDeletesPerDay: config.maxDeletesPerDay,
  });
  running.agent = agent;

  let urls = identity.membership?.natsUrls.join(' ');
  identity.onRenewed((membership) => {
    const before = urls;
    urls = membership.natsUrls.join(' ');
    if (before !== undefined && urls !== before) feed.refresh();
  });
  const failed = new AbortController();
  const rest = new AbortController();
  const end = rest.signal;
  const pull = async (): Promise<void> => {
    await identity.joined(end);
    await Promise.all([feed.run(end), puller.run(end)]);
  };
  if (config.metricsPort !== undefined) {
    const health = await startHealth({
      port: config.metricsPort,
      unready: () => (puller.current === undefined ? 'no bundle yet' : undefined),
      metrics: () => metricsOf(identity, feed.connected, agent, puller),
    });
    stack.use(health);
    log.info({ port: health.port }, 'health and metrics are served');
  }
  log.info({ version: VERSION, cluster, hub: config.hub, joined: identity.membership?.name }, 'agent starts');
  const enforcing = agent.run(AbortSignal.any([signal, failed.signal]));
  const tasks = [
    keepIdentity(identity, secrets, ports, reporter, end),
    pull(),
    reporter.run(end),
    watchFacts({ kube, clock, log, agentVersion: VERSION, told: (facts) => reporter.setFacts(facts) }, end),
    holdWhileCloned(ports, reporter, agent, end),
  ];
  try {
    // The rest goes on until the agent has ended; none of it ends by itself, except by a failure.
    await Promise.race([enforcing, ...tasks]);
  } finally {
    failed.abort(new Error('a part of the agent failed'));
    await enforcing.catch(() => undefined);
    rest.abort(new Error('the agent ends'));
    await Promise.allSettled(tasks);
  }
}

/**
 * An agent that enforces something goes on doing so when it cannot join; a new one has nothing to do then, and ends with
 * the reason.
 */
async function keepIdentity(
  identity: Identity,
  secrets: SecretStore,
  ports: BasePorts,
  reporter: RunningReporter,
  signal: AbortSignal,
): Promise<void> {
  try {
    await identity.run(signal);
  } catch (thrown) {
    const enforcing = identity.membership !== undefined || (await secrets.read(STATE_NAME, signal)) !== undefined;
    if (!enforcing) throw thrown;
    ports.log.error({ err: thrown }, 'this cluster cannot join; what was verified last stays in force');
    tell(ports, reporter, DroverError.from(thrown, 'identity'));
    await aborted(signal);
  }
}

async function holdWhileCloned(ports: BasePorts, reporter: RunningReporter, agent: Agent, signal: AbortSignal): Promise<void> {
  let held = false;
  while (!signal.aborted) {
    if (reporter.cloned() !== held) {
      held = !held;
      agent.holdDeletes(held ? 'CLUSTER_CLONED' : undefined);
      ports.log.warn({ held }, 'deletes are held while two agents present one identity');
    }
    await ports.clock.sleep(CLONE_LOOK_MS, signal).catch(() => undefined);
  }
}

function tell(ports: BasePorts, reporter: RunningReporter, error: DroverError): void {
  const reason: Code = error.code;
  reporter.event({ id: ports.random.uuid(), time: ports.clock.now(), severity: 'Error', reason, message: error.message });
}

function accessOf(identity: Identity): Parameters<typeof openReportStream>[0] {
  const { membership, keys } = identity;
  return membership === undefined ? undefined : { ...membership, privateKeyPem: keys.privateKeyPem };
}

/** The head on record, for the hub to see how far this cluster has come; unknown when it cannot be read. */
async function seenOf(secrets: SecretStore, signal: AbortSignal): Promise<Seen | undefined> {
  try {
    const secret = await secrets.read(STATE_NAME, signal);
    return secret === undefined ? undefined : decodeState(secret).record.head;
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}

async function factsOf(kube: Kube, signal: AbortSignal): Promise<Facts | undefined> {
  return readFacts(kube, VERSION, signal).catch(() => undefined);
}

function metricsOf(identity: Identity, connected: boolean, agent: Agent, puller: ReturnType<typeof createPuller>): string {
  const gauge = (name: string, help: string, value: number) => ({ name, help, type: 'gauge' as const, values: [{ value }] });
  const head = puller.current?.head;
  const rejected = Object.entries(puller.rejected()).map(([reason, value]) => ({ labels: { reason }, value }));
  return writeMetrics([
    gauge('drover_agent_joined', 'Whether the cluster has joined a hub.', identity.membership === undefined ? 0 : 1),
    gauge('drover_agent_nats_connected', 'Whether NATS is connected.', connected ? 1 : 0),
    gauge('drover_agent_lease_held', 'Whether this agent holds the Lease.', agent.leaseTransitions() === undefined ? 0 : 1),
    gauge('drover_agent_head_generation', 'Generation of the newest verified head.', head?.generation ?? 0),
    gauge('drover_agent_head_epoch', 'Epoch of the newest verified head.', head?.epoch ?? 0),
    { name: 'drover_agent_heads_rejected_total', help: 'Heads that were not taken.', type: 'counter', values: rejected },
    gauge('process_resident_memory_bytes', 'Resident memory.', process.memoryUsage.rss()),
  ]);
}

function withTokenOfFile(config: AgentConfig): AgentConfig {
  if (config.tokenFile === undefined) return config;
  try {
    return Object.freeze({ ...config, token: readFileSync(config.tokenFile, 'utf8').trim() });
  } catch {
    throw new DroverError('USAGE', '--token-file', `${config.tokenFile} cannot be read`);
  }
}

/** The kubeconfig that was named; else the pod's own account; else what kubectl would use. */
async function kubeCredentials(
  config: AgentConfig,
  env: Readonly<Record<string, string | undefined>>,
  ports: BasePorts,
): Promise<KubeCredentials> {
  const { clock } = ports;
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port, KUBECONFIG } = env;
  const context = config.context === undefined ? {} : { context: config.context };
  if (config.kubeconfig !== undefined) return kubeconfigCredentials({ path: absolute(config.kubeconfig), ...context, clock });
  if (host !== undefined && port !== undefined) return inClusterCredentials({ host, port, clock });
  const usual = KUBECONFIG?.split(delimiter).find((path) => path !== '') ?? join(homedir(), '.kube', 'config');
  if (!existsSync(usual)) throw new DroverError('USAGE', '--kubeconfig', `give one: this is no pod, and there is no ${usual}`);
  return kubeconfigCredentials({ path: absolute(usual), ...context, clock });
}

const absolute = (path: string): string => (isAbsolute(path) ? path : resolve(path));

async function patiently<T>(ports: BasePorts, signal: AbortSignal, message: string, attempt: () => Promise<T>): Promise<T> {
  for (let failures = 1; ; failures++) {
    signal.throwIfAborted();
    try {
      return await attempt();
    } catch (thrown) {
      signal.throwIfAborted();
      const retryMs = Math.round(backoffMs(failures, ports.random.fraction()));
      ports.log.warn({ err: thrown, retryMs }, message);
      await ports.clock.sleep(retryMs, signal).catch(() => undefined);
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) done();
    signal.addEventListener('abort', () => done(), { once: true });
  });
}
