import { isIP } from 'node:net';
import type {
  sendUnaryData,
  ServerDuplexStream,
  ServerOptions,
  ServerUnaryCall,
  ServiceDefinition,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { Logger } from '@drover/contract';
import { DroverError, MAX_MESSAGE_BYTES } from '@drover/contract';
import type { Down } from '@drover/contract/wire';
import {
  EnrolmentService,
  FleetService,
  fromJoin,
  fromRenew,
  fromUp,
  toCredentials,
  toDown,
  toServiceError,
  Up,
} from '@drover/contract/wire';
import type { Admitted } from '#identity/admit.ts';
import type { ServerCertificate } from '#identity/certificates-adapter.ts';
import type { Enrolment } from '#identity/enrol.ts';
import type { Sessions, StreamEvents } from './sessions.ts';

/**
 * The two gRPC listeners. Whatever a peer sends ends at most its own stream: sizes are limited, what cannot be decoded
 * is answered with a constant text, and what a handler throws never reaches the wire.
 */
export interface Listeners extends AsyncDisposable {
  readonly enrolmentPort: number;
  readonly fleetPort: number;
}

export interface ListenersDeps {
  readonly log: Logger;
  readonly caPem: string;
  readonly certificate: ServerCertificate;
  /** Port 0 takes any free one. */
  readonly listen: { readonly host: string; readonly enrolmentPort: number; readonly fleetPort: number };
  readonly enrolment: Enrolment;
  readonly sessions: Sessions;
  /** @throws DroverError CLUSTER_UNKNOWN */
  readonly admit: (certificateDer: Uint8Array) => Promise<Admitted>;
}

const LIMITS: ServerOptions = {
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_metadata_size': 8 * 1024,
  // https://github.com/grpc/grpc-node/issues/2068: channelz keeps sessions.
  'grpc.enable_channelz': 0,
};
const ENROLMENT_LIMITS: ServerOptions = {
  ...LIMITS,
  'grpc.max_concurrent_streams': 4,
  'grpc.max_connection_idle_ms': 10_000,
  'grpc.max_connection_age_ms': 60_000,
  'grpc.max_connection_age_grace_ms': 10_000,
};
const FLEET_LIMITS: ServerOptions = {
  ...LIMITS,
  'grpc.max_concurrent_streams': 2,
  'grpc.max_connection_idle_ms': 30_000,
  'grpc.keepalive_time_ms': 20_000,
  'grpc.keepalive_timeout_ms': 10_000,
};
/** Messages that a peer does not read; then its stream is closed. */
const MAX_UNREAD = 1000;

export async function startListeners(deps: ListenersDeps): Promise<Listeners> {
  const { certificate, caPem, listen } = deps;
  // The authority goes along: who joins finds by the digest of its key which one to trust.
  const pair = { cert_chain: Buffer.from(certificate.certificatePem + caPem), private_key: Buffer.from(certificate.privateKeyPem) };
  const enrolment = new Server(ENROLMENT_LIMITS);
  enrolment.addService(guarded(EnrolmentService), enrolmentHandlers(deps));
  const fleet = new Server(FLEET_LIMITS);
  fleet.addService(guarded(FleetService), { report: (call: Stream) => void report(deps, call) });
  try {
    return {
      enrolmentPort: await bind(enrolment, listen.host, listen.enrolmentPort, ServerCredentials.createSsl(null, [pair], false)),
      fleetPort: await bind(fleet, listen.host, listen.fleetPort, ServerCredentials.createSsl(Buffer.from(caPem), [pair], true)),
      async [Symbol.asyncDispose]() {
        await Promise.all([stop(enrolment), stop(fleet)]);
      },
    };
  } catch (thrown) {
    enrolment.forceShutdown();
    fleet.forceShutdown();
    throw thrown;
  }
}

type Stream = ServerDuplexStream<Decoded<Up>, Down>;

function enrolmentHandlers({ enrolment, log }: ListenersDeps): UntypedServiceImplementation {
  const unary =
    <Request, Reply>(run: (request: Request, peer: string) => Promise<Reply>) =>
    (call: ServerUnaryCall<Decoded<Request>, Reply>, answer: sendUnaryData<Reply>): void => {
      const peer = hostOf(call.getPeer());
      decoded(call.request, (request) => run(request, peer)).then(
        (reply) => answer(null, reply),
        (thrown: unknown) => {
          if (!(thrown instanceof DroverError) || thrown.code === 'UNEXPECTED') log.error({ peer, err: thrown }, 'enrolment failed');
          answer(toServiceError(thrown));
        },
      );
    };
  return {
    join: unary(async (request: Parameters<typeof fromJoin>[0], peer) => toCredentials(await enrolment.join(fromJoin(request), peer))),
    renew: unary(async (request: Parameters<typeof fromRenew>[0], peer) => toCredentials(await enrolment.renew(fromRenew(request), peer))),
  };
}

async function report({ admit, sessions, log }: ListenersDeps, call: Stream): Promise<void> {
  const peer = hostOf(call.getPeer());
  let events: StreamEvents | undefined;
  let over = false;
  function close(error?: DroverError): void {
    if (over) return;
    over = true;
    if (error === undefined) call.end();
    else call.emit('error', toServiceError(error));
  }
  const ended = (): void => {
    over = true;
    events?.ended();
  };
  // Registered before anything is awaited: an 'error' nobody listens to would end the process.
  call.on('error', ended);
  call.on('cancelled', ended);
  call.on('close', ended);
  call.on('end', () => {
    close();
    ended();
  });
  try {
    const der = call.getAuthContext().sslPeerCertificate?.raw;
    if (der === undefined) throw new DroverError('CLUSTER_UNKNOWN', peer, 'without a certificate of this fleet nothing can be reported');
    const admitted = await admit(der);
    if (over) return;
    events = sessions.open(admitted, {
      send(message) {
        if (over) return;
        if (call.writableLength > MAX_UNREAD)
          return close(new DroverError('MESSAGE_REFUSED', admitted.uid, 'it does not read what it is told'));
        call.write(toDown(message));
      },
      close,
      pause: () => void call.pause(),
      resume: () => void call.resume(),
    });
    call.on('data', (message: Decoded<Up>) => {
      if (over) return;
      try {
        if (message.value === undefined) throw new DroverError('MESSAGE_REFUSED', admitted.uid, UNDECODABLE);
        events?.received(fromUp(message.value), message.bytes);
      } catch (thrown) {
        log.warn({ cluster: admitted.uid, err: thrown }, 'message refused');
        close(DroverError.from(thrown, admitted.uid));
        ended();
      }
    });
  } catch (thrown) {
    log.warn({ peer, err: thrown }, 'report stream refused');
    close(DroverError.from(thrown, peer));
  }
}

/** A request as it came, or undefined when it could not be decoded, with its size. */
interface Decoded<T> {
  readonly value: T | undefined;
  readonly bytes: number;
}

const UNDECODABLE = 'it cannot be decoded';

/** The service, with decoders that do not throw: gRPC would quote what they say to the peer. */
function guarded(service: ServiceDefinition): ServiceDefinition {
  const entries = Object.entries(service).map(([name, method]) => {
    const requestDeserialize = (bytes: Buffer): Decoded<unknown> => {
      try {
        return { value: method.requestDeserialize(bytes) as unknown, bytes: bytes.length };
      } catch {
        return { value: undefined, bytes: bytes.length };
      }
    };
    return [name, { ...method, requestDeserialize }] as const;
  });
  return Object.fromEntries(entries);
}

async function decoded<Request, Reply>(request: Decoded<Request>, run: (request: Request) => Promise<Reply>): Promise<Reply> {
  if (request.value === undefined) throw new DroverError('MESSAGE_REFUSED', 'request', UNDECODABLE);
  return run(request.value);
}

function bind(server: Server, host: string, port: number, credentials: ServerCredentials): Promise<number> {
  const address = isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
  return new Promise((done, fail) => {
    server.bindAsync(address, credentials, (error, bound) => {
      if (error === null) done(bound);
      else fail(new DroverError('LISTEN_FAILED', address, 'the port cannot be taken', { cause: error }));
    });
  });
}

/** Streams were ended before; what is left after a moment is cut. */
function stop(server: Server): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(() => {
      server.forceShutdown();
      done();
    }, 1000);
    server.tryShutdown(() => {
      clearTimeout(timer);
      done();
    });
  });
}

function hostOf(peer: string): string {
  return peer.replace(/:\d+$/, '');
}
