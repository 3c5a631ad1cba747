import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from '@drover/contract';
import { rawPublicKey } from '@drover/contract';
import { startCollector } from '../../../../hub/src/collect/collector.ts';
import type { AgentBatch } from '../../../../hub/src/collect/types.ts';
import { keyDigest, makeAuthority } from '../../../../hub/src/identity/certificates-adapter.ts';
import { createEnrolment } from '../../../../hub/src/identity/enrol.ts';
import { makeNatsKeys } from '../../../../hub/src/identity/nats-keys.ts';
import { createJoinToken } from '../../../../hub/src/identity/tokens.ts';
import type { NewJoinToken } from '../../../../hub/src/identity/tokens.ts';
import type { FleetKeys } from '../../../../hub/src/identity/types.ts';
import { openSqlite } from '../../../../hub/src/state/sqlite-adapter.ts';
import { openStore } from '../../../../hub/src/state/store.ts';
import { clock, random } from '@drover/runtime';
import { generateKeyPairSync } from 'node:crypto';

/** The hub's real enrolment and report listeners, for tests of the agent's end. */
const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

export async function makeFleet(): Promise<FleetKeys> {
  const fleet = randomUUID();
  const authority = await makeAuthority(random, fleet, Date.now());
  const ca = { ...authority, keyDigest: keyDigest(authority.privateKey) };
  return { fleet, secret: random.bytes(32), headKeys: [generateKeyPairSync('ed25519').privateKey], ca, nats: makeNatsKeys(Date.now()) };
}

export async function startHub(options: { readonly keys?: FleetKeys } = {}) {
  const keys = options.keys ?? (await makeFleet());
  const store = await openStore({ dialect: openSqlite(':memory:').dialect, now: () => Date.now() });
  const batches: AgentBatch[] = [];
  const joins: { readonly uid: string }[] = [];
  let fleetAddress = '';
  const listen = async (ports: { readonly enrolmentPort: number; readonly fleetPort: number }) => {
    const running = await startCollector({
      store,
      keys,
      clock,
      random,
      log: silent,
      enrolment: createEnrolment({
        store,
        keys,
        clock,
        random,
        log: silent,
        addresses: () => ({ natsUrls: ['tls://localhost:4222'], fleetAddress }),
        onJoined: (joined) => {
          joins.push(joined);
          if (joined.replaced !== undefined) running.disconnect(joined.uid);
        },
      }),
      listen: { host: '127.0.0.1', ...ports },
      publicHosts: [],
      onBatch: async (list) => void batches.push(...list),
      onOnline: () => {},
      onOffline: () => {},
    });
    fleetAddress = `localhost:${running.fleetPort}`;
    return running;
  };
  let collector = await listen({ enrolmentPort: 0, fleetPort: 0 });
  const ports = { enrolmentPort: collector.enrolmentPort, fleetPort: collector.fleetPort };
  const http = createServer((request, response) => {
    const addresses = { enrolment: `localhost:${ports.enrolmentPort}`, fleet: fleetAddress, nats: [] };
    response.writeHead(request.url === '/v1/info' ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ version: '0.1.0', fleet: keys.fleet, addresses }));
  }).listen(0, '127.0.0.1');
  await once(http, 'listening');
  return {
    keys,
    store,
    batches,
    joins,
    headKeys: keys.headKeys.map(rawPublicKey),
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    enrolmentAddress: `localhost:${ports.enrolmentPort}`,
    get fleetAddress() {
      return fleetAddress;
    },
    get collector() {
      return collector;
    },
    token: async (wish: NewJoinToken = {}) => (await createJoinToken({ store, clock, random }, keys, wish)).token,
    /** Ends and starts the listeners, at the same ports. */
    stop: () => collector[Symbol.asyncDispose](),
    start: async () => void (collector = await listen(ports)),
    async [Symbol.asyncDispose]() {
      await collector[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      http.closeAllConnections();
      await new Promise((done) => http.close(done));
    },
  };
}
