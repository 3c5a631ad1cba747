// A network that can fail, between a program and its server.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

export type TcpMode =
  | { readonly type: 'pass' }
  /** Nobody listens; connections that exist are reset. */
  | { readonly type: 'refuse' }
  /** Connections are taken and existing ones stay, but no byte moves until the mode changes; then all that was held goes on. */
  | { readonly type: 'black-hole' }
  /** The server's side of the connections that exist is gone without a word to the client; new ones pass. */
  | { readonly type: 'half-open' }
  /** Each piece of data is this much later, in both directions; order is kept. */
  | { readonly type: 'latency'; readonly ms: number }
  /** Each connection, existing or new, is reset when this many more bytes have gone to the client. */
  | { readonly type: 'reset'; readonly afterBytes: number };

export interface TcpProxyOptions {
  readonly target: { readonly host?: string; readonly port: number };
  /** A free one by default. */
  readonly port?: number;
}

export interface TcpProxy extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** Open connections of clients. */
  readonly connections: number;
  /** Connections taken since the start. */
  readonly accepted: number;
  setMode(mode: TcpMode): Promise<void>;
}

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  setMode(mode: TcpMode): void;
}

export async function startTcpProxy(options: TcpProxyOptions): Promise<TcpProxy> {
  const host = '127.0.0.1';
  const pairs = new Set<Pair>();
  let mode: TcpMode = { type: 'pass' };
  let accepted = 0;

  const listener = createServer({ pauseOnConnect: true }, (client) => {
    accepted += 1;
    const server = connect(options.target.port, options.target.host ?? '127.0.0.1');
    const pair = join(client, server, mode.type === 'half-open' ? { type: 'pass' } : mode);
    pairs.add(pair);
    client.on('close', () => pairs.delete(pair));
  });

  async function listen(port: number): Promise<number> {
    listener.listen(port, host);
    await once(listener, 'listening');
    return (listener.address() as AddressInfo).port;
  }

  const port = await listen(options.port ?? 0);
  return {
    host,
    port,
    get connections() {
      return pairs.size;
    },
    get accepted() {
      return accepted;
    },
    async setMode(next) {
      mode = next;
      if (mode.type === 'refuse') {
        for (const { client } of pairs) client.resetAndDestroy();
        if (listener.listening) listener.close();
      } else {
        for (const pair of pairs) pair.setMode(mode);
        if (!listener.listening) await listen(port);
      }
    },
    async [Symbol.asyncDispose]() {
      for (const { client, server } of pairs) {
        client.destroy();
        server.destroy();
      }
      if (!listener.listening) return;
      const closed = once(listener, 'close');
      listener.close();
      await closed;
    },
  };
}

function join(client: Socket, server: Socket, first: TcpMode): Pair {
  let mode = first;
  /** Bytes that may still go to the client in mode `reset`. */
  let allowed = first.type === 'reset' ? first.afterBytes : 0;
  let cut = false;
  const held: (() => void)[] = [];

  /** One direction; `tail` keeps the order of pieces that are late by different amounts. */
  function carry(from: Socket, to: Socket): void {
    let tail = Promise.resolve();
    const later = (deliver: () => void): void => {
      const { type } = mode;
      if (type === 'black-hole') {
        held.push(() => later(deliver));
        return;
      }
      const wait = mode.type === 'latency' ? new Promise((done) => setTimeout(done, mode.type === 'latency' ? mode.ms : 0)) : undefined;
      tail = tail.then(() => wait).then(deliver);
    };
    from.on('data', (chunk: Buffer) => {
      if (cut) return;
      later(() => {
        if (to === client && mode.type === 'reset') {
          to.write(chunk.subarray(0, allowed));
          allowed -= chunk.length;
          if (allowed <= 0) setImmediate(() => client.resetAndDestroy());
        } else if (!to.destroyed && !to.write(chunk)) {
          from.pause();
          to.once('drain', () => from.resume());
        }
      });
    });
    from.on('end', () => {
      if (!cut) later(() => to.end());
    });
    from.on('error', () => {
      if (!cut) to.destroy();
    });
    from.on('close', () => {
      if (!cut && mode.type !== 'black-hole') later(() => to.destroy());
    });
  }
  carry(client, server);
  carry(server, client);
  client.on('close', () => server.destroy());
  client.resume();

  return {
    client,
    server,
    setMode(next) {
      mode = next;
      if (next.type === 'reset') allowed = next.afterBytes;
      if (next.type === 'half-open') {
        cut = true;
        server.destroy();
      }
      if (next.type !== 'black-hole') for (const go of held.splice(0)) go();
    },
  };
}
