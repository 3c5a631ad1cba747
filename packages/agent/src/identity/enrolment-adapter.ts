import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { isIP } from 'node:net';
import type { DetailedPeerCertificate } from 'node:tls';
import { connect } from 'node:tls';
import type { ClientUnaryCall, ServiceError } from '@grpc/grpc-js';
import { Agent, request as send } from 'undici';
import type { Credentials, HubAddresses } from '@drover/contract';
import { DroverError } from '@drover/contract';
import { EnrolmentClient, fromServiceError, toJoin, toRenew } from '@drover/contract/wire';
import { hubChannel, splitAddress } from './hub-channel-adapter.ts';
import type { EnrolmentPort } from './types.ts';

const TIMEOUT_MS = 10_000;
const CALL_MS = 20_000;
const MAX_INFO_BYTES = 64 * 1024;
const MAX_CHAIN = 10;

/** The hub over HTTP, TLS and gRPC. */
export function createEnrolmentPort(): EnrolmentPort {
  return {
    addresses,
    authority,
    join: (address, caPem, request, signal) => call(address, caPem, (client, done) => client.join(toJoin(request), done), signal),
    renew: (address, caPem, request, signal) => call(address, caPem, (client, done) => client.renew(toRenew(request), done), signal),
  };
}

async function addresses(hub: string, signal: AbortSignal): Promise<HubAddresses> {
  const url = `${hub.replace(/\/+$/, '')}/v1/info`;
  // Only addresses are read here; who answers at them is judged by the token's digest, so no certificate is needed.
  const agent = new Agent({
    connect: { rejectUnauthorized: false, timeout: TIMEOUT_MS },
    headersTimeout: TIMEOUT_MS,
    bodyTimeout: TIMEOUT_MS,
    maxResponseSize: MAX_INFO_BYTES,
    allowH2: false,
  });
  let status: number;
  let text: string;
  try {
    const reply = await send(url, { dispatcher: agent, signal, headers: { accept: 'application/json' } });
    status = reply.statusCode;
    text = await reply.body.text();
  } catch (thrown) {
    signal.throwIfAborted();
    throw new DroverError('HUB_UNREACHABLE', url, reasonOf(thrown), { cause: thrown });
  } finally {
    await agent.destroy();
  }
  if (status !== 200) throw new DroverError('HUB_UNREACHABLE', url, `it answers ${status}; is --hub the URL of a Drover hub?`);
  const found = readAddresses(text);
  if (found === undefined) throw new DroverError('HUB_UNREACHABLE', url, 'it names no addresses; is --hub the URL of a Drover hub?');
  return found;
}

function readAddresses(text: string): HubAddresses | undefined {
  try {
    const { addresses: named } = JSON.parse(text) as {
      readonly addresses?: { readonly enrolment?: unknown; readonly fleet?: unknown; readonly nats?: unknown };
    };
    const { enrolment, fleet, nats } = named ?? {};
    if (typeof enrolment !== 'string' || splitAddress(enrolment) === undefined) return undefined;
    return { enrolment, fleet: typeof fleet === 'string' ? fleet : '', nats: Array.isArray(nats) ? nats.map(String) : [] };
  } catch {
    return undefined;
  }
}

async function authority(address: string, caDigest: string, signal: AbortSignal): Promise<string> {
  const { host, port } = splitAddress(address) ?? { host: address, port: 0 };
  const limit = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
  // Whoever answers is looked at, told nothing, and believed nothing but a key with the right digest.
  const socket = connect({
    host,
    port,
    rejectUnauthorized: false,
    ALPNProtocols: ['h2'],
    ...(isIP(host) === 0 ? { servername: host } : {}),
  });
  try {
    await once(socket, 'secureConnect', { signal: limit });
    const found = chainOf(socket.getPeerCertificate(true)).find((certificate) => digestOf(certificate) === caDigest);
    if (found === undefined || !found.ca || !found.verify(found.publicKey)) {
      throw new DroverError('HUB_UNTRUSTED', address, 'who answers there does not hold the key that the token names');
    }
    return found.toString();
  } catch (thrown) {
    signal.throwIfAborted();
    if (thrown instanceof DroverError) throw thrown;
    throw new DroverError('HUB_UNREACHABLE', address, limit.aborted ? `no answer within ${TIMEOUT_MS / 1000} s` : reasonOf(thrown), {
      cause: thrown,
    });
  } finally {
    socket.destroy();
  }
}

function chainOf(leaf: DetailedPeerCertificate): readonly X509Certificate[] {
  const chain: X509Certificate[] = [];
  let next: DetailedPeerCertificate | undefined = leaf;
  while (next?.raw !== undefined && chain.length < MAX_CHAIN) {
    chain.push(new X509Certificate(next.raw));
    next = next.issuerCertificate === next ? undefined : next.issuerCertificate;
  }
  return chain;
}

function digestOf(certificate: X509Certificate): string {
  return createHash('sha256')
    .update(certificate.publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex');
}

type Answer = (error: ServiceError | null, reply: Credentials) => void;

async function call(
  address: string,
  caPem: string,
  start: (client: EnrolmentClient, done: Answer) => ClientUnaryCall,
  signal: AbortSignal,
): Promise<Credentials> {
  signal.throwIfAborted();
  const channel = hubChannel(address, caPem);
  const client = new EnrolmentClient(address, channel.credentials, channel.options);
  let abort = (): void => {};
  try {
    return await new Promise<Credentials>((done, fail) => {
      const running = start(client, (error, reply) => {
        if (error === null) done(reply);
        else fail(fromServiceError(error, address));
      });
      abort = () => {
        running.cancel();
        fail(
          signal.aborted ? (signal.reason as Error) : new DroverError('HUB_UNREACHABLE', address, `no answer within ${CALL_MS / 1000} s`),
        );
      };
      signal.addEventListener('abort', abort, { once: true });
      const timer = setTimeout(abort, CALL_MS);
      running.on('status', () => clearTimeout(timer));
    });
  } finally {
    signal.removeEventListener('abort', abort);
    client.close();
  }
}

function reasonOf(thrown: unknown): string {
  if (!Error.isError(thrown)) return String(thrown);
  const { code } = thrown as { readonly code?: unknown };
  if (thrown.message !== '') return thrown.message;
  return typeof code === 'string' ? code : thrown.name;
}
