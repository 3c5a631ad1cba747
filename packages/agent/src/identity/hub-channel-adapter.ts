import { isIP } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import type { ChannelCredentials, ClientOptions } from '@grpc/grpc-js';
import { credentials } from '@grpc/grpc-js';

/** Splits host:port, with IPv6 addresses in brackets; undefined when it is neither. */
export function splitAddress(address: string): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]\s/]+)):(\d{1,5})$/.exec(address);
  return match === null ? undefined : { host: match[1] ?? match[2] ?? '', port: Number(match[3]) };
}

/**
 * How a channel to one of the hub's listeners is made: trust in the fleet's authority alone, the name checked, and a
 * connection that no other channel shares.
 *
 * @param own certificate and key, PEM, where the listener asks for them
 */
export function hubChannel(
  address: string,
  caPem: string,
  own?: { readonly certificatePem: string; readonly privateKeyPem: string },
): { readonly credentials: ChannelCredentials; readonly options: ClientOptions } {
  const host = splitAddress(address)?.host ?? '';
  const [key, certificate] = own === undefined ? [null, null] : [Buffer.from(own.privateKeyPem), Buffer.from(own.certificatePem)];
  // An address may not be sent as a server's name (RFC 6066), and gRPC would: another one is sent, the address is checked.
  const byAddress = isIP(host) !== 0;
  return {
    credentials: credentials.createSsl(
      Buffer.from(caPem),
      key,
      certificate,
      byAddress ? { checkServerIdentity: (_name, peer) => checkServerIdentity(host, peer) } : {},
    ),
    options: {
      ...(byAddress ? { 'grpc.ssl_target_name_override': 'localhost' } : {}),
      // https://github.com/grpc/grpc-node/issues/2068 and 2371: channelz keeps sessions, retries keep what was sent.
      'grpc.enable_channelz': 0,
      'grpc.enable_retries': 0,
      'grpc.use_local_subchannel_pool': 1,
    },
  };
}
