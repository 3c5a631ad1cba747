import 'reflect-metadata';
import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import type { webcrypto } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer } from 'node:tls';
import { test } from 'node:test';
import { BasicConstraintsExtension, Pkcs10CertificateRequestGenerator, SubjectAlternativeNameExtension } from '@peculiar/x509';
import type { Extension } from '@peculiar/x509';
import { random } from '@drover/runtime';
import {
  AGENT_CERTIFICATE_MS,
  issueAgentCertificate,
  issueServerCertificate,
  keyDigest,
  makeAuthority,
  readAgentCertificate,
  readCsr,
} from './certificates-adapter.ts';

const FLEET = '11111111-2222-4333-8444-555555555555';
const UID = 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee';
const now = Date.now();
const ca = await makeAuthority(random, FLEET, now);
const EC = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

async function csr(extensions: Extension[] = [], algorithm: { name: string; namedCurve?: string; hash: string } = EC): Promise<Uint8Array> {
  const keys = (await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
  const request = await Pkcs10CertificateRequestGenerator.create({ name: 'CN=x', keys, signingAlgorithm: algorithm, extensions });
  return new Uint8Array(request.rawData);
}

test('an agent certificate names the cluster, for clients only, for 24 hours', async () => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = await issueAgentCertificate(random, ca, { fleet: FLEET, uid: UID, publicKey }, now);
  const certificate = new X509Certificate(pem);
  assert.equal(certificate.subjectAltName, `URI:drover://${FLEET}/cluster/${UID}`);
  assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.2']);
  assert.equal(certificate.ca, false);
  assert.ok(certificate.verify(createPublicKey(ca.privateKey)));
  const read = readAgentCertificate(ca, FLEET, certificate.raw);
  assert.equal(read.uid, UID);
  assert.equal(read.keyDigest, keyDigest(publicKey));
  assert.ok(Math.abs(read.notAfter - (now + AGENT_CERTIFICATE_MS)) <= 1000);
});

test('the server certificate is trusted by the authority for every name it is given and the loopback', async () => {
  const server = await issueServerCertificate(random, ca, ['hub.example.com', '10.1.2.3'], now);
  const listener = createServer({ cert: server.certificatePem, key: server.privateKeyPem }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as { port: number };
  try {
    for (const servername of ['hub.example.com', 'localhost']) {
      const socket = connect({ host: '127.0.0.1', port, ca: ca.certificatePem, servername });
      await once(socket, 'secureConnect');
      assert.equal(socket.authorized, true);
      socket.destroy();
    }
    const names = new X509Certificate(server.certificatePem);
    for (const address of ['10.1.2.3', '127.0.0.1', '::1']) assert.notEqual(names.checkIP(address), undefined, address);
    const stranger = connect({ host: '127.0.0.1', port, ca: ca.certificatePem, servername: 'other.example.com' });
    const [error] = (await once(stranger, 'error')) as [{ code: string }];
    assert.equal(error.code, 'ERR_TLS_CERT_ALTNAME_INVALID');
  } finally {
    listener.close();
  }
});

test('T4 a certificate request only proves its key', async () => {
  assert.equal((await readCsr(await csr())).asymmetricKeyType, 'ec');
});

const damaged = await csr();
damaged[damaged.length - 1] = (damaged.at(-1) ?? 0) ^ 1;
const refusals: readonly { readonly name: string; readonly der: Uint8Array }[] = [
  {
    name: 'that asks for another name',
    der: await csr([new SubjectAlternativeNameExtension([{ type: 'dns', value: 'hub.example.com' }])]),
  },
  { name: 'that asks to be an authority', der: await csr([new BasicConstraintsExtension(true)]) },
  { name: 'with a key of another curve', der: await csr([], { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' }) },
  { name: 'with a wrong signature', der: damaged },
  { name: 'that is no request', der: Buffer.from('hello') },
  { name: 'that is empty', der: new Uint8Array(0) },
  { name: 'that is huge', der: new Uint8Array(100_000) },
];
for (const { name, der } of refusals) {
  test(`T4 a certificate request ${name} is refused`, async () => {
    await assert.rejects(readCsr(der), { code: 'JOIN_REFUSED' });
  });
}

test('T4 a certificate of another authority, of another fleet, or of the hub itself is no agent’s', async () => {
  const other = await makeAuthority(random, FLEET, now);
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const foreign = new X509Certificate(await issueAgentCertificate(random, other, { fleet: FLEET, uid: UID, publicKey }, now));
  const elsewhere = new X509Certificate(await issueAgentCertificate(random, ca, { fleet: UID, uid: UID, publicKey }, now));
  const server = new X509Certificate((await issueServerCertificate(random, ca, [], now)).certificatePem);
  for (const certificate of [foreign, elsewhere, server]) {
    assert.throws(() => readAgentCertificate(ca, FLEET, certificate.raw), { code: 'CLUSTER_UNKNOWN' });
  }
  assert.throws(() => readAgentCertificate(ca, FLEET, Buffer.from('x')), { code: 'CLUSTER_UNKNOWN' });
});
