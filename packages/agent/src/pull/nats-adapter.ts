import { setTimeout as delay } from 'node:timers/promises';
import type { Logger, Random } from '@drover/contract';
import { backoffMs, blobSubject, BLOBS_STREAM, DroverError, HEADS_STREAM, headSubject, inboxPrefix, newsSubject } from '@drover/contract';
import type { Msg, NatsConnection, NodeConnectionOptions } from '@nats-io/transport-node';
import { connect, jwtAuthenticator } from '@nats-io/transport-node';
import type { BundleFeed, FeedListener } from './feed.ts';

export interface NatsFeedDeps {
  /** UID of the cluster's kube-system namespace. */
  readonly cluster: string;
  /** What the membership says now; asked at every connection. */
  readonly access: () => {
    /** `tls://host:port` */
    readonly urls: readonly string[];
    readonly jwt: string;
    /** PEM of the fleet's CA; without it the connection is not encrypted: tests only. */
    readonly caPem?: string;
  };
  /** Seed of the agent's NATS user: a secret. */
  readonly seed: string;
  readonly random: Random;
  readonly log: Logger;
}

export interface NatsFeed extends BundleFeed {
  readonly connected: boolean;
  /** Connects, and goes on connecting for ever, until aborted. */
  run(signal: AbortSignal): Promise<void>;
  /** The membership was renewed: connects anew, at once. */
  refresh(): void;
}

const HEAD_MS = 20_000;
/** A blob at 8 kbit/s, with a few others before it. */
const BLOB_MS = 150_000;
const PING_MS = 30_000;

/** The agent's one connection to NATS: one subscription, to its own news, and requests for its head and for blobs. */
export function createNatsFeed(deps: NatsFeedDeps): NatsFeed {
  const { cluster, log, random } = deps;
  const listeners = new Set<FeedListener>();
  const seed = new TextEncoder().encode(deps.seed);
  /** Requests in flight: they would wait for their time-out after the connection is gone. */
  const waiting = new Set<(error: Error) => void>();
  let connection: NatsConnection | undefined;
  let connected = false;
  let failures = 0;

  function options(): NodeConnectionOptions {
    const { urls, caPem } = deps.access();
    return {
      servers: [...urls],
      name: `drover-agent ${cluster}`,
      authenticator: (nonce) => jwtAuthenticator(deps.access().jwt, seed)(nonce),
      ...(caPem === undefined ? {} : { tls: { ca: caPem } }),
      inboxPrefix: inboxPrefix(cluster),
      maxReconnectAttempts: -1,
      reconnectDelayHandler: () => backoffMs(++failures, random.fraction()),
      ignoreAuthErrorAbort: true,
      pingInterval: PING_MS,
      maxPingOut: 3,
      timeout: 20_000,
      noAsyncTraces: true,
    };
  }

  async function serve(made: NatsConnection, signal: AbortSignal): Promise<void> {
    connection = made;
    const stop = (): void => void made.close();
    signal.addEventListener('abort', stop, { once: true });
    try {
      made.subscribe(newsSubject(cluster), {
        callback: (error, message) => {
          if (error === null) for (const listener of listeners) listener.news(message.data);
          else log.warn({ err: error }, 'news of NATS ended');
        },
      });
      await made.flush().catch((thrown: unknown) => log.warn({ err: thrown }, 'NATS does not answer'));
      up();
      for await (const status of made.status()) {
        if (status.type === 'disconnect') down();
        else if (status.type === 'reconnect') up();
        else if (status.type === 'error') log.warn({ err: status.error }, 'NATS reports an error');
      }
    } finally {
      signal.removeEventListener('abort', stop);
      connection = undefined;
      down();
      await made.close();
    }
  }

  function up(): void {
    failures = 0;
    connected = true;
    log.info({}, 'connected to NATS');
    for (const listener of listeners) listener.connected();
  }

  function down(): void {
    connected = false;
    for (const reject of waiting) reject(new Error('the connection was lost'));
    waiting.clear();
  }

  /** An answer's body; undefined for "no message". */
  async function get(stream: string, subject: string, timeout: number): Promise<Uint8Array | undefined> {
    if (connection === undefined || !connected) throw new DroverError('NATS_UNREACHABLE', 'NATS', 'not connected');
    const { promise: lost, reject } = Promise.withResolvers<never>();
    waiting.add(reject);
    let answer: Msg;
    try {
      answer = await Promise.race([connection.request(`$JS.API.DIRECT.GET.${stream}.${subject}`, '', { timeout }), lost]);
    } catch (thrown) {
      throw new DroverError('NATS_UNREACHABLE', subject, Error.isError(thrown) ? thrown.message : String(thrown), { cause: thrown });
    } finally {
      waiting.delete(reject);
    }
    const code = answer.headers?.code ?? 0;
    if (code === 404) return undefined;
    if (code >= 400) throw new DroverError('NATS_UNREACHABLE', subject, `${code} ${answer.headers?.description ?? ''}`);
    return answer.data;
  }

  return {
    get connected() {
      return connected;
    },
    listen(listener) {
      listeners.add(listener);
      if (connected) listener.connected();
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    head: () => get(HEADS_STREAM, headSubject(cluster), HEAD_MS),
    blob: (name) => get(BLOBS_STREAM, blobSubject(name), BLOB_MS),
    async run(signal) {
      while (!signal.aborted) {
        try {
          await serve(await connect(options()), signal);
        } catch (thrown) {
          if (signal.aborted) break;
          const retryMs = Math.round(backoffMs(++failures, random.fraction()));
          log.warn({ err: thrown, retryMs }, 'NATS cannot be reached');
          await delay(retryMs, undefined, { signal }).catch(() => undefined);
        }
      }
    },
    refresh() {
      void connection?.close();
    },
  };
}
