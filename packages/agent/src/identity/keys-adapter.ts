import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { createUser } from '@nats-io/nkeys';
import type { Random } from '@drover/contract';
import { makeSealingKey } from '@drover/contract';
import type { KeyMaker } from './types.ts';

const EC = { name: 'ECDSA', namedCurve: 'P-256' } as const;

export function createKeyMaker(random: Random): KeyMaker {
  return {
    async make() {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const nats = createUser();
      return {
        privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
        sealing: await makeSealingKey(),
        natsSeed: new TextDecoder().decode(nats.getSeed()),
        natsUser: nats.getPublicKey(),
        cacheKey: Buffer.from(random.bytes(32)).toString('base64'),
      };
    },
    async request(keys, uid) {
      // Needed once in the life of a cluster; it costs more memory than everything else here.
      await import('reflect-metadata');
      const { Pkcs10CertificateRequestGenerator } = await import('@peculiar/x509');
      const privateKey = createPrivateKey(keys.privateKeyPem);
      const pair = {
        privateKey: privateKey.toCryptoKey(EC, false, ['sign']),
        publicKey: createPublicKey(privateKey).toCryptoKey(EC, true, ['verify']),
      };
      const signingAlgorithm = { name: 'ECDSA', hash: 'SHA-256' };
      const csr = await Pkcs10CertificateRequestGenerator.create({ name: `CN=${uid}`, keys: pair, signingAlgorithm });
      return new Uint8Array(csr.rawData);
    },
  };
}
