import assert from 'node:assert/strict';
import { webcrypto } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { suite, test } from 'node:test';
import { createServer } from 'node:tls';
import type { Server } from 'node:tls';
import 'reflect-metadata';
import { PemConverter, SubjectAlternativeNameExtension, X509CertificateGenerator } from '@peculiar/x509';
import { never, specOf, startFixture, taken } from './testdata/fixture.ts';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

async function makeCertificate(): Promise<{ cert: string; key: string }> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name: 'CN=git.test',
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 3_600_000),
    signingAlgorithm: ALGORITHM,
    keys: keys as never,
    extensions: [new SubjectAlternativeNameExtension([{ type: 'ip', value: '127.0.0.1' }])],
  });
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return { cert: certificate.toString('pem'), key: PemConverter.encode(pkcs8, 'PRIVATE KEY') };
}

/** TLS in front of a port. */
async function startTls(port: number, options: { cert: string; key: string }): Promise<Server> {
  const server = createServer(options, (client) => {
    const upstream = connect(port, '127.0.0.1');
    client.on('error', () => upstream.destroy()).pipe(upstream);
    upstream.on('error', () => client.destroy()).pipe(client);
  });
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

suite('T11 a source over https', () => {
  test('T11 a certificate that nobody trusts is refused; ca.crt of the secret makes it trusted, another one does not', async () => {
    const [own, other] = [await makeCertificate(), await makeCertificate()];
    await using f = await startFixture({ auth: { user: 'hub', password: 'pw' } });
    const sha = await f.writer.publish('first', { 'a.yaml': '' });
    const tls = await startTls(f.server.port, own);
    try {
      const spec = specOf(`https://127.0.0.1:${(tls.address() as AddressInfo).port}/fleet.git`, {
        insecure: false,
        secretRef: 'fleet-git',
      });
      const mirror = f.mirrors().mirror(spec);
      await using _ = mirror;
      const credentials = [
        ['username', Buffer.from('hub')],
        ['password', Buffer.from('pw')],
      ] as const;
      f.secrets.set('drover/fleet-git', new Map(credentials));
      const before = f.server.requests.read;
      for (const extra of [[], [['ca.crt', Buffer.from(other.cert)] as const]]) {
        f.secrets.set('drover/fleet-git', new Map([...credentials, ...extra]));
        const refused = await mirror.fetch(spec, never);
        assert.deepEqual([refused.problem?.code, refused.tree], ['GIT_UNREACHABLE', undefined]);
        assert.match(refused.problem?.message ?? '', /certificate/);
      }
      assert.equal(f.server.requests.read, before, 'nothing was sent, credentials least of all');
      f.secrets.set('drover/fleet-git', new Map([...credentials, ['ca.crt', Buffer.from(own.cert)]]));
      assert.equal(taken(await mirror.fetch(spec, never)).commit.sha, sha);
      for (const { env } of f.started) assert.ok(['https', ''].includes(env['GIT_ALLOW_PROTOCOL'] ?? 'absent'));
    } finally {
      tls.close();
    }
  });
});
