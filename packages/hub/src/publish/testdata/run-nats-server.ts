import { accountJwt } from '#identity/nats-keys.ts';
import { startNatsServer } from '../nats-server-adapter.ts';
import { testKeys, testPorts } from './fleet.ts';

/** A hub that does nothing but hold its nats-server; prints the server's pid. */
const directory = process.argv[2] ?? '';
const keys = testKeys();
const nats = await startNatsServer(
  {
    environment: process.env,
    conf: { keys: keys.nats, host: '127.0.0.1', port: 0, maxFileStoreBytes: 1e8 },
    directory,
    accountJwt: async () => accountJwt(keys.nats, [], Date.now()),
    ...testPorts(directory),
  },
  AbortSignal.timeout(20_000),
);
process.stdout.write(`${nats.pid}\n`);
setInterval(() => undefined, 1000);
