import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { after, test } from 'node:test';
import type { Program } from '@drover/testbed';
import { eventually, startCluster, startProgram, tempDir } from '@drover/testbed';
import { startHub } from './identity/testdata/hub.ts';

const cluster = await startCluster({ name: 'agent' });
after(() => cluster[Symbol.asyncDispose]());
const START = `import { main } from ${JSON.stringify(new URL('./main.ts', import.meta.url).href)}; process.exitCode = await main(process.argv.slice(1), process.env);`;

async function startAgent(dir: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const logFile = join(dir, 'agent.log');
  const command = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', START, '--', ...args];
  const program: Program = await startProgram({ command: execPath, args: command, env, logFile });
  return { program, log: () => readFile(logFile, 'utf8'), [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
}

async function forget(): Promise<void> {
  const path = '/api/v1/namespaces/drover-system/secrets/drover-identity';
  await cluster.kube.request('DELETE', path).catch(() => undefined);
}

test('an agent joins, reports facts and its standing, and stops in order on SIGTERM', async () => {
  await forget();
  await using dir = await tempDir('agent');
  await using hub = await startHub();
  const token = await hub.token({ cluster: 'prod-eu' });
  const tokenFile = join(dir.path, 'token');
  await writeFile(tokenFile, `${token}\n`, { mode: 0o600 });
  const args = ['--hub', hub.url, '--token-file', tokenFile, '--kubeconfig', cluster.kubeconfig, '--cache-dir', join(dir.path, 'cache')];
  await using agent = await startAgent(dir.path, args);
  await eventually(() => assert.equal(hub.collector.online().size, 1), 20_000);
  const [row] = await hub.store.db.selectFrom('cluster').selectAll().execute();
  const facts = JSON.parse(row?.facts ?? '{}') as {
    readonly kubernetesVersion?: string;
    readonly apiResources?: readonly { readonly kind: string }[];
  };
  assert.match(facts.kubernetesVersion ?? '', /^v1\./);
  assert.ok(facts.apiResources?.some(({ kind }) => kind === 'Deployment'));
  assert.equal(row?.name, 'prod-eu');
  const start = performance.now();
  agent.program.kill('SIGTERM');
  const exit = await agent.program.awaitExit();
  assert.equal(exit.code, 0, JSON.stringify(exit));
  assert.ok(performance.now() - start < 10_000);
  await eventually(() => assert.equal(hub.collector.online().size, 0), 5_000);
  const log = await agent.log();
  const secrets = [token, ...(log.match(/-----BEGIN [A-Z ]*PRIVATE KEY/g) ?? [])];
  for (const secret of secrets) assert.ok(!log.includes(secret), 'I12 a secret in the log');
});

test('I12 nothing that the identity holds is logged, whatever the level', async () => {
  await forget();
  await using dir = await tempDir('agent');
  await using hub = await startHub();
  const token = await hub.token({ cluster: 'prod-eu' });
  await using agent = await startAgent(dir.path, ['--hub', hub.url, '--kubeconfig', cluster.kubeconfig, '--log-level', 'debug'], {
    DROVER_JOIN_TOKEN: token,
  });
  await eventually(() => assert.equal(hub.collector.online().size, 1), 20_000);
  const secret = await cluster.kube.request('GET', '/api/v1/namespaces/drover-system/secrets/drover-identity');
  const { data } = JSON.parse(secret.text) as { data: Record<string, string> };
  const record = JSON.parse(Buffer.from(data['identity.json'] ?? '', 'base64').toString()) as {
    keys: { natsSeed: string; cacheKey: string; sealing: { privateKey: string } };
    membership: { natsJwt: string };
  };
  agent.program.kill('SIGTERM');
  await agent.program.awaitExit();
  const log = await agent.log();
  const { keys, membership } = record;
  for (const canary of [token, keys.natsSeed, keys.cacheKey, keys.sealing.privateKey, membership.natsJwt, 'PRIVATE KEY']) {
    assert.ok(canary.length > 0 && !log.includes(canary), canary.slice(0, 8));
  }
});

const ends: readonly {
  readonly name: string;
  readonly args: (hub: { readonly url: string }) => readonly string[];
  readonly code: number;
  readonly says: RegExp;
}[] = [
  { name: 'an unknown flag', args: () => ['--huub', 'x'], code: 2, says: /USAGE/ },
  {
    name: 'a token that is none',
    args: (hub) => ['--hub', hub.url, '--token', 'drover_x', '--kubeconfig', cluster.kubeconfig],
    code: 1,
    says: /TOKEN_INVALID/,
  },
  {
    name: 'no token in a cluster that never joined',
    args: (hub) => ['--hub', hub.url, '--kubeconfig', cluster.kubeconfig],
    code: 1,
    says: /KEY_MISSING/,
  },
  { name: 'a kubeconfig that is not there', args: () => ['--kubeconfig', '/nowhere/config'], code: 1, says: /USAGE.*\/nowhere\/config/ },
];
for (const { name, args, code, says } of ends) {
  test(`an agent started with ${name} ends with code ${code} and says why`, async () => {
    await forget();
    await using dir = await tempDir('agent');
    await using hub = await startHub();
    await using agent = await startAgent(dir.path, args(hub));
    const exit = await agent.program.awaitExit();
    assert.equal(exit.code, code, JSON.stringify(exit));
    assert.match(await agent.log(), says);
  });
}

for (const crash of ['identity-write:before', 'identity-write:after', 'identity-write:before:2', 'identity-write:after:2']) {
  test(`F1 an agent that dies at ${crash} joins after a restart with the same token`, async () => {
    await forget();
    await using dir = await tempDir('agent');
    await using hub = await startHub();
    const args = ['--hub', hub.url, '--token', await hub.token({ cluster: 'prod-eu' }), '--kubeconfig', cluster.kubeconfig];
    {
      await using agent = await startAgent(dir.path, args, { DROVER_CRASH_AT: crash });
      assert.equal((await agent.program.awaitExit()).signal, 'SIGKILL');
    }
    await using agent = await startAgent(dir.path, args);
    await eventually(() => assert.equal(hub.collector.online().size, 1), 20_000);
    const rows = await hub.store.db.selectFrom('cluster').selectAll().execute();
    assert.deepEqual(
      rows.map(({ name }) => name),
      ['prod-eu'],
    );
    agent.program.kill('SIGTERM');
    await agent.program.awaitExit();
  });
}
