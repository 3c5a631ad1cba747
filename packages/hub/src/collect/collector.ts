import type { Checksums, Clock, Logger, Random } from '@drover/contract';
import { createAdmission } from '#identity/admit.ts';
import { issueServerCertificate } from '#identity/certificates-adapter.ts';
import type { Enrolment } from '#identity/enrol.ts';
import type { FleetKeys } from '#identity/types.ts';
import type { Store } from '#state/store.ts';
import { readChecksums } from './checksums.ts';
import type { ListenersDeps } from './grpc-adapter.ts';
import { startListeners } from './grpc-adapter.ts';
import { createSessions } from './sessions.ts';
import type { AgentBatch, Collector } from './types.ts';

/** The hub's end of enrolment and report streams, listening. */
export interface RunningCollector extends Collector {
  readonly enrolmentPort: number;
  readonly fleetPort: number;
}

export interface CollectorDeps {
  readonly store: Store;
  readonly keys: FleetKeys;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly enrolment: Enrolment;
  readonly listen: ListenersDeps['listen'];
  /** Host names and addresses by which agents dial, besides the loopback's. */
  readonly publicHosts: readonly string[];
  /** Commits; called with what came in, at most one call at a time. Acknowledgements follow when it resolves. */
  readonly onBatch: (batches: AgentBatch[]) => Promise<void>;
  readonly onOnline: (uid: string) => void;
  readonly onOffline: (uid: string) => void;
  readonly onCloned?: (uid: string) => void;
  /** Read from the store without. */
  readonly checksums?: (uid: string) => Promise<Checksums>;
}

/** @throws DroverError LISTEN_FAILED */
export async function startCollector(deps: CollectorDeps): Promise<RunningCollector> {
  const { store, keys } = deps;
  const sessions = createSessions({ ...deps, checksums: deps.checksums ?? ((uid) => readChecksums(store.db, uid)) });
  try {
    const listeners = await startListeners({
      log: deps.log,
      caPem: keys.ca.certificatePem,
      certificate: await issueServerCertificate(deps.random, keys.ca, deps.publicHosts, deps.clock.now()),
      listen: deps.listen,
      enrolment: deps.enrolment,
      sessions,
      admit: createAdmission({ store, keys }),
    });
    const { enrolmentPort, fleetPort } = listeners;
    return {
      enrolmentPort,
      fleetPort,
      online: () => sessions.online(),
      reconcileNow: (uid, unit) => sessions.reconcileNow(uid, unit),
      disconnect: (uid) => sessions.disconnect(uid),
      async [Symbol.asyncDispose]() {
        await sessions[Symbol.asyncDispose]();
        await listeners[Symbol.asyncDispose]();
      },
    };
  } catch (thrown) {
    await sessions[Symbol.asyncDispose]();
    throw thrown;
  }
}
