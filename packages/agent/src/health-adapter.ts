import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DroverError } from '@drover/contract';

/** What a probe or a scraper is told. */
export interface HealthDeps {
  readonly port: number;
  /** Undefined when the agent is ready to enforce; else why not. */
  readonly unready: () => string | undefined;
  /** Text in Prometheus' format. */
  readonly metrics: () => string;
}

export interface HealthServer extends AsyncDisposable {
  readonly port: number;
}

/** `/livez` (this process turns its loop), `/readyz`, `/metrics`. @throws DroverError LISTEN_FAILED */
export async function startHealth(deps: HealthDeps): Promise<HealthServer> {
  const server = createServer((request, response) => {
    const say = (status: number, text: string, type = 'text/plain; charset=utf-8'): void => {
      response.writeHead(status, { 'content-type': type }).end(text);
    };
    if (request.method !== 'GET') return say(405, 'GET only\n');
    if (request.url === '/livez') return say(200, 'ok\n');
    if (request.url === '/metrics') return say(200, deps.metrics(), 'text/plain; version=0.0.4; charset=utf-8');
    if (request.url !== '/readyz') return say(404, 'not found\n');
    const unready = deps.unready();
    say(unready === undefined ? 200 : 503, `${unready ?? 'ok'}\n`);
  });
  server.requestTimeout = 5_000;
  server.maxConnections = 100;
  server.listen(deps.port);
  try {
    await once(server, 'listening');
  } catch (thrown) {
    throw new DroverError('LISTEN_FAILED', `port ${deps.port}`, 'the port cannot be taken', { cause: thrown });
  }
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}
