import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { test } from 'node:test';
import { parseJoinToken } from '@drover/contract';
import { createEnrolmentPort } from './enrolment-adapter.ts';
import { makeFleet, startHub } from './testdata/hub.ts';

const port = createEnrolmentPort();
const never = new AbortController().signal;
const portOf = (server: Server): number => (server.address() as AddressInfo).port;

test('the hub’s addresses are read from its URL', async () => {
  await using hub = await startHub();
  assert.equal((await port.addresses(`${hub.url}/`, never)).enrolment, hub.enrolmentAddress);
});

test('the authority of the hub is found by the digest in the token', async () => {
  await using hub = await startHub();
  const { caDigest } = parseJoinToken(await hub.token());
  const pem = await port.authority(hub.enrolmentAddress, caDigest, never);
  assert.equal(new X509Certificate(pem).fingerprint256, new X509Certificate(hub.keys.ca.certificatePem).fingerprint256);
});

test('T4 a hub that does not hold the key of the token is not told the token', async () => {
  await using hub = await startHub();
  const other = await makeFleet();
  await assert.rejects(port.authority(hub.enrolmentAddress, other.ca.keyDigest, never), { code: 'HUB_UNTRUSTED' });
});

test('nobody at the address is HUB_UNREACHABLE', async () => {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const closed = portOf(server);
  await new Promise((done) => server.close(done));
  await assert.rejects(port.authority(`127.0.0.1:${closed}`, 'ab'.repeat(32), never), { code: 'HUB_UNREACHABLE' });
  await assert.rejects(port.addresses(`http://127.0.0.1:${closed}`, never), { code: 'HUB_UNREACHABLE' });
  const keys = await makeFleet();
  const request = { certificate: new Uint8Array(1), signature: new Uint8Array(1), time: 0 };
  await assert.rejects(port.renew(`127.0.0.1:${closed}`, keys.ca.certificatePem, request, never), { code: 'HUB_UNREACHABLE' });
});

test('who closes the connection, or speaks no TLS, is HUB_UNREACHABLE', async () => {
  for (const answer of ['', 'HTTP/1.1 200 OK\r\n\r\n']) {
    const server = createTcpServer((socket) => socket.on('error', () => {}).end(answer)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    await assert.rejects(port.authority(`127.0.0.1:${portOf(server)}`, 'ab'.repeat(32), never), { code: 'HUB_UNREACHABLE' });
    server.close();
  }
});

test('an answer of another program is no hub', async () => {
  for (const [status, body] of [
    [404, 'not found'],
    [200, '<html>'],
    [200, '{}'],
    [200, '{"addresses":{"enrolment":"no port"}}'],
    [200, 'x'.repeat(1_000_000)],
  ] as const) {
    const server = createServer((_request, response) => response.writeHead(status).end(body)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    await assert.rejects(port.addresses(`http://127.0.0.1:${portOf(server)}`, never), { code: 'HUB_UNREACHABLE' });
    server.closeAllConnections();
    server.close();
  }
});

test('what the hub refuses keeps its code', async () => {
  await using hub = await startHub();
  const request = { token: 'drover_x', csr: new Uint8Array(0), sealingKey: '', uid: 'u', natsUser: '' };
  await assert.rejects(port.join(hub.enrolmentAddress, hub.keys.ca.certificatePem, request, never), { code: 'TOKEN_INVALID' });
});

test('a call ends with its signal', async () => {
  const server = createTcpServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const keys = await makeFleet();
  const ending = new AbortController();
  const request = { certificate: new Uint8Array(1), signature: new Uint8Array(1), time: 0 };
  const calls = [
    port.renew(`127.0.0.1:${portOf(server)}`, keys.ca.certificatePem, request, ending.signal),
    port.authority(`127.0.0.1:${portOf(server)}`, 'ab'.repeat(32), ending.signal),
    port.addresses(`http://127.0.0.1:${portOf(server)}`, ending.signal),
  ];
  ending.abort(new Error('stopped'));
  for (const call of calls) await assert.rejects(call, /stopped/);
  server.close();
});
