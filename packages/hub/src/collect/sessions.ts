import type { AgentMessage, Checksums, Clock, HubMessage, Logger } from '@drover/contract';
import { DroverError, HEARTBEAT_MS, OLDEST_STREAM_PROTOCOL, STREAM_PROTOCOL } from '@drover/contract';
import { createBatchWriter } from './batch-writer.ts';
import type { AgentBatch, Collector } from './types.ts';

/**
 * The report streams that are open, one for each cluster. A **session** is one stream after its hello. Identity is what
 * the certificate says; what a message says about it is compared and otherwise ignored.
 */

/** One stream, as its transport offers it. */
export interface StreamPort {
  send(message: HubMessage): void;
  /** Ends the stream; without an error, in good order. */
  close(error?: DroverError): void;
  /** Stops reading from the peer, until `resume`. */
  pause(): void;
  resume(): void;
}

/** Who is at the other end, by its certificate. */
export interface Peer {
  readonly uid: string;
  readonly accepted: boolean;
  /** Epoch ms: the stream ends with the certificate. */
  readonly notAfter: number;
}

/** What the transport tells of one stream. */
export interface StreamEvents {
  /** @param bytes encoded size */
  received(message: AgentMessage, bytes: number): void;
  ended(): void;
}

export interface Sessions extends Collector {
  open(peer: Peer, port: StreamPort): StreamEvents;
}

export interface SessionsDeps {
  readonly clock: Clock;
  readonly log: Logger;
  /** Commits; at most one call at a time. Acknowledgements follow when it resolves. */
  readonly onBatch: (batches: AgentBatch[]) => Promise<void>;
  /** Of what the record holds of a cluster. */
  readonly checksums: (uid: string) => Promise<Checksums>;
  readonly onOnline: (uid: string) => void;
  readonly onOffline: (uid: string) => void;
  /** Two live agents present one identity; told at each attempt. */
  readonly onCloned?: (uid: string) => void;
}

/** Reports of one stream that may wait for their commit; then reading stops. */
const WINDOW = 4;
const MAX_PENDING_BYTES = 64 * 1024 * 1024;
const HELLO_MS = 10_000;
const SILENCE_MS = 3 * HEARTBEAT_MS;
const SWEEP_MS = 5_000;

interface Session {
  readonly peer: Peer;
  readonly port: StreamPort;
  readonly since: number;
  lastHeard: number;
  hello: { readonly instance: string; readonly leaseTransitions: number } | undefined;
  lastSeq: number;
  unacked: number;
  paused: boolean;
  closed: boolean;
}

export function createSessions(deps: SessionsDeps): Sessions {
  const { clock, log } = deps;
  const ending = new AbortController();
  const writer = createBatchWriter(deps);
  const streams = new Set<Session>();
  const live = new Map<string, Session>();

  function open(peer: Peer, port: StreamPort): StreamEvents {
    const now = clock.monotonic();
    const session: Session = {
      peer,
      port,
      since: now,
      lastHeard: now,
      hello: undefined,
      lastSeq: 0,
      unacked: 0,
      paused: false,
      closed: false,
    };
    streams.add(session);
    return {
      received: (message, bytes) => {
        if (session.closed) return;
        session.lastHeard = clock.monotonic();
        try {
          receive(session, message, bytes);
        } catch (thrown) {
          const error = DroverError.from(thrown, peer.uid);
          log.warn({ cluster: peer.uid, err: error }, 'report stream refused');
          end(session, error);
        }
      },
      ended: () => end(session, undefined),
    };
  }

  function receive(session: Session, message: AgentMessage, bytes: number): void {
    const { uid } = session.peer;
    if (message.type === 'hello') {
      if (session.hello !== undefined) throw refused(uid, 'a second hello');
      return greet(session, message);
    }
    if (session.hello === undefined) throw refused(uid, 'no hello before');
    const seen = message.seen === undefined ? {} : { seen: message.seen };
    if (message.type === 'heartbeat') return enqueue(session, { uid, ...seen, ...NOTHING }, bytes);
    if (message.seq !== session.lastSeq + 1) throw refused(uid, `report ${message.seq} after ${session.lastSeq}`);
    session.lastSeq = message.seq;
    const { units, left, events, badBlobs, facts } = message;
    enqueue(session, { uid, ...seen, ...(facts === undefined ? {} : { facts }), units, left, events, badBlobs }, bytes, message.seq);
  }

  function greet(session: Session, hello: Extract<AgentMessage, { type: 'hello' }>): void {
    const { uid, accepted } = session.peer;
    if (hello.uid !== uid)
      log.warn({ cluster: uid, claimed: hello.uid.slice(0, 64) }, 'agent claims another cluster; its certificate counts');
    if (hello.protocol < OLDEST_STREAM_PROTOCOL) throw refused(uid, `protocol ${hello.protocol}, at least ${OLDEST_STREAM_PROTOCOL}`);
    const before = live.get(uid);
    const reopened = before?.hello?.instance === hello.instance;
    if (before?.hello !== undefined && !reopened && hello.leaseTransitions <= before.hello.leaseTransitions) {
      const what = 'another agent with this identity has a live stream; neither deletes anything until one is stopped';
      before.port.send({ type: 'notice', code: 'CLUSTER_CLONED', message: what });
      deps.onCloned?.(uid);
      throw new DroverError('CLUSTER_CLONED', uid, what);
    }
    session.hello = { instance: hello.instance, leaseTransitions: hello.leaseTransitions };
    live.set(uid, session);
    if (before !== undefined)
      end(before, reopened ? undefined : new DroverError('LEASE_LOST', uid, 'the agent that took the Lease over reports now'));
    session.port.send({ type: 'welcome', protocol: Math.min(hello.protocol, STREAM_PROTOCOL), accepted });
    log.info({ cluster: uid, agentVersion: hello.agentVersion, transitions: hello.leaseTransitions }, 'report stream opened');
    if (before === undefined) deps.onOnline(uid);
    enqueue(session, { uid, ...(hello.seen === undefined ? {} : { seen: hello.seen }), ...NOTHING }, 0);
    void compare(session, hello.checksums);
  }

  async function compare(session: Session, theirs: Checksums): Promise<void> {
    try {
      const ours = await deps.checksums(session.peer.uid);
      const units = [...theirs.units].filter(([unit, checksum]) => ours.units.get(unit) !== checksum).map(([unit]) => unit);
      const facts = ours.facts !== theirs.facts;
      if (!session.closed && (units.length > 0 || facts)) session.port.send({ type: 'resync', units, facts });
    } catch (thrown) {
      log.error({ cluster: session.peer.uid, err: thrown }, 'checksums could not be read');
      end(session, DroverError.from(thrown, session.peer.uid));
    }
  }

  function enqueue(session: Session, batch: AgentBatch, bytes: number, seq?: number): void {
    session.unacked++;
    const settled = (): void => {
      session.unacked--;
      if (session.paused && session.unacked < WINDOW) {
        session.paused = false;
        session.port.resume();
      }
    };
    writer.add({
      batch,
      bytes,
      committed: () => {
        if (seq !== undefined && !session.closed) session.port.send({ type: 'ack', seq });
        settled();
      },
      failed: (thrown) => {
        settled();
        end(session, DroverError.from(thrown, session.peer.uid));
      },
    });
    if (!session.paused && (session.unacked >= WINDOW || writer.pendingBytes() > MAX_PENDING_BYTES)) {
      session.paused = true;
      session.port.pause();
    }
  }

  /** @param error undefined when the peer is gone already */
  function end(session: Session, error: DroverError | undefined): void {
    if (session.closed) return;
    session.closed = true;
    streams.delete(session);
    session.port.close(error);
    if (live.get(session.peer.uid) !== session) return;
    live.delete(session.peer.uid);
    log.info({ cluster: session.peer.uid, ...(error === undefined ? {} : { code: error.code }) }, 'report stream closed');
    deps.onOffline(session.peer.uid);
  }

  async function sweep(): Promise<void> {
    while (!ending.signal.aborted) {
      await clock.sleep(SWEEP_MS, ending.signal).catch(() => undefined);
      const now = clock.monotonic();
      const wall = clock.now();
      for (const session of streams) {
        const { uid, notAfter } = session.peer;
        // A paused stream is silent because nothing is read.
        if (session.hello === undefined && now - session.since > HELLO_MS) end(session, refused(uid, 'no hello in time'));
        else if (!session.paused && now - session.lastHeard > SILENCE_MS)
          end(session, new DroverError('HUB_UNREACHABLE', uid, 'silent for too long'));
        else if (wall > notAfter)
          end(session, new DroverError('IDENTITY_EXPIRED', uid, 'the certificate of this stream has ended; renew it'));
      }
    }
  }
  const sweeping = sweep();

  return {
    open,
    online: () => new Set(live.keys()),
    reconcileNow(uid, unit) {
      const session = live.get(uid);
      session?.port.send(unit === undefined ? { type: 'reconcile' } : { type: 'reconcile', unit });
      return session !== undefined;
    },
    disconnect(uid) {
      const error = new DroverError('CLUSTER_UNKNOWN', uid, 'this hub does not know the cluster, or has removed it');
      for (const session of [...streams]) if (session.peer.uid === uid) end(session, error);
    },
    async [Symbol.asyncDispose]() {
      ending.abort();
      await sweeping;
      // What was read is committed and acknowledged before the streams end.
      await writer[Symbol.asyncDispose]();
      for (const session of [...streams]) end(session, new DroverError('HUB_UNREACHABLE', session.peer.uid, 'the hub stops'));
    },
  };
}

const NOTHING = { units: [], left: [], events: [], badBlobs: [] } as const;

function refused(uid: string, what: string): DroverError {
  return new DroverError('MESSAGE_REFUSED', uid, what);
}
