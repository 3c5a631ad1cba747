import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Clock } from '@drover/contract';
import { DroverError } from '@drover/contract';
import { tempDir } from '@drover/testbed';
import { inClusterCredentials, kubeconfigCredentials } from './credentials-adapter.ts';

const clockAt = (): Clock & { ms: number } => ({
  ms: 0,
  now: () => 0,
  monotonic() {
    return this.ms;
  },
  sleep: async () => undefined,
});
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const isUsage = (thrown: unknown): boolean => thrown instanceof DroverError && thrown.code === 'USAGE';

const config = (user: object, cluster: object = {}): object => ({
  apiVersion: 'v1',
  kind: 'Config',
  clusters: [
    { name: 'one', cluster: { server: 'https://one.example:6443/', 'certificate-authority-data': base64('CA'), ...cluster } },
    { name: 'two', cluster: { server: 'https://two.example' } },
  ],
  users: [{ name: 'me', user }],
  contexts: [
    { name: 'first', context: { cluster: 'one', user: 'me', namespace: 'shop' } },
    { name: 'second', context: { cluster: 'two', user: 'me' } },
  ],
  'current-context': 'first',
});

async function written(content: object | string, name = 'kubeconfig'): Promise<{ path: string; dir: string } & AsyncDisposable> {
  const dir = await tempDir('kubeconfig');
  const path = join(dir.path, name);
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  return { path, dir: dir.path, [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose]() };
}

test('a kubeconfig in JSON gives server, namespace, authority and token of its current context', async () => {
  await using file = await written(config({ token: 'abc' }));
  const credentials = await kubeconfigCredentials({ path: file.path, clock: clockAt() });
  assert.equal(credentials.server, 'https://one.example:6443');
  assert.equal(credentials.namespace, 'shop');
  assert.deepEqual(await credentials.tls(), { ca: 'CA', rejectUnauthorized: true });
  assert.equal(await credentials.authorization(false), 'Bearer abc');
});

test('another context can be chosen by name', async () => {
  await using file = await written(config({ token: 'abc' }));
  const credentials = await kubeconfigCredentials({ path: file.path, context: 'second', clock: clockAt() });
  assert.equal(credentials.server, 'https://two.example');
  await assert.rejects(kubeconfigCredentials({ path: file.path, context: 'third', clock: clockAt() }), isUsage);
});

test('a client certificate may stand in the file or beside it', async () => {
  await using file = await written(
    config({ 'client-certificate-data': base64('CERT'), 'client-key': 'key.pem' }, { 'tls-server-name': 'api' }),
  );
  await writeFile(join(file.dir, 'key.pem'), 'KEY');
  const credentials = await kubeconfigCredentials({ path: file.path, clock: clockAt() });
  assert.deepEqual(await credentials.tls(), { ca: 'CA', cert: 'CERT', key: 'KEY', servername: 'api', rejectUnauthorized: true });
  assert.equal(await credentials.authorization(false), undefined);
});

test('F36 a token file is read again after a while, and at once when its token was refused', async () => {
  await using file = await written(config({ tokenFile: 'token' }));
  const clock = clockAt();
  const credentials = await kubeconfigCredentials({ path: file.path, clock });
  const token = join(file.dir, 'token');
  await writeFile(token, 'one\n');
  assert.equal(await credentials.authorization(false), 'Bearer one');
  await writeFile(token, 'two\n');
  assert.equal(await credentials.authorization(false), 'Bearer one');
  assert.equal(await credentials.authorization(true), 'Bearer two');
  await writeFile(token, 'three\n');
  clock.ms += 60_001;
  assert.equal(await credentials.authorization(false), 'Bearer three');
});

test('a kubeconfig in YAML is read by client-node', async () => {
  const yaml = [
    'apiVersion: v1',
    'kind: Config',
    'clusters: [{ name: one, cluster: { server: "https://one.example:6443", certificate-authority-data: Q0E= } }]',
    'users: [{ name: me, user: { token: abc } }]',
    'contexts: [{ name: first, context: { cluster: one, user: me, namespace: shop } }]',
    'current-context: first',
  ].join('\n');
  await using file = await written(yaml);
  const credentials = await kubeconfigCredentials({ path: file.path, clock: clockAt() });
  assert.equal(credentials.server, 'https://one.example:6443');
  assert.equal(credentials.namespace, 'shop');
  assert.deepEqual(await credentials.tls(), { ca: 'CA', rejectUnauthorized: true });
  assert.equal(await credentials.authorization(false), 'Bearer abc');
});

test('an exec plug-in is asked for the token', async () => {
  const credential = JSON.stringify({
    apiVersion: 'client.authentication.k8s.io/v1',
    kind: 'ExecCredential',
    status: { token: 'from-plugin' },
  });
  await using file = await written(
    config({ exec: { apiVersion: 'client.authentication.k8s.io/v1', command: '/bin/echo', args: [credential], interactiveMode: 'Never' } }),
  );
  const credentials = await kubeconfigCredentials({ path: file.path, clock: clockAt() });
  assert.equal(await credentials.authorization(false), 'Bearer from-plugin');
});

test('what cannot be read or used is an error of usage', async () => {
  await assert.rejects(kubeconfigCredentials({ path: '/nowhere/kubeconfig', clock: clockAt() }), isUsage);
  await using basic = await written(config({ username: 'me', password: 'x' }));
  await assert.rejects(kubeconfigCredentials({ path: basic.path, clock: clockAt() }), isUsage);
  await using empty = await written({ apiVersion: 'v1', kind: 'Config' });
  await assert.rejects(kubeconfigCredentials({ path: empty.path, clock: clockAt() }), isUsage);
});

test('in a pod the mounted files are used, and followed', async () => {
  await using file = await written('pod-ns', 'namespace');
  await writeFile(join(file.dir, 'ca.crt'), 'CA');
  await writeFile(join(file.dir, 'token'), 'one');
  const credentials = await inClusterCredentials({ host: 'fd00::1', port: '443', clock: clockAt(), dir: file.dir });
  assert.equal(credentials.server, 'https://[fd00::1]:443');
  assert.equal(credentials.namespace, 'pod-ns');
  assert.deepEqual(await credentials.tls(), { ca: 'CA', rejectUnauthorized: true });
  assert.equal(await credentials.authorization(false), 'Bearer one');
  await writeFile(join(file.dir, 'token'), 'two');
  assert.equal(await credentials.authorization(true), 'Bearer two');
  await assert.rejects(inClusterCredentials({ host: 'api', port: '443', clock: clockAt(), dir: join(file.dir, 'nothing') }), isUsage);
});
