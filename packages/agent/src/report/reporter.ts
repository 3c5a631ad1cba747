import type { AgentMessage, Clock, Facts, HubMessage, Logger, Random, UnitName } from '@drover/contract';
import { backoffMs, createBell, DroverError, HEARTBEAT_MS, OLDEST_STREAM_PROTOCOL, STREAM_PROTOCOL } from '@drover/contract';
import { createOutbox } from './outbox.ts';
import type { Reporter } from './types.ts';

/** One stream to the hub, as the transport offers it. */
export interface ReportStream {
  send(message: AgentMessage): void;
  close(): void;
}

export interface StreamHandlers {
  received(message: HubMessage): void;
  /** Once, at the end, whatever ended it. */
  ended(error: DroverError): void;
}

export interface ReporterDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly uid: string;
  readonly agentVersion: string;
  /** `leaseTransitions` of the Lease, while this agent holds it; undefined: another one reports. */
  readonly leaseTransitions: () => number | undefined;
  readonly open: (handlers: StreamHandlers) => ReportStream;
  /** The hub asks to verify everything, or one unit, now. */
  readonly onReconcile: (unit?: UnitName) => void;
}

/** The reporter with what only the program needs of it. */
export interface RunningReporter extends Reporter {
  setFacts(facts: Facts): void;
  /** A blob that could not be verified or found: the hub publishes it again. */
  badBlob(name: string): void;
  /** Another agent presented this identity a moment ago: nothing is deleted meanwhile. */
  cloned(): boolean;
  /** Reports, and reconnects, until aborted; begins with the first snapshot. */
  run(signal: AbortSignal): Promise<void>;
}

/** At most four messages a second; the first after a pause at once. */
const SPACING_MS = 250;
const WINDOW = 4;
/** The Lease is looked at this often. */
const LEASE_MS = 1_000;
const WELCOME_MS = 10_000;
const ACK_MS = 60_000;
/** The other agent tries again at least every ten seconds. */
const CLONED_MS = 30_000;

export function createReporter(deps: ReporterDeps): RunningReporter {
  const { clock, random, log, uid } = deps;
  const outbox = createOutbox();
  const bell = createBell(clock);
  const instance = random.uuid();
  let started = false;
  let clonedAt = -Infinity;

  /** One stream from its opening to its end, which is what it throws. */
  async function talk(transitions: number, onWelcome: () => void, signal: AbortSignal): Promise<void> {
    let end: DroverError | undefined;
    let welcomed = false;
    let seq = 0;
    let acked = 0;
    let lastReport = -Infinity;
    let lastSent = clock.monotonic();
    let waitingSince = clock.monotonic();

    function received(message: HubMessage): void {
      if (message.type === 'welcome') {
        if (message.protocol < OLDEST_STREAM_PROTOCOL) {
          end = new DroverError(
            'MESSAGE_REFUSED',
            'report stream',
            `the hub speaks protocol ${message.protocol}, at least ${OLDEST_STREAM_PROTOCOL} is needed`,
          );
          bell.ring();
          return;
        }
        welcomed = true;
        clonedAt = -Infinity;
        onWelcome();
        log.info(
          { accepted: message.accepted },
          message.accepted ? 'reporting to the hub' : 'reporting to the hub; it has not accepted this cluster yet',
        );
      } else if (message.type === 'ack') {
        acked = Math.max(acked, message.seq);
        waitingSince = clock.monotonic();
        outbox.acknowledge(message.seq);
      } else if (message.type === 'resync') outbox.resync(message.units, message.facts);
      else if (message.type === 'reconcile') deps.onReconcile(message.unit);
      else {
        log.warn({ code: message.code, notice: message.message }, 'notice of the hub');
        if (message.code === 'CLUSTER_CLONED') clonedAt = clock.monotonic();
      }
      bell.ring();
    }

    const stream = deps.open({
      received: (message) => {
        if (end === undefined) received(message);
      },
      ended: (error) => {
        end ??= error;
        bell.ring();
      },
    });
    try {
      const checksums = outbox.reopen();
      stream.send({
        type: 'hello',
        protocol: STREAM_PROTOCOL,
        agentVersion: deps.agentVersion,
        instance,
        leaseTransitions: transitions,
        uid,
        ...(outbox.seen === undefined ? {} : { seen: outbox.seen }),
        checksums,
      });
      for (;;) {
        if (end !== undefined) throw end;
        const held = deps.leaseTransitions();
        // Not held for a while is no reason: the API server may be away. A successor's stream ends this one.
        if (held !== undefined && held !== transitions) throw new DroverError('LEASE_LOST', 'report stream', 'the Lease has changed hands');
        const now = clock.monotonic();
        const quiet = acked === seq && welcomed;
        if (quiet) waitingSince = now;
        const patience = welcomed ? ACK_MS : WELCOME_MS;
        if (!quiet && now - waitingSince >= patience) {
          throw new DroverError('HUB_UNREACHABLE', 'report stream', `no answer for ${patience / 1000} s`);
        }
        const open = welcomed && seq - acked < WINDOW;
        if (open && outbox.pending && now - lastReport >= SPACING_MS) {
          if (seq === acked) waitingSince = now;
          stream.send({ type: 'report', ...outbox.next(++seq) });
          lastReport = lastSent = now;
        } else if (welcomed && now - lastSent >= HEARTBEAT_MS) {
          stream.send({ type: 'heartbeat', ...(outbox.seen === undefined ? {} : { seen: outbox.seen }) });
          lastSent = now;
        }
        const due = [
          quiet && acked === seq ? Infinity : waitingSince + patience,
          open && outbox.pending ? lastReport + SPACING_MS : Infinity,
          welcomed ? lastSent + HEARTBEAT_MS : Infinity,
        ];
        await bell.wait(Math.max(0, Math.min(...due) - clock.monotonic()), signal);
      }
    } finally {
      stream.close();
    }
  }

  async function run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      const transitions = started ? deps.leaseTransitions() : undefined;
      if (transitions === undefined) {
        await bell.wait(started ? LEASE_MS : Infinity, signal).catch(() => undefined);
        continue;
      }
      try {
        await talk(transitions, () => (failures = 0), signal);
      } catch (thrown) {
        if (signal.aborted) return;
        const error = DroverError.from(thrown, 'report stream');
        if (error.code === 'CLUSTER_CLONED') clonedAt = clock.monotonic();
        const retryMs = Math.round(backoffMs(++failures, random.fraction()));
        log.warn({ err: error, retryMs, eventsDropped: outbox.dropped() }, 'report stream ended');
        await clock.sleep(retryMs, signal).catch(() => undefined);
      }
    }
  }

  return {
    publish(snapshot) {
      outbox.take(snapshot);
      started = true;
      bell.ring();
    },
    event(event) {
      outbox.addEvent(event);
      bell.ring();
    },
    setFacts(facts) {
      outbox.setFacts(facts);
      bell.ring();
    },
    badBlob(name) {
      outbox.addBadBlob(name);
      bell.ring();
    },
    cloned: () => clock.monotonic() - clonedAt < CLONED_MS,
    run,
  };
}
