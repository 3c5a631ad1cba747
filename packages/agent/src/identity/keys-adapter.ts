import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { createUser } from '@nats-io/nkeys';
import type { Random } from '@drover/contract';
import { makeSealingKey } from '@drover/contract';
import { certificateRequest } from './certificate-request.ts';
import type { KeyMaker } from './types.ts';

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
      return certificateRequest(createPrivateKey(keys.privateKeyPem), uid);
    },
  };
}
