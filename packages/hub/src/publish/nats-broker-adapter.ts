import type { Random, Logger } from '@drover/contract';
import { BLOBS_STREAM, blobSubject, DroverError, HEADS_STREAM, headSubject } from '@drover/contract';
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { headers } from '@nats-io/transport-node';
import type { NatsUser } from '#identity/nats-keys.ts';
import type { Broker, StoredHead, StreamState } from './broker.ts';
import type { NatsAddress } from './nats-connection-adapter.ts';
import { connectNats } from './nats-connection-adapter.ts';
import type { StreamLimits } from './streams.ts';
import { blobsStream, differs, headsStream } from './streams.ts';

export interface NatsBrokerDeps {
  readonly address: NatsAddress;
  readonly user: () => NatsUser;
  readonly limits: StreamLimits;
  readonly random: Random;
  readonly log: Logger;
}

const REQUEST_MS = 10_000;
const EXPECTED_SEQUENCE = 'Nats-Expected-Last-Subject-Sequence';

/** Codes of the JetStream API. @see https://github.com/nats-io/nats-server/blob/main/server/errors.json */
const WRONG_SEQUENCE = 10071;
const STORE_FAILED = 10077;
const NO_MESSAGE = 10037;
const NO_STREAM = 10059;
const FULL = new Set([10002, 10023, 10028, 10039, 10047, 10074, 10076, STORE_FAILED]);

interface ApiError {
  readonly code: number;
  readonly err_code?: number;
  readonly description?: string;
}

interface StreamInfo {
  readonly config: Readonly<Record<string, unknown>>;
  readonly created: string;
  readonly state: {
    readonly last_seq: number;
    readonly messages: number;
    readonly bytes: number;
    readonly subjects?: Readonly<Record<string, number>>;
  };
}

/** Connects in the background and for ever; {@link Broker} tells when there is a connection. */
export function createNatsBroker(deps: NatsBrokerDeps): Broker {
  const { log } = deps;
  const listeners = new Set<() => void>();
  const closing = new AbortController();
  /** Requests in flight: they would wait for their time-out after the connection is gone. */
  const waiting = new Set<(error: Error) => void>();
  let connection: NatsConnection | undefined;
  let connected = false;
  let connections = 0;

  const change = (): void => {
    for (const listener of listeners) listener();
  };

  function hear(type: string): void {
    if (type === 'disconnect') down();
    else if (type === 'reconnect') up();
    else return;
    change();
  }

  function down(): void {
    connected = false;
    for (const reject of waiting) reject(new Error('the connection was lost'));
    waiting.clear();
  }

  function up(): void {
    connected = true;
    connections++;
  }

  const connecting = connectNats(deps, hear, closing.signal)
    .then(async (made) => {
      if (closing.signal.aborted) {
        await made.close();
        return;
      }
      connection = made;
      watchStreams(made);
      up();
      change();
    })
    .catch((thrown: unknown) => {
      if (!closing.signal.aborted) log.error({ err: thrown }, 'NATS cannot be used');
    });

  /** Somebody who deletes or changes a stream is noticed at once; a purge by the next survey. */
  function watchStreams(made: NatsConnection): void {
    for (const stream of [HEADS_STREAM, BLOBS_STREAM]) {
      for (const action of ['DELETED', 'UPDATED']) {
        const subject = `$JS.EVENT.ADVISORY.STREAM.${action}.${stream}`;
        made.subscribe(subject, {
          callback: (error) => (error === null ? change() : log.warn({ err: error }, 'advisories of NATS ended')),
        });
      }
    }
  }

  async function request(subject: string, body: Uint8Array | string, expected?: number): Promise<Msg> {
    if (connection === undefined || !connected) throw new DroverError('NATS_UNREACHABLE', 'NATS', 'not connected');
    const options: { timeout: number; headers?: ReturnType<typeof headers> } = { timeout: REQUEST_MS };
    if (expected !== undefined) {
      options.headers = headers();
      options.headers.set(EXPECTED_SEQUENCE, String(expected));
    }
    const { promise: lost, reject } = Promise.withResolvers<never>();
    waiting.add(reject);
    try {
      return await Promise.race([connection.request(subject, body, options), lost]);
    } catch (thrown) {
      throw unreachable(subject, thrown);
    } finally {
      waiting.delete(reject);
    }
  }

  async function api<T>(call: string, body: object): Promise<T | ApiError> {
    const answer = (await request(`$JS.API.${call}`, JSON.stringify(body))).json<{ error?: ApiError } & T>();
    return answer.error ?? answer;
  }

  async function ensure(stream: Readonly<Record<string, unknown>>): Promise<StreamState> {
    const name = String(stream['name']);
    let info = await api<StreamInfo>(`STREAM.INFO.${name}`, {});
    if (isError(info, NO_STREAM)) info = await api<StreamInfo>(`STREAM.CREATE.${name}`, stream);
    else if (!isError(info) && differs(stream, info.config)) {
      log.warn({ stream: name }, 'settings of a stream corrected');
      info = await api<StreamInfo>(`STREAM.UPDATE.${name}`, { ...info.config, ...stream });
    }
    if (isError(info)) throw failure(`stream ${name}`, info);
    return {
      created: info.created,
      lastSequence: info.state.last_seq,
      messages: info.state.messages,
      bytes: info.state.bytes,
      maxBytes: Number(info.config['max_bytes'] ?? -1),
    };
  }

  async function subjects(stream: string): Promise<ReadonlySet<string>> {
    const found = new Set<string>();
    for (;;) {
      const info = await api<StreamInfo & { total?: number }>(`STREAM.INFO.${stream}`, { subjects_filter: '>', offset: found.size });
      if (isError(info)) throw failure(`stream ${stream}`, info);
      const page = Object.keys(info.state.subjects ?? {});
      for (const subject of page) found.add(subject.slice(subject.lastIndexOf('.') + 1));
      if (page.length === 0 || found.size >= (info.total ?? 0)) return found;
    }
  }

  async function last(stream: string, subject: string): Promise<StoredHead | undefined> {
    const found = await api<{ message: { seq: number; data?: string } }>(`STREAM.MSG.GET.${stream}`, { last_by_subj: subject });
    if (isError(found, NO_MESSAGE)) return undefined;
    if (isError(found)) throw failure(subject, found);
    return { sequence: found.message.seq, bytes: Buffer.from(found.message.data ?? '', 'base64') };
  }

  /** The sequence, or undefined when the server refused for what is there already. */
  async function put(subject: string, bytes: Uint8Array, expected: number | undefined): Promise<number | undefined> {
    const answer = (await request(subject, bytes, expected)).json<{ error?: ApiError; seq?: number }>();
    if (answer.error === undefined) return answer.seq;
    if (answer.error.err_code === WRONG_SEQUENCE) return undefined;
    if (answer.error.err_code === STORE_FAILED && /per subject/.test(answer.error.description ?? '')) return undefined;
    throw failure(subject, answer.error);
  }

  return {
    get connected() {
      return connected;
    },
    get connections() {
      return connections;
    },
    onChange(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    streams: async () => ({ heads: await ensure(headsStream(deps.limits)), blobs: await ensure(blobsStream(deps.limits)) }),
    heads: () => subjects(HEADS_STREAM),
    blobs: () => subjects(BLOBS_STREAM),
    head: (uid) => last(HEADS_STREAM, headSubject(uid)),
    putHead: (uid, bytes, after) => put(headSubject(uid), bytes, after),
    blob: (name) => last(BLOBS_STREAM, blobSubject(name)),
    putBlob: async (name, bytes) => void (await put(blobSubject(name), bytes, undefined)),
    async removeBlob(name) {
      const found = await last(BLOBS_STREAM, blobSubject(name));
      if (found === undefined) return;
      const answer = await api<object>(`STREAM.MSG.DELETE.${BLOBS_STREAM}`, { seq: found.sequence, no_erase: true });
      if (isError(answer)) throw failure(blobSubject(name), answer);
    },
    async [Symbol.asyncDispose]() {
      closing.abort();
      down();
      listeners.clear();
      await connecting;
      await connection?.close();
    },
  };
}

function isError(answer: object, code?: number): answer is ApiError {
  if (!('code' in answer)) return false;
  return code === undefined || (answer as ApiError).err_code === code;
}

function failure(subject: string, error: ApiError): DroverError {
  const what = `${error.description ?? 'no reason given'} (${error.err_code ?? error.code})`;
  return new DroverError(FULL.has(error.err_code ?? 0) ? 'NATS_FULL' : 'NATS_UNREACHABLE', subject, what);
}

/** No responders means that JetStream is off, or that the stream has just gone: the next survey tells which. */
function unreachable(subject: string, thrown: unknown): DroverError {
  return new DroverError('NATS_UNREACHABLE', subject, Error.isError(thrown) ? thrown.message : String(thrown), { cause: thrown });
}
