import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { eventually, serverPath, tempDir } from '@drover/testbed';
import { accountJwt } from '#identity/nats-keys.ts';
import type { NatsServerOptions } from './nats-server-adapter.ts';
import { startNatsServer } from './nats-server-adapter.ts';
import { configMap, publishUnit, startHub, testCluster, testKeys, testPorts } from './testdata/fleet.ts';
import type { TestKeys } from './testdata/fleet.ts';

const WAIT = 15_000;
const soon = (): AbortSignal => AbortSignal.timeout(WAIT);

function options(keys: TestKeys, directory: string, over: Partial<NatsServerOptions> = {}): NatsServerOptions {
  return {
    environment: process.env,
    conf: { keys: keys.nats, host: '127.0.0.1', port: 0, maxFileStoreBytes: 200_000_000 },
    directory,
    accountJwt: async () => accountJwt(keys.nats, [], Date.now()),
    ...testPorts(directory),
    ...over,
  };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

test('nats-server runs with its configuration private, and is started again on its port when it dies', async () => {
  const keys = testKeys();
  await using temp = await tempDir();
  const directory = join(temp.path, 'nats');
  await using nats = await startNatsServer(options(keys, directory), soon());
  assert.equal((await stat(join(directory, 'nats.conf'))).mode & 0o777, 0o600);
  const { pid, port } = nats;
  assert.ok(pid !== undefined && port > 0);
  await using hub = await startHub(keys, `nats://127.0.0.1:${port}`, join(temp.path, 'hub'));
  const cluster = await testCluster(1);
  await publishUnit(keys, hub, cluster, [configMap('a', '1')]);
  await eventually(() => assert.equal(hub.publisher.pending().heads, 0), WAIT);
  process.kill(pid, 'SIGKILL');
  await eventually(() => assert.ok(nats.pid !== undefined && nats.pid !== pid), WAIT);
  assert.equal(nats.port, port);
  assert.equal(nats.problem, undefined);
  await publishUnit(keys, hub, cluster, [configMap('a', '2')]);
  await eventually(() => assert.deepEqual([hub.publisher.pending().heads, hub.publisher.pending().problem], [0, undefined]), WAIT);
});

test('a stop ends the server, and a program that cannot start says why', async () => {
  const keys = testKeys();
  await using temp = await tempDir();
  const nats = await startNatsServer(options(keys, temp.path), soon());
  const { pid = 0 } = nats;
  await nats[Symbol.asyncDispose]();
  assert.equal(isAlive(pid), false);
  await assert.rejects(startNatsServer(options(keys, temp.path, { program: '/nowhere/nats-server' }), soon()), {
    code: 'NATS_UNREACHABLE',
  });
  const nothing = options(keys, temp.path, { environment: { PATH: '/nowhere' } });
  await assert.rejects(startNatsServer(nothing, soon()), { message: /DROVER_NATS_SERVER/ });
  const wrong = options(keys, temp.path, {
    conf: { keys: { ...keys.nats, operatorJwt: 'x.y.z' }, host: '127.0.0.1', port: 0, maxFileStoreBytes: 1 },
  });
  await assert.rejects(startNatsServer(wrong, soon()), { code: 'NATS_UNREACHABLE', message: /JWT|token|operator/i });
});

test('F5 a hub that is killed leaves no server behind', async () => {
  await using temp = await tempDir();
  const program = join(import.meta.dirname, 'testdata', 'run-nats-server.ts');
  const hub = spawn(process.execPath, [program, temp.path], {
    env: { ...process.env, DROVER_NATS_SERVER: serverPath('nats-server') },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(hub.stdout, 'data')) as [Buffer];
  const pid = Number(line.toString());
  assert.ok(isAlive(pid));
  hub.kill('SIGKILL');
  await eventually(() => assert.equal(isAlive(pid), false), WAIT);
});

test('F5 a server that a killed hub did leave behind is ended before the next one starts', async () => {
  const keys = testKeys();
  await using temp = await tempDir();
  const first = await startNatsServer(options(keys, temp.path), soon());
  await first[Symbol.asyncDispose]();
  const orphan = spawn(serverPath('nats-server'), ['-c', join(temp.path, 'nats.conf')], { stdio: 'ignore' });
  await eventually(() => assert.ok(existsSync(join(temp.path, `nats-server_${orphan.pid}.ports`))), WAIT);
  await writeFile(join(temp.path, 'nats-server.pid'), String(orphan.pid));
  const ended = once(orphan, 'exit');
  await using second = await startNatsServer(options(keys, temp.path), soon());
  await ended;
  assert.notEqual(second.pid, orphan.pid);
  assert.equal(Number(await readFile(join(temp.path, 'nats-server.pid'), 'utf8')), second.pid);
});

test('a process that has the number of an earlier server by chance is left alone', async () => {
  const keys = testKeys();
  await using temp = await tempDir();
  await writeFile(join(temp.path, 'nats-server.pid'), String(process.pid));
  await using nats = await startNatsServer(options(keys, temp.path), soon());
  assert.ok(nats.pid !== undefined);
  const { stdout } = await promisify(execFile)(serverPath('nats-server'), ['--version']);
  assert.match(stdout, /nats-server: v?2\.(1[4-9]|[2-9]\d)/);
});
