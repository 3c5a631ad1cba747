import { setTimeout as delay } from 'node:timers/promises';
import type { Logger, Random } from '@drover/contract';
import { backoffMs } from '@drover/contract';
import type { NatsConnection, NodeConnectionOptions } from '@nats-io/transport-node';
import { connect, jwtAuthenticator } from '@nats-io/transport-node';
import type { NatsUser } from '#identity/nats-keys.ts';
import { HUB_INBOX } from '#identity/nats-keys.ts';

export interface NatsAddress {
  /** `nats://host:port` or `tls://host:port`. */
  readonly urls: readonly string[];
  /** PEM of the fleet's CA; without it the connection is not encrypted: tests only. */
  readonly caPem?: string;
}

export interface ConnectDeps {
  readonly address: NatsAddress;
  /** Claim and key for the next connection. */
  readonly user: () => NatsUser;
  readonly random: Random;
  readonly log: Logger;
  /** Give up the first connection after this many failures; never by default. */
  readonly maxAttempts?: number;
}

/**
 * Connects, and goes on connecting for ever: 0.5–10 s apart, with full jitter, whatever the server says.
 *
 * @param signal ends the first connecting; a connection that was made is closed by who has it
 * @see https://github.com/nats-io/nats.node/issues/649 why the status iterator is always consumed
 */
export async function connectNats(deps: ConnectDeps, onStatus: (type: string) => void, signal: AbortSignal): Promise<NatsConnection> {
  const { random, log } = deps;
  let failures = 0;
  const retryMs = (): number => backoffMs(++failures, random.fraction());
  for (;;) {
    signal.throwIfAborted();
    try {
      const connection = await connect(optionsOf(deps, retryMs));
      failures = 0;
      void hear(connection).catch((thrown: unknown) => log.warn({ err: thrown }, 'status of NATS ended'));
      return connection;
    } catch (thrown) {
      const ms = retryMs();
      if (failures >= (deps.maxAttempts ?? Infinity)) throw thrown;
      log.warn({ err: thrown, failures }, 'NATS cannot be reached');
      await delay(ms, undefined, { signal });
    }
  }

  async function hear(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type === 'reconnect') failures = 0;
      if (status.type === 'error') log.warn({ err: status.error }, 'NATS reports an error');
      onStatus(status.type);
    }
  }
}

function optionsOf({ address, user }: ConnectDeps, retryMs: () => number): NodeConnectionOptions {
  return {
    servers: [...address.urls],
    name: 'drover-hub',
    authenticator: (nonce) => {
      const { jwt, seed } = user();
      return jwtAuthenticator(jwt, new TextEncoder().encode(seed))(nonce);
    },
    ...(address.caPem === undefined ? {} : { tls: { ca: address.caPem } }),
    inboxPrefix: HUB_INBOX,
    maxReconnectAttempts: -1,
    reconnectDelayHandler: retryMs,
    ignoreAuthErrorAbort: true,
    pingInterval: 20_000,
    maxPingOut: 2,
    timeout: 10_000,
    noAsyncTraces: true,
  };
}
