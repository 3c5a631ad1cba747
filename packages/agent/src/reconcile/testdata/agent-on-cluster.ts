// An agent in this process, on a real API server, fed by a script instead of NATS.

import { createHash } from 'node:crypto';
import type { AgentEvent, KubeObject, LeftUnit, UnitReport } from '@drover/contract';
import type { Cluster, KubeClient } from '@drover/testbed';
import { eventually } from '@drover/testbed';
import { kubeconfigCredentials } from '#kube/credentials-adapter.ts';
import { createKubeClient } from '#kube/kube-client-adapter.ts';
import type { Kube } from '#kube/types.ts';
import { createObserver } from '#observe/observer.ts';
import type { CacheStore } from '#ports';
import type { Snapshot } from '#report/types.ts';
import { createPorts } from '@drover/runtime';
import type { Agent } from '../../reconcile.ts';
import { createAgent } from '../../reconcile.ts';
import type { ScriptedUnit } from '../scripted-source.ts';
import { createScriptedSource, scriptBundle } from '../scripted-source.ts';

export interface Sent {
  readonly verb: string;
  readonly kind: string;
  readonly name: string;
}

export interface TestAgent {
  readonly agent: Agent;
  readonly snapshot: () => Snapshot | undefined;
  readonly events: AgentEvent[];
  /** Requests that went out since the last call of `forget`, watches and Lease left out. */
  readonly sent: Sent[];
  forget(): void;
  report(unit: string): UnitReport | undefined;
  stop(): Promise<void>;
}

export interface TestBed {
  readonly kube: KubeClient;
  /** @param options.offline nothing is delivered: hub and NATS are gone */
  start(options?: { readonly intercept?: (sent: Sent) => Promise<void>; readonly offline?: boolean }): Promise<TestAgent>;
  publish(units: readonly ScriptedUnit[], left?: readonly LeftUnit[]): number;
  readonly disk: Map<string, Uint8Array>;
}

export const CLUSTER = '11111111-2222-4333-8444-555555555555';

export function createBed(cluster: Cluster): TestBed {
  const source = createScriptedSource();
  const disk = new Map<string, Uint8Array>();
  const store: CacheStore = {
    read: async (name) => disk.get(name),
    write: async (name, bytes) => void disk.set(name, bytes),
    remove: async (name) => void disk.delete(name),
    list: async () => [...disk.keys()],
  };
  let generation = 0;
  return {
    kube: cluster.kube,
    disk,
    publish(units, left = []) {
      source.publish(scriptBundle(CLUSTER, { generation: ++generation }, units, left));
      return generation;
    },
    async start(options = {}) {
      const ports = createPorts({ log: { level: process.env['DROVER_TEST_LOG'] ?? 'silent', format: 'pretty' } });
      const credentials = await kubeconfigCredentials({ path: cluster.kubeconfig, clock: ports.clock });
      const client = createKubeClient({ credentials, ...ports });
      const sent: Sent[] = [];
      const kube = recording(client, async (one) => {
        if (one.kind !== 'Lease') sent.push(one);
        await options.intercept?.(one);
      });
      let last: Snapshot | undefined;
      const events: AgentEvent[] = [];
      const agent = createAgent({
        ports: { ...ports, kube, cache: store },
        source: options.offline === true ? createScriptedSource() : source.restarted(),
        createObserver: () => createObserver({ kube, ports }),
        reporter: { publish: (snapshot) => void (last = snapshot), event: (event) => void events.push(event) },
        cluster: CLUSTER,
        cacheKey: createHash('sha256').update('test').digest(),
        mirror: true,
        maxDeletesPerDay: 1000,
      });
      const stop = new AbortController();
      const running = agent.run(stop.signal);
      return {
        agent,
        snapshot: () => last,
        events,
        sent,
        forget: () => void sent.splice(0),
        report: (unit) => last?.units.find((one) => one.unit === unit),
        async stop() {
          stop.abort();
          await running;
          await client[Symbol.asyncDispose]();
        },
      };
    },
  };
}

/** Waits until every unit of this generation is Ready. */
export async function untilReady(agent: TestAgent, generation: number, timeoutMs = 20_000): Promise<void> {
  await eventually(() => {
    const snapshot = agent.snapshot();
    if (snapshot?.head?.generation !== generation) throw new Error(`generation ${snapshot?.head?.generation}, not yet ${generation}`);
    const waiting = snapshot.units.find((unit) => unit.state !== 'Ready');
    if (waiting !== undefined) throw new Error(`${waiting.unit} is ${waiting.state}: ${waiting.message} ${JSON.stringify(waiting.problems)}`);
  }, timeoutMs);
}

export function configMap(namespace: string, name: string, data: Record<string, string>, annotations?: Record<string, string>): KubeObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace, name, ...(annotations === undefined ? {} : { annotations }) }, data };
}

export function namespaceObject(name: string): KubeObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
}

function recording(kube: Kube, note: (sent: Sent) => Promise<void>): Kube {
  return {
    ...kube,
    async get(kind, ref, signal) {
      await note({ verb: 'get', kind: kind.kind, name: ref.name });
      return await kube.get(kind, ref, signal);
    },
    async list(kind, options, signal) {
      await note({ verb: 'list', kind: kind.kind, name: '' });
      return await kube.list(kind, options, signal);
    },
    async scan(kind, options, visit, signal) {
      await note({ verb: 'list', kind: kind.kind, name: '' });
      return await kube.scan(kind, options, visit, signal);
    },
    async apply(kind, ref, json, options, signal) {
      await note({ verb: options.dryRun === true ? 'dry-run' : 'apply', kind: kind.kind, name: ref.name });
      return await kube.apply(kind, ref, json, options, signal);
    },
    async create(kind, namespace, json, signal) {
      await note({ verb: 'create', kind: kind.kind, name: (JSON.parse(json) as KubeObject).metadata.name });
      return await kube.create(kind, namespace, json, signal);
    },
    async replace(kind, ref, json, signal) {
      await note({ verb: 'replace', kind: kind.kind, name: ref.name });
      return await kube.replace(kind, ref, json, signal);
    },
    async patch(kind, ref, json, signal) {
      await note({ verb: 'patch', kind: kind.kind, name: ref.name });
      return await kube.patch(kind, ref, json, signal);
    },
    async delete(kind, ref, options, signal) {
      await note({ verb: 'delete', kind: kind.kind, name: ref.name });
      return await kube.delete(kind, ref, options, signal);
    },
  };
}
