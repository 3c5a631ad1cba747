import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { cwd } from 'node:process';
import { DroverError } from '@drover/contract';
import { Kysely } from 'kysely';
import { startApi } from '#api/server-adapter.ts';
import { startCollector } from '#collect/collector.ts';
import type { RunningCollector } from '#collect/collector.ts';
import { configHash } from '#config/config-hash.ts';
import { createConfigurationReader } from '#config/current.ts';
import { configFilesFromTree } from '#config/files-from-tree.ts';
import type { SourceFlags } from '#config/zero.ts';
import { ZERO_NAME, zeroSource } from '#config/zero.ts';
import { issueServerCertificate } from '#identity/certificates-adapter.ts';
import { createEnrolment } from '#identity/enrol.ts';
import { initFleet, openFleet } from '#identity/fleet-keys.ts';
import { pushAccountClaim } from '#identity/nats-claims-adapter.ts';
import type { Revocation } from '#identity/nats-keys.ts';
import { accountJwt, hubUser, systemUser } from '#identity/nats-keys.ts';
import { authenticate, createApiToken, createJoinToken, listTokens, revokeToken } from '#identity/tokens.ts';
import { createBlobStore } from '#publish/blob-store.ts';
import { raiseEpoch } from '#publish/epoch.ts';
import { findProgram, pathDirectories } from '#publish/find-program-adapter.ts';
import { createNatsBroker } from '#publish/nats-broker-adapter.ts';
import type { NatsChild } from '#publish/nats-server-adapter.ts';
import { startNatsServer } from '#publish/nats-server-adapter.ts';
import { createPublisher } from '#publish/publisher.ts';
import { readUnit } from '#publish/read-unit.ts';
import { DEFAULT_STREAM_LIMITS } from '#publish/streams.ts';
import { createKustomize } from '#render/kustomize-adapter.ts';
import { createRenderer } from '#render/renderer.ts';
import { startBatch } from '#sources/cat-file-adapter.ts';
import { directoryBytes } from '#sources/disk-adapter.ts';
import { withFlagSecret } from '#sources/flag-secrets.ts';
import { createFollower } from '#sources/follow.ts';
import { IGNORE_FILES } from '#sources/ignore-rules.ts';
import { createMirrors } from '#sources/mirror.ts';
import { sourceKey } from '#sources/record-fetch.ts';
import { createSecretFiles } from '#sources/secret-files.ts';
import { lockDataDirectory } from '#state/lock-adapter.ts';
import { createRenderCache, sweepRenderCache } from '#state/render-cache.ts';
import type { Database } from '#state/schema.ts';
import { openSqlite } from '#state/sqlite-adapter.ts';
import { openStore, readMeta, writeMeta } from '#state/store.ts';
import { createFiles } from './files-adapter.ts';
import type { Hub } from './hub.ts';
import { createHub } from './hub.ts';
import type { HubOptions } from './options.ts';
import { HUB_HELP, isLoopback, parseHubOptions, showOptions } from './options.ts';
import { createPorts } from '@drover/runtime';
import type { HubPorts } from './ports.ts';
import { createRun } from './run-adapter.ts';
import { VERSION } from './version.ts';

const SCAN_MS = 10_000;
const NATS_STORE_BYTES = 8 * 1024 ** 3;

/**
 * The program `drover hub`.
 *
 * @param argv without the program's name
 * @returns the exit code: 0 after a graceful stop, 1 after a failure, 2 for wrong usage
 */
export async function main(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): Promise<number> {
  let options: HubOptions;
  const [task] = argv;
  const aside = task === 'init' || task === 'raise-epoch';
  try {
    options = parseHubOptions(aside ? argv.slice(1) : argv, env, cwd());
  } catch (thrown) {
    process.stderr.write(`${DroverError.from(thrown, 'drover hub').message}\n`);
    return 2;
  }
  if (options.help) {
    process.stdout.write(HUB_HELP);
    return 0;
  }
  if (options.printConfig) {
    process.stdout.write(`${showOptions(options)}\n`);
    return 0;
  }
  const base = createPorts({
    log: { level: env['DROVER_LOG_LEVEL'] ?? 'info', format: options.logFormat },
    crashAt: env['DROVER_CRASH_AT'],
  });
  const ports: HubPorts = { ...base, run: createRun(), files: createFiles({ dataDirectory: options.dataDirectory }) };
  const stop = new AbortController();
  const ask = (): void => stop.abort(new Error('asked to stop'));
  process.once('SIGTERM', ask);
  process.once('SIGINT', ask);
  try {
    await mkdir(options.dataDirectory, { recursive: true, mode: 0o700 });
    if (task === 'init') return await initHub(options, ports);
    if (task === 'raise-epoch') return await raiseHubEpoch(options, ports);
    await serve(options, ports, env, stop.signal);
    return 0;
  } catch (thrown) {
    if (stop.signal.aborted) return 0;
    const error = DroverError.from(thrown, 'hub');
    ports.log.error({ err: error }, 'the hub ends');
    process.stderr.write(`${error.message}\n  ${error.hint}\n`);
    return 1;
  } finally {
    process.off('SIGTERM', ask);
    process.off('SIGINT', ask);
  }
}

async function initHub(options: HubOptions, ports: HubPorts): Promise<number> {
  const keys = await initFleet({ ...ports, directory: join(options.dataDirectory, 'keys') });
  process.stdout.write(`fleet ${keys.fleet}\nkeys  ${join(options.dataDirectory, 'keys')} (keep them, and back them up with drover.db)\n`);
  return 0;
}

/** What an operator says after the store was lost or an older copy was put back: what this store holds is to be published. */
async function raiseHubEpoch(options: HubOptions, ports: HubPorts): Promise<number> {
  const data = (...parts: readonly string[]): string => join(options.dataDirectory, ...parts);
  using _lock = lockDataDirectory(data('lock.db'));
  const { fleet } = await openFleet({ ...ports, directory: data('keys') });
  await using store = await openStore({ dialect: openSqlite(data('drover.db')).dialect, now: () => ports.clock.now() });
  await bindToFleet(store, fleet);
  const epoch = await store.write(async (tx) => {
    const highest = await tx
      .selectFrom('cluster')
      .select((query) => query.fn.max('seen_epoch').as('epoch'))
      .where('seen_fleet', '=', fleet)
      .executeTakeFirst();
    const raised = await raiseEpoch(tx, (highest?.epoch ?? 0) + 1);
    const message = `epoch ${raised}: every bundle is published again, above all that was published before`;
    await store.event(tx, { severity: 'Warning', reason: 'EpochRaised', message, actor: 'operator' });
    return raised;
  });
  process.stdout.write(`epoch ${epoch}: start the hub, and it publishes what this store holds\n`);
  return 0;
}

async function serve(
  options: HubOptions,
  ports: HubPorts,
  env: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): Promise<void> {
  const { clock, random, log, files } = ports;
  const data = (...parts: readonly string[]): string => join(options.dataDirectory, ...parts);
  const now = (): number => clock.now();
  const startedAt = now();
  await using stack = new AsyncDisposableStack();
  stack.use(lockDataDirectory(data('lock.db')));
  const keys = await openFleet({ ...ports, directory: data('keys') });
  const store = stack.use(await openStore({ dialect: openSqlite(data('drover.db')).dialect, now }));
  await bindToFleet(store, keys.fleet);

  // NATS: a child of this hub, or one that somebody runs for it.
  const revocations = async (): Promise<readonly Revocation[]> =>
    JSON.parse((await readMeta(store.db, 'nats-revocations')) ?? '[]') as Revocation[];
  const host = options.publicHosts[0] ?? 'localhost';
  const certificate = await issueServerCertificate(random, keys.ca, options.publicHosts, now());
  let nats: NatsChild | undefined;
  if (options.nats === undefined) {
    const tls = { certificateFile: data('nats', 'server.pem'), keyFile: data('nats', 'server.key') };
    await mkdir(data('nats'), { recursive: true, mode: 0o700 });
    await writeFile(tls.certificateFile, certificate.certificatePem + keys.ca.certificatePem, { mode: 0o600 });
    await writeFile(tls.keyFile, certificate.privateKeyPem, { mode: 0o600 });
    await chmod(tls.keyFile, 0o600);
    const { host: listenHost, port } = options.natsListen;
    nats = stack.use(
      await startNatsServer(
        {
          program: options.natsServer,
          environment: env,
          conf: { keys: keys.nats, host: listenHost, port, tls, maxFileStoreBytes: NATS_STORE_BYTES },
          directory: data('nats'),
          accountJwt: async () => accountJwt(keys.nats, await revocations(), now()),
          clock,
          random,
          log,
        },
        signal,
      ),
    );
  }
  const natsPort = nats?.port;
  const natsUrls = natsPort === undefined ? [options.nats ?? ''] : options.publicHosts.map((name) => `tls://${name}:${natsPort}`);
  const ownNats = natsPort === undefined ? natsUrls : [`tls://${loopbackOf(options.natsListen.host)}:${natsPort}`];
  const address = { urls: ownNats, caPem: keys.ca.certificatePem };
  const broker = createNatsBroker({ address, user: () => hubUser(keys.nats, now()), limits: DEFAULT_STREAM_LIMITS, random, log });
  const publisher = stack.use(createPublisher({ ports, store, keys, broker, blobDirectory: data('blobs') }));

  const flags = await sourceFlags(options);
  const secrets = withFlagSecret(
    { name: ZERO_NAME, username: options.sourceUsername, token: () => sourceToken(options) },
    options.secretsDirectory === undefined ? undefined : createSecretFiles({ files, directory: options.secretsDirectory }),
  );
  const mirrors = createMirrors(
    { ...ports, startBatch, directoryBytes, secrets },
    { mirrorsDirectory: data('mirrors'), searchPath: env['PATH'] ?? '/usr/bin:/bin', allowLocal: isLoopback(options.listen.host) },
  );
  const kustomize = isAbsolute(options.kustomize)
    ? options.kustomize
    : findProgram(options.kustomize, [env['DROVER_SERVERS'], ...pathDirectories(env['PATH'])]);
  if (kustomize === undefined) throw new DroverError('USAGE', '--kustomize', `${options.kustomize} is not on PATH`);
  const renderer = createRenderer({
    engine: createKustomize(ports, { program: kustomize }),
    cache: createRenderCache({ store, fleetSecret: keys.secret, random, now }),
  });
  const blobs = createBlobStore(files, data('blobs'));

  // The hub and its listeners need each other.
  const running: { collector?: RunningCollector } = {};
  const hub: Hub = stack.use(
    createHub({
      ports,
      store,
      fleet: keys.fleet,
      renderer,
      publisher,
      configHash,
      isConfiguration: (path) => mayConfigure(options.configPath, path),
      firstSources: flags === undefined ? [] : [zeroSource(flags)],
      configurationReader: (trees) =>
        createConfigurationReader({
          files,
          flags,
          directory: options.configDirectory,
          filesOfTree: async (at) => {
            if (flags === undefined) return undefined;
            const tree = trees().get(sourceKey(zeroSource(flags)));
            return tree === undefined ? 'unknown' : configFilesFromTree(tree, options.configPath, at);
          },
        }),
      createFollower: (onTree) => createFollower({ ...ports, store, mirrors, onTree }),
      collector: () => {
        if (running.collector === undefined) throw new DroverError('UNEXPECTED', 'collector', 'it has not started');
        return running.collector;
      },
      webhookKey: async (source) =>
        source.secretRef === undefined ? undefined : (await secrets.read(source.namespace, source.secretRef))?.get('webhook'),
      readUnit: (digest) => readUnit(store.db, blobs, digest),
      revokeNats: async (user) => {
        const all = await store.write(async (tx) => {
          const before = JSON.parse((await readMeta(tx, 'nats-revocations')) ?? '[]') as Revocation[];
          const next = [...before.filter((one) => one.user !== user), { user, at: now() }];
          await writeMeta(tx, 'nats-revocations', JSON.stringify(next));
          return next;
        });
        await pushAccountClaim(
          { address, user: () => systemUser(keys.nats, now()), random, log },
          accountJwt(keys.nats, all, now()),
          signal,
        );
      },
    }),
  );

  await hub.begin();
  const addresses = (): { enrolment: string; fleet: string; nats: readonly string[] } => ({
    enrolment: `${host}:${running.collector?.enrolmentPort ?? options.enrolmentListen.port}`,
    fleet: `${host}:${running.collector?.fleetPort ?? options.fleetListen.port}`,
    nats: natsUrls,
  });
  const enrolment = createEnrolment({
    store,
    keys,
    clock,
    random,
    log,
    addresses: () => ({ natsUrls, fleetAddress: addresses().fleet }),
    onJoined: (joined) => hub.onJoined(joined),
  });
  running.collector = stack.use(
    await startCollector({
      store,
      keys,
      clock,
      random,
      log,
      enrolment,
      listen: { host: options.enrolmentListen.host, enrolmentPort: options.enrolmentListen.port, fleetPort: options.fleetListen.port },
      publicHosts: options.publicHosts,
      onBatch: (batches) => hub.onBatch(batches),
      onOnline: (uid) => void hub.onOnline(uid, true),
      onOffline: (uid) => void hub.onOnline(uid, false),
      onCloned: (uid) => void hub.onCloned(uid),
    }),
  );
  // A connection of its own: a read does not wait for a transaction.
  const reads = new Kysely<Database>({ dialect: openSqlite(data('drover.db'), { readOnly: true }).dialect });
  stack.defer(() => reads.destroy());
  const api = stack.use(
    await startApi({
      store,
      reads,
      now,
      clock,
      log,
      actions: hub.actions,
      tokens: {
        authenticate: (text) => authenticate({ store, clock }, text),
        createJoin: (wish, actor) => createJoinToken({ store, clock, random }, keys, wish, actor),
        createApi: (wish, actor) => createApiToken({ store, clock, random }, wish, actor),
        list: () => listTokens({ store, clock }),
        revoke: (id, actor) => revokeToken({ store, clock }, id, actor),
      },
      info: () => {
        const { heads, problem } = publisher.pending();
        const publish = { pending: heads, problem: problem ?? nats?.problem };
        return { version: VERSION, fleet: keys.fleet, startedAt, addresses: addresses(), publish, ready: hub.ready(), natsPid: nats?.pid };
      },
      host: options.listen.host,
      port: options.listen.port,
      ...(options.tlsCertificate === undefined || options.tlsKey === undefined
        ? {}
        : { tls: { certificate: await readFile(options.tlsCertificate), key: await readFile(options.tlsKey) } }),
    }),
  );
  await firstToken(options, { store, clock, random });
  log.info({ api: api.url, addresses: addresses(), fleet: keys.fleet, dataDirectory: options.dataDirectory }, 'hub listens');

  const reread = (): void => hub.readConfiguration();
  process.on('SIGHUP', reread);
  stack.defer(() => void process.off('SIGHUP', reread));
  if (options.configDirectory !== undefined) void scan(ports, reread, signal);
  await sweepRenderCache(store);
  await hub.run(signal).catch((thrown: unknown) => {
    if (!signal.aborted) throw thrown;
  });
  log.info({}, 'hub stops');
}

/** Whether a path of the source holds configuration, or rules that hide files of it. */
function mayConfigure(directory: string, path: string): boolean {
  const ignores = IGNORE_FILES.some((name) => path === name || path.endsWith(`/${name}`));
  return ignores || directory === '' || path === directory || path.startsWith(`${directory}/`);
}

/** @throws DroverError STORE_FAILED when keys and store are not of one fleet */
async function bindToFleet(store: Awaited<ReturnType<typeof openStore>>, fleet: string): Promise<void> {
  await store.write(async (tx) => {
    const known = await readMeta(tx, 'fleet');
    if (known === undefined) await writeMeta(tx, 'fleet', fleet);
    else if (known !== fleet)
      throw new DroverError('STORE_FAILED', 'data directory', `the store is of fleet ${known}, the keys of ${fleet}`);
  });
}

async function sourceFlags(options: HubOptions): Promise<SourceFlags | undefined> {
  if (options.source === undefined) return undefined;
  const url = isAbsolute(options.source) ? `file://${options.source}` : options.source;
  const inDirectory =
    options.secretsDirectory === undefined
      ? undefined
      : await readFile(join(options.secretsDirectory, 'drover', ZERO_NAME, 'password')).catch(() => undefined);
  const secret = inDirectory !== undefined || (await sourceToken(options)) !== undefined;
  return { url, insecure: options.insecure, ...(secret ? { secretRef: ZERO_NAME } : {}) };
}

async function sourceToken(options: HubOptions): Promise<string | undefined> {
  return options.sourceTokenFile === undefined ? options.sourceToken : (await readFile(options.sourceTokenFile, 'utf8')).trim();
}

function loopbackOf(host: string): string {
  return host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
}

/** The first start of a hub that others can reach prints one admin token; it is kept hashed. */
async function firstToken(options: HubOptions, deps: Parameters<typeof createApiToken>[0]): Promise<void> {
  if (isLoopback(options.listen.host)) return;
  const known = await deps.store.db.selectFrom('token').select('id').where('kind', '=', 'api').limit(1).executeTakeFirst();
  if (known !== undefined) return;
  const { token } = await createApiToken(deps, { name: 'admin', role: 'admin' });
  process.stderr.write(`admin token, shown once: ${token}\n`);
}

async function scan(ports: HubPorts, read: () => void, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await ports.clock.sleep(SCAN_MS, signal).catch(() => {});
    if (!signal.aborted) read();
  }
}
