import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import test from 'node:test';

import { startNats } from './nats.ts';

/** The first line a NATS server says. */
async function greeting(port: number): Promise<{ jetstream?: boolean; auth_required?: boolean; server_id: string }> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const [line] = (await once(createInterface({ input: socket }), 'line')) as [string];
  socket.destroy();
  return JSON.parse(line.slice('INFO '.length)) as { server_id: string };
}

test('a NATS server takes a free port and has a store', async () => {
  await using nats = await startNats();
  assert.equal((await greeting(nats.port)).jetstream, true);
  assert.ok(existsSync(nats.storeDir));
});

test('a NATS server obeys the given configuration', async () => {
  await using nats = await startNats({ config: 'authorization { token: "secret" }', jetstream: false });
  const info = await greeting(nats.port);
  assert.equal(info.auth_required, true);
  assert.equal(info.jetstream ?? false, false);
});

test('a NATS server that was killed comes back on its old address, with a wiped store if told so', async () => {
  await using nats = await startNats();
  const { url, port } = nats;
  const before = await greeting(port);
  nats.kill('SIGKILL');
  await nats.stop();
  await assert.rejects(greeting(port), { code: 'ECONNREFUSED' });
  await nats.wipeStore();
  await nats.start();
  assert.equal(nats.url, url);
  assert.notEqual((await greeting(port)).server_id, before.server_id);
});
