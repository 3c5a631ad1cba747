import type { ServiceError } from '@grpc/grpc-js';
import { DroverError, MAX_MESSAGE_BYTES } from '@drover/contract';
import type { Down } from '@drover/contract/wire';
import { FleetClient, fromDown, fromServiceError, toUp } from '@drover/contract/wire';
import { hubChannel } from '#identity/hub-channel-adapter.ts';
import type { ReportStream, StreamHandlers } from './reporter.ts';

/** What a stream is opened with; read anew for each. */
export interface FleetAccess {
  /** host:port */
  readonly fleetAddress: string;
  readonly caPem: string;
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

/**
 * Opens a report stream over mutual TLS, with a connection of its own. Not reaching the hub is an end like any other.
 *
 * @param access undefined: this agent has not joined yet
 */
export function openReportStream(access: FleetAccess | undefined, handlers: StreamHandlers): ReportStream {
  let over = false;
  let close = (): void => {};
  function ended(error: DroverError): void {
    if (over) return;
    over = true;
    close();
    handlers.ended(error);
  }
  if (access === undefined) {
    setImmediate(() => ended(new DroverError('KEY_MISSING', 'report stream', 'this cluster has not joined a hub yet')));
    return { send: () => {}, close: () => (over = true) };
  }
  const { caPem, fleetAddress } = access;
  const channel = hubChannel(fleetAddress, caPem, access);
  const client = new FleetClient(fleetAddress, channel.credentials, {
    ...channel.options,
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
    'grpc.keepalive_time_ms': 20_000,
    'grpc.keepalive_timeout_ms': 10_000,
  });
  const call = client.report();
  close = () => {
    call.cancel();
    client.close();
  };
  call.on('data', (down: Down) => {
    if (over) return;
    const message = fromDown(down);
    if (message !== undefined) handlers.received(message);
  });
  call.on('error', (error: ServiceError) => ended(fromServiceError(error, fleetAddress)));
  call.on('end', () => ended(new DroverError('HUB_UNREACHABLE', fleetAddress, 'the hub has ended the stream')));
  return {
    send: (message) => {
      if (!over) call.write(toUp(message));
    },
    close: () => {
      if (over) return;
      over = true;
      close();
    },
  };
}
