import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { rawPublicKey } from '@drover/contract';
import type { Files } from '#ports';
import { clock, random } from '@drover/runtime';
import { keyDigest } from './certificates-adapter.ts';
import { initFleet, loadFleet, openFleet } from './fleet-keys.ts';

function memory() {
  const written = new Map<string, { readonly bytes: Buffer; readonly mode: number | undefined }>();
  const files = {
    read: async (path: string) => written.get(path)?.bytes,
    writeAtomic: async (path: string, bytes: Uint8Array | string, mode?: number) =>
      void written.set(path, { bytes: Buffer.from(bytes as string), mode }),
    makeDirectory: async () => {},
  } as unknown as Files;
  return { written, deps: { files, random, clock, directory: '/data/keys' } };
}

test('a fleet is made once and read again as it was', async () => {
  const { deps, written } = memory();
  const made = await openFleet(deps);
  const read = await openFleet(deps);
  assert.equal(read.fleet, made.fleet);
  assert.deepEqual(read.secret, made.secret);
  assert.deepEqual(read.headKeys.map(rawPublicKey), made.headKeys.map(rawPublicKey));
  assert.deepEqual(read.nats, made.nats);
  assert.equal(read.ca.keyDigest, made.ca.keyDigest);
  assert.equal(keyDigest(new X509Certificate(read.ca.certificatePem).publicKey), read.ca.keyDigest);
  assert.deepEqual(
    [...written.values()].map(({ mode }) => mode),
    [0o600, 0o600],
  );
});

test('the keys of a fleet are never replaced', async () => {
  const { deps } = memory();
  await initFleet(deps);
  await assert.rejects(initFleet(deps), { code: 'STORE_FAILED' });
});

test('a folder without keys is no fleet', async () => {
  assert.equal(await loadFleet(memory().deps), undefined);
});

const damaged: readonly { readonly name: string; readonly change: (text: string) => string; readonly code: string }[] = [
  { name: 'cut short', change: (text) => text.slice(0, 200), code: 'STORE_FAILED' },
  { name: 'with a damaged key', change: (text) => text.replace('BEGIN PRIVATE KEY', 'BEGIN NOTHING'), code: 'STORE_FAILED' },
  { name: 'of another format', change: (text) => text.replace('drover.keys/1', 'drover.keys/9'), code: 'STORE_NEWER' },
];
for (const { name, change, code } of damaged) {
  test(`I12 a file of keys ${name} is an error that quotes none of it`, async () => {
    const { deps, written } = memory();
    await initFleet(deps);
    const path = '/data/keys/fleet.json';
    written.set(path, { bytes: Buffer.from(change(written.get(path)?.bytes.toString() ?? '')), mode: 0o600 });
    await assert.rejects(openFleet(deps), (error: Error & { code: string }) => {
      assert.equal(error.code, code);
      assert.ok(!`${error.message}${String(error.cause)}`.includes('MC4C'));
      return true;
    });
  });
}
