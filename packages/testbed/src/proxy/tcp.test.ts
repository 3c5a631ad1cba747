import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import test from 'node:test';

import { startTcpProxy } from './tcp.ts';

interface Echo extends AsyncDisposable {
  readonly port: number;
}

async function startEcho(): Promise<Echo> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

async function dial(port: number): Promise<Socket & Disposable> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  return Object.assign(socket, { [Symbol.dispose]: () => void socket.destroy() });
}

async function ask(socket: Socket, text: string): Promise<string> {
  socket.write(text);
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  return chunk.toString();
}

test('a proxy passes bytes both ways', async () => {
  await using echo = await startEcho();
  await using proxy = await startTcpProxy({ target: echo });
  using socket = await dial(proxy.port);
  assert.equal(await ask(socket, 'hello'), 'hello');
  assert.equal(proxy.connections, 1);
});

test('refusing resets what is open and lets nobody in, until it passes again on the same port', async () => {
  await using echo = await startEcho();
  await using proxy = await startTcpProxy({ target: echo });
  using socket = await dial(proxy.port);
  assert.equal(await ask(socket, 'hello'), 'hello');
  const gone = once(socket, 'error');
  await proxy.setMode({ type: 'refuse' });
  assert.equal(((await gone)[0] as NodeJS.ErrnoException).code, 'ECONNRESET');
  await assert.rejects(dial(proxy.port), { code: 'ECONNREFUSED' });
  await proxy.setMode({ type: 'pass' });
  using again = await dial(proxy.port);
  assert.equal(await ask(again, 'back'), 'back');
});

test('a black hole takes connections and holds all bytes, which arrive when it ends', async () => {
  await using echo = await startEcho();
  await using proxy = await startTcpProxy({ target: echo });
  await proxy.setMode({ type: 'black-hole' });
  using socket = await dial(proxy.port);
  const answer = ask(socket, 'hello');
  const first = await Promise.race([answer, new Promise((done) => setTimeout(done, 60, 'nothing'))]);
  assert.equal(first, 'nothing');
  await proxy.setMode({ type: 'pass' });
  assert.equal(await answer, 'hello');
});

test('a half-open connection stays for the client and is dead, while new ones pass', async () => {
  await using echo = await startEcho();
  await using proxy = await startTcpProxy({ target: echo });
  using socket = await dial(proxy.port);
  assert.equal(await ask(socket, 'hello'), 'hello');
  await proxy.setMode({ type: 'half-open' });
  const answer = ask(socket, 'anybody?').catch(() => 'closed');
  using fresh = await dial(proxy.port);
  assert.equal(await ask(fresh, 'new'), 'new');
  assert.equal(await Promise.race([answer, new Promise((done) => setTimeout(done, 60, 'silence'))]), 'silence');
  socket.destroy(new Error('enough'));
  assert.equal(await answer, 'closed');
});

test('latency delays every piece and keeps their order', async () => {
  await using echo = await startEcho();
  await using proxy = await startTcpProxy({ target: echo });
  await proxy.setMode({ type: 'latency', ms: 40 });
  using socket = await dial(proxy.port);
  const started = performance.now();
  assert.equal(await ask(socket, 'hello'), 'hello');
  assert.ok(performance.now() - started >= 78);
});

test('a connection is reset after the given number of bytes to the client', async () => {
  await using echo = await startEcho();
  await using proxy = await startTcpProxy({ target: echo });
  await proxy.setMode({ type: 'reset', afterBytes: 3 });
  using socket = await dial(proxy.port);
  const gone = new Promise((done) => socket.on('close', done));
  let got = '';
  socket.on('data', (chunk: Buffer) => (got += chunk.toString()));
  socket.on('error', () => undefined);
  socket.write('hello');
  await gone;
  assert.ok('hel'.startsWith(got), got);
});
