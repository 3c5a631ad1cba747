import 'reflect-metadata';
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import test from 'node:test';
import { Pkcs10CertificateRequest } from '@peculiar/x509';
import { certificateRequest } from './certificate-request.ts';

const cases = [
  { size: 'a short name', name: 'b1f0c5c2-6f0c-4d0e-9b57-0a8f4f3f7f10' },
  { size: 'a name whose length takes two bytes', name: 'n'.repeat(200) },
  { size: 'a name whose length takes three bytes', name: 'ü'.repeat(300) },
];
for (const { size, name } of cases) {
  test(`a certificate request with ${size} is read back with its name, its key and a signature that holds`, async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const request = new Pkcs10CertificateRequest(certificateRequest(privateKey, name));
    assert.equal(request.subject, `CN=${name}`);
    assert.deepEqual(Buffer.from(request.publicKey.rawData), publicKey.export({ type: 'spki', format: 'der' }));
    assert.equal(await request.verify(), true);
  });
}
