import type { Effect, KubeObject, Logger } from '@drover/contract';
import { AGENT_NAMESPACE, digestOf, DroverError, keyOf, parseKey, refOf, canonicalJson } from '@drover/contract';
import type { CacheStore, ScriptedUnit, Snapshot } from '@drover/agent/sim';
import { createAgent, createObserver, createScriptedSource, markedObject, scriptBundle, SHARD_PREFIX, STATE_NAME } from '@drover/agent/sim';
import type { Chance } from './chance.ts';
import { createChance } from './chance.ts';
import type { Published } from './checker.ts';
import { createChecker } from './checker.ts';
import { createFakeKube } from './fake-kube.ts';
import type { FakeServer } from './fake-server.ts';
import { createFakeServer } from './fake-server.ts';
import { createStory } from './scenario.ts';
import type { World } from './world.ts';
import { createWorld } from './world.ts';

/**
 * One seeded run: the agent alone over a fake API server, while bundles come, people meddle, requests fail and the agent
 * dies before, after and in the middle of its effects. Every write is judged; at the end all must have settled.
 */
export interface SimulationResult {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly generations: number;
  readonly crashes: number;
  readonly faults: number;
  readonly steps: number;
  /** Crash points that were hit. */
  readonly points: ReadonlySet<string>;
}

export interface SimulationOptions {
  /** Hears of what happens. */
  readonly trace?: (line: string) => void;
}

const CLUSTER = 'cluster';
const MAX_STEPS = 600_000;
const SETTLE_MS = 60_000;
const SETTLES = 180;

export async function simulate(seed: number, options: SimulationOptions = {}): Promise<SimulationResult> {
  const chance = createChance(seed);
  const world = createWorld(chance.fork(), MAX_STEPS);
  const trace = (line: string): void => options.trace?.(`${(world.clock.monotonic() / 1000).toFixed(3).padStart(9)} ${line}`);
  let uids = 0;
  const server = createFakeServer({ uid: () => `uid-${++uids}`, time: () => `t${Math.floor(world.clock.monotonic() / 1000)}` });
  server.create(JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'kube-system' } }), 'kubernetes');
  const checker = createChecker(server, (violation) => trace(`VIOLATION ${violation}`));
  const story = createStory(chance.fork(), { large: chance.often(0.25) });
  const source = createScriptedSource();
  const faults = { on: true, rate: chance.pick([0, 0.01, 0.05]), count: 0 };
  const machine = createMachine({ seed, world, server, checker, source, chance: chance.fork(), faults, trace });
  runControllers(world, server, chance.fork());

  let generation = 0;
  let wanted: readonly string[] = [];
  const publish = (calm: boolean): void => {
    const done = (unit: string): boolean => machine.snapshot()?.left.some((one) => one.unit === unit && one.done) === true;
    const { units, left, forgotten } = story.next({ calm, done });
    generation += chance.often(0.9) ? 1 : 2;
    const bundle = scriptBundle(CLUSTER, { generation }, units, left);
    const objects = objectsOf(units);
    // What leaves is now and then not ours any more, or another object, by the time it is looked at.
    for (const key of wanted) if (!calm && !objects.has(key) && chance.often(0.15)) replaceByForeign(server, key, chance, trace);
    wanted = [...objects.keys()];
    checker.published(bundle, objects);
    source.publish(bundle);
    trace(
      `publish ${generation}: ${units.map((unit) => `${unit.name}[${unit.objects.length}]${flags(unit)}`).join(' ')} left ${JSON.stringify(left)} forgotten ${forgotten.join()}`,
    );
  };

  try {
    const rounds = 3 + chance.below(6);
    for (let round = 0; round < rounds; round++) {
      publish(false);
      const meddles = chance.below(4);
      for (let index = 0; index <= meddles; index++) {
        await world.run(chance.pick([0, 30, 1_000, 15_000, 70_000]) * chance.fraction());
        if (index < meddles) meddle(server, checker, chance, story.keys, trace);
      }
    }
    faults.on = false;
    machine.calm();
    heal(server, trace);
    publish(true);
    for (let index = 0; index < SETTLES; index++) {
      await world.run(SETTLE_MS);
      if (checker.unsettled(machine.snapshot()).length === 0) break;
    }
  } catch (thrown) {
    const { message } = DroverError.from(thrown, 'simulation');
    return result([...checker.violations, message]);
  }
  return result([...new Set([...checker.violations, ...checker.unsettled(machine.snapshot())])]);

  function result(violations: readonly string[]): SimulationResult {
    return {
      seed,
      violations,
      generations: generation,
      crashes: machine.crashes(),
      faults: faults.count,
      steps: world.steps,
      points: machine.points,
    };
  }
}

function flags(unit: ScriptedUnit): string {
  return `${unit.suspended === true ? ' suspended' : ''}${unit.mode === 'Observe' ? ' observed' : ''}${unit.prune === false ? ' no-prune' : ''}`;
}

function objectsOf(units: readonly ScriptedUnit[]): Published['objects'] {
  const objects = new Map<string, { unit: string; digest: string; object: KubeObject }>();
  for (const unit of units) {
    for (const plain of unit.objects) {
      const object = markedObject(unit.name, plain);
      objects.set(keyOf(refOf(object)), { unit: unit.name, digest: digestOf(canonicalJson(object)), object });
    }
  }
  return objects;
}

interface MachineDeps {
  readonly seed: number;
  readonly world: World;
  readonly server: FakeServer;
  readonly checker: ReturnType<typeof createChecker>;
  readonly source: ReturnType<typeof createScriptedSource>;
  readonly chance: Chance;
  readonly faults: { readonly on: boolean; readonly rate: number; count: number };
  trace(line: string): void;
}

/** Where agents run: one at a time, or two while one of them is frozen. */
function createMachine(deps: MachineDeps): {
  snapshot(): Snapshot | undefined;
  calm(): void;
  crashes(): number;
  readonly points: Set<string>;
} {
  const { world, server, checker, source, chance, faults, trace } = deps;
  const disk = new Map<string, Uint8Array>();
  const points = new Set<string>();
  let last: Snapshot | undefined;
  let born = 0;
  let crashes = 0;
  let calm = false;

  function start(): void {
    const name = `agent-${++born}`;
    let alive = true;
    let thaw: Promise<void> | undefined;
    let effects = 0;
    const dieAt = calm || !chance.often(0.85) ? Infinity : 1 + chance.below(chance.pick([4, 12, 40]));
    const moment = chance.pick(['before', 'after', 'lost'] as const);
    trace(`${name} starts${dieAt === Infinity ? '' : `, dies ${moment} effect ${dieAt}`}`);
    const never = new Promise<never>(() => {});

    const turn = async (): Promise<void> => {
      await world.turn();
      if (!alive) await never;
    };
    /** Waits while the process is stopped; what is on its way to the server arrives all the same. */
    const awake = async (): Promise<void> => {
      while (thaw !== undefined) await thaw;
      if (!alive) await never;
    };

    function die(): Promise<never> {
      alive = false;
      crashes++;
      trace(`${name} dies`);
      if (chance.often(0.2)) disk.clear();
      world.at(chance.pick([0, 1_000, 20_000]), start);
      return never;
    }

    const effect: Effect = async (point, run) => {
      await awake();
      points.add(point);
      const now = ++effects === dieAt && !calm;
      if (now && moment === 'before') return await die();
      const done = await run();
      await awake();
      if (now && moment === 'after') return await die();
      if (now) throw new DroverError(point === 'apply' ? 'KUBE_UNREACHABLE' : 'KUBE_OUTCOME_UNKNOWN', point, 'the reply was lost');
      return done;
    };

    let issued = 0;
    const kube = createFakeKube({
      server,
      turn,
      fate: (request) => {
        // Between the read and the DELETE (F17).
        if (faults.on && request.verb === 'delete' && chance.often(0.05)) replaceByForeign(server, request.key, chance, trace);
        if (!faults.on || request.verb === 'watch' ? !chance.often(faults.on ? faults.rate : 0) : !chance.often(faults.rate)) return 'Done';
        faults.count++;
        return chance.pick(['Refused', 'ReplyLost'] as const);
      },
      onWrite: (request) => {
        trace(`${name} ${request.verb} ${request.key}`);
        checker.onWrite(name, request, issued);
      },
      onWritten: (request) => checker.onWritten(name, request),
      changed: () => changed(server),
    });
    const random = chance.fork();
    const ports = {
      clock: {
        now: () => world.clock.now(),
        monotonic: () => world.clock.monotonic(),
        async sleep(ms: number, signal: AbortSignal) {
          await world.clock.sleep(ms, signal);
          await awake();
        },
      },
      random: {
        fraction: random.fraction,
        bytes: (length: number) => Uint8Array.from({ length }, () => random.below(256)),
        uuid: () => `${name}-${random.below(1e9)}`,
      },
      effect: (async (point, run) => {
        // The moment of the check counts: what is asked for after the Lease was lost must not be.
        return await effect(point, () => {
          issued = server.revision;
          return run();
        });
      }) satisfies Effect as Effect,
      log: logTo((line) => trace(`${name} ${line}`)),
      kube,
      cache: storeIn(disk),
    };
    const agent = createAgent({
      ports,
      source: source.restarted(),
      createObserver: () => createObserver({ kube, ports }),
      reporter: {
        publish(snapshot) {
          if (!alive || thaw !== undefined) return;
          last = snapshot;
          checker.onPublish(snapshot);
        },
        event: (event) => trace(`${name} event ${event.reason} ${event.unit ?? ''} ${event.object ?? ''} ${event.message}`),
      },
      cluster: CLUSTER,
      cacheKey: new Uint8Array(32),
      mirror: true,
      maxDeletesPerDay: 100_000,
    });
    agent.run(new AbortController().signal).catch((thrown: unknown) => trace(`${name} ended: ${String(thrown)}`));

    if (!calm && chance.often(0.15)) {
      world.at(chance.below(30_000), () => {
        if (!alive || calm) return;
        let wake = (): void => {};
        thaw = new Promise((resolve) => void (wake = resolve));
        trace(`${name} is frozen`);
        world.at(500, start);
        world.at(60_000, () => {
          thaw = undefined;
          trace(`${name} thaws`);
          wake();
        });
      });
    }
  }

  start();
  return {
    snapshot: () => last,
    calm: () => void (calm = true),
    crashes: () => crashes,
    points,
  };
}

function changed(server: FakeServer): Promise<void> {
  return new Promise((resolve) => void waiting(server).push(resolve));
}

const waits = new WeakMap<FakeServer, (() => void)[]>();

function waiting(server: FakeServer): (() => void)[] {
  let list = waits.get(server);
  if (list === undefined) {
    const made: (() => void)[] = [];
    waits.set(server, (list = made));
    server.onChange(() => {
      for (const wake of made.splice(0)) wake();
    });
  }
  return list;
}

/** Makes workloads Ready, some time after they were applied. */
function runControllers(world: World, server: FakeServer, chance: Chance): void {
  server.onChange(() => {
    for (const object of server.all()) {
      if (object.kind !== 'Deployment' && object.kind !== 'StatefulSet') continue;
      const { generation = 1 } = object.metadata;
      const status = object['status'] as { observedGeneration?: number } | undefined;
      if (status?.observedGeneration === generation) continue;
      const key = keyOf(refOf(object));
      world.at(chance.below(3_000), () => server.setStatus(key, readyStatus(generation)));
    }
    for (const object of server.all()) {
      if (object.kind !== 'CustomResourceDefinition' || object['status'] !== undefined) continue;
      const conditions = [
        { type: 'NamesAccepted', status: 'True' },
        { type: 'Established', status: 'True' },
      ];
      world.at(0, () => server.setStatus(keyOf(refOf(object)), { conditions }));
    }
    for (const object of server.all()) {
      if (object.kind === 'Namespace' && object['status'] === undefined)
        world.at(0, () => server.setStatus(keyOf(refOf(object)), { phase: 'Active' }));
    }
  });
}

function readyStatus(generation: number): object {
  return {
    observedGeneration: generation,
    replicas: 1,
    updatedReplicas: 1,
    readyReplicas: 1,
    availableReplicas: 1,
    currentReplicas: 1,
    conditions: [{ type: 'Available', status: 'True' }],
  };
}

type Meddle = (key: string) => void;

/** What people, operators and accidents do to a cluster. */
function meddle(
  server: FakeServer,
  checker: ReturnType<typeof createChecker>,
  chance: Chance,
  keys: readonly string[],
  trace: (line: string) => void,
): void {
  const edit: Meddle = (key) => {
    server.edit(key, chance.pick(['kubectl-edit', 'operator']), (object) => {
      if (object['kind'] === 'ConfigMap') object['data'] = { ...(object['data'] as object | undefined), k: 'edited', extra: 'theirs' };
      else (object['metadata'] as Record<string, unknown>)['labels'] = { 'drover.dev/managed': 'true', edited: 'yes' };
    });
  };
  const actions: Readonly<Record<string, Meddle>> = {
    edit,
    'strip marks': (key) =>
      void server.edit(key, 'kubectl-label', (object) => {
        const metadata = object['metadata'] as Record<string, unknown>;
        delete metadata['labels'];
        if (chance.often(0.3)) delete metadata['annotations'];
      }),
    remove: (key) => {
      if (parseKey(key).kind !== 'Namespace' && parseKey(key).kind !== 'CustomResourceDefinition') server.delete(key);
    },
    replace: (key) => {
      const before = server.get(key);
      if (before === undefined || parseKey(key).kind !== 'ConfigMap') return;
      server.delete(key);
      if (server.get(key) === undefined) attempt(() => server.create(foreign(before, {}), 'kubectl-create'));
    },
    'helm was here': (key) => {
      if (server.get(key) === undefined && parseKey(key).kind === 'ConfigMap')
        attempt(() => server.create(configMap(key, { 'meta.helm.sh/release-name': 'r' }), 'helm'));
    },
    'kubectl was here': (key) => {
      if (server.get(key) === undefined && parseKey(key).kind === 'ConfigMap')
        attempt(() => server.create(configMap(key, {}), 'kubectl-client-side-apply'));
    },
    'marks copied': () => {
      const marks = { labels: { 'drover.dev/managed': 'true' }, annotations: { 'drover.dev/unit': 'drover/shop' } };
      const copy = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace: 'n1', name: 'copied', ...marks }, data: { k: 'v' } };
      if (server.get('/ConfigMap/n1/copied') === undefined) attempt(() => server.create(JSON.stringify(copy), 'operator'));
    },
    finalizer: (key) =>
      void server.edit(
        key,
        'operator',
        (object) => void ((object['metadata'] as Record<string, unknown>)['finalizers'] = ['example.com/hold']),
      ),
    'history compacted': () => server.compact(),
    'namespace deleted': () => void server.delete('/Namespace//n2'),
    'definition deleted': () => void server.delete('apiextensions.k8s.io/CustomResourceDefinition//widgets.example.com'),
    'inventory damaged': () => {
      checker.damaged();
      const names = server.list('', 'Secret', AGENT_NAMESPACE).map((secret) => secret.metadata.name);
      const mine = names.filter((name) => name === STATE_NAME || name.startsWith(SHARD_PREFIX));
      if (mine.length === 0) return;
      const key = keyOf({ group: '', kind: 'Secret', namespace: AGENT_NAMESPACE, name: chance.pick(mine) });
      if (chance.often(0.5)) server.delete(key);
      else server.edit(key, 'kubectl-edit', (object) => void (object['data'] = { payload: 'AAAA', digest: 'AAAA' }));
    },
  };
  const name = chance.often(0.06) ? 'inventory damaged' : chance.pick(Object.keys(actions).filter((one) => one !== 'inventory damaged'));
  const key = chance.pick(keys);
  trace(`meddle: ${name} ${key}`);
  actions[name]?.(key);
}

/** Another object under the same name, or the same one with every field taken over. */
function replaceByForeign(server: FakeServer, key: string, chance: Chance, trace: (line: string) => void): void {
  const before = server.get(key);
  if (before === undefined || parseKey(key).kind !== 'ConfigMap' || before.metadata.deletionTimestamp !== undefined) return;
  trace(`meddle: foreign ${key}`);
  if (chance.often(0.5)) server.delete(key);
  if (server.get(key) === undefined) attempt(() => server.create(foreign(before, {}), 'kubectl-create'));
  else attempt(() => server.replace(foreign(before, {}), 'kubectl-replace'));
}

/** Undoes what nobody but a person would undo. */
function heal(server: FakeServer, trace: (line: string) => void): void {
  for (const object of server.all()) {
    const key = keyOf(refOf(object));
    if (object.metadata.annotations?.['meta.helm.sh/release-name'] !== undefined) server.delete(key);
    if ((object.metadata.finalizers ?? []).length > 0) {
      server.edit(key, 'operator', (draft) => void delete (draft['metadata'] as Record<string, unknown>)['finalizers']);
    }
  }
  trace('healed');
}

function attempt(run: () => void): void {
  try {
    run();
  } catch (thrown) {
    if (!(thrown instanceof DroverError)) throw thrown;
  }
}

function foreign(object: KubeObject, annotations: Record<string, string>): string {
  const { name, namespace } = object.metadata;
  return JSON.stringify({
    apiVersion: object.apiVersion,
    kind: object.kind,
    metadata: { name, namespace, annotations },
    data: { k: 'foreign' },
  });
}

function configMap(key: string, annotations: Record<string, string>): string {
  const { name, namespace = '' } = parseKey(key);
  return foreign({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace } }, annotations);
}

function storeIn(disk: Map<string, Uint8Array>): CacheStore {
  return {
    read: async (name) => disk.get(name),
    write: async (name, bytes) => void disk.set(name, bytes),
    remove: async (name) => void disk.delete(name),
    list: async () => [...disk.keys()],
  };
}

function logTo(write: (line: string) => void): Logger {
  const at = (level: string) => (fields: object, message: string) =>
    write(`${level} ${message} ${JSON.stringify(fields, (_key, value: unknown) => (Error.isError(value) ? value.message : value))}`);
  const log: Logger = { debug: () => {}, info: () => {}, warn: at('warn'), error: at('error'), child: () => log };
  return log;
}
