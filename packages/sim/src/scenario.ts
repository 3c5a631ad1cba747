import type { KubeObject, LeftUnit, UnitName } from '@drover/contract';
import { keyOf, refOf } from '@drover/contract';
import type { ScriptedUnit } from '@drover/agent/sim';
import type { Chance } from './chance.ts';
import { createChance } from './chance.ts';

/** What may be in a bundle: few objects, so that they meet often. */
const NAMESPACES = ['n1', 'n2'] as const;

export function namespaceOf(name: string): KubeObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
}

const CRD: KubeObject = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.example.com' },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { kind: 'Widget', plural: 'widgets' },
    versions: [{ name: 'v1', served: true, storage: true }],
  },
};

type Template = (version: number) => KubeObject;

const TEMPLATES: readonly Template[] = [
  ...['a', 'b', 'c'].map((name) => configMap('n1', name)),
  ...['a', 'b'].map((name) => configMap('n2', name)),
  ...['g-aaaaaaaaaa', 'g-bbbbbbbbbb'].map((name) => configMap('n1', name)),
  (version) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { namespace: 'n1', name: 's' },
    data: { p: Buffer.from(`p${version}`).toString('base64') },
  }),
  (version) => workload('Deployment', 'web', version),
  (version) => workload('StatefulSet', 'db', version),
  (version) => ({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'viewer', labels: { v: String(version) } },
  }),
  (version) => ({ apiVersion: 'example.com/v1', kind: 'Widget', metadata: { namespace: 'n2', name: 'w' }, spec: { size: version } }),
];

function configMap(namespace: string, name: string): Template {
  return (version) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { namespace, name, ...(version % 5 === 4 ? { annotations: { 'drover.dev/prune': 'disabled' } } : {}) },
    data: { k: String(version), ...(version % 2 === 0 ? { even: 'yes' } : {}) },
  });
}

function workload(kind: string, name: string, version: number): KubeObject {
  return {
    apiVersion: 'apps/v1',
    kind,
    metadata: { namespace: 'n1', name },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'c', image: `i:${version}` }] } },
    },
  };
}

export const BASE = 'drover/base';
const UNITS: readonly UnitName[] = ['drover/pay', 'drover/shop', 'team/shop'];

export interface Generation {
  readonly units: readonly ScriptedUnit[];
  readonly left: readonly LeftUnit[];
  /** Units that a broken hub forgot: in neither list. */
  readonly forgotten: readonly UnitName[];
}

/** Draws what the hub publishes, one generation after the other. */
export interface Story {
  next(options: { readonly calm: boolean; readonly done: (unit: UnitName) => boolean }): Generation;
  /** Keys that may ever be wanted. */
  readonly keys: readonly string[];
}

/** Too much for the newest pack of the cache; hard to compress. */
const LARGES: readonly Template[] = ['l1', 'l2', 'l3', 'l4', 'l5'].map((name, index) => {
  const made = new Map<number, KubeObject>();
  return (version) => {
    const object = made.get(version) ?? {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { namespace: 'n1', name },
      data: { data: noise(version * 7 + index) },
    };
    made.set(version, object);
    return object;
  };
});

function noise(seed: number): string {
  const chance = createChance(seed);
  return Buffer.from(Array.from({ length: 22_000 }, () => chance.below(256))).toString('base64');
}

/** @param options.large objects that fill the cache */
export function createStory(chance: Chance, options: { readonly large: boolean }): Story {
  const templates = options.large ? [...TEMPLATES, ...LARGES] : TEMPLATES;
  const homes = new Map<Template, UnitName | undefined>();
  const versions = new Map<Template, number>();
  const settings = new Map<UnitName, { prune: boolean; dependsOn: readonly UnitName[] }>();
  let left: LeftUnit[] = [];
  let listed = new Set<UnitName>();

  function next({ calm, done }: { readonly calm: boolean; readonly done: (unit: UnitName) => boolean }): Generation {
    const present = UNITS.filter(() => chance.often(0.8));
    const active = present.length === 0 ? [UNITS[0] ?? ''] : present;
    for (const template of templates) {
      const home = homes.get(template);
      const stays = home !== undefined && active.includes(home) && chance.often(0.8);
      if (!stays) homes.set(template, chance.often(0.75) ? chance.pick(active) : undefined);
      if (chance.often(0.3)) versions.set(template, (versions.get(template) ?? 0) + 1);
    }
    for (const name of UNITS) {
      if (settings.has(name) && !chance.often(0.15)) continue;
      settings.set(name, { prune: chance.often(0.85), dependsOn: chance.often(0.4) ? [BASE] : [] });
    }
    const units: ScriptedUnit[] = [{ name: BASE, objects: [...NAMESPACES.map(namespaceOf), ...(calm || chance.often(0.85) ? [CRD] : [])] }];
    for (const name of active) {
      const objects = templates.filter((template) => homes.get(template) === name).map((template) => template(versions.get(template) ?? 0));
      const { prune = true, dependsOn = [] } = settings.get(name) ?? {};
      units.push({
        name,
        objects,
        prune,
        dependsOn,
        suspended: !calm && chance.often(0.1),
        mode: !calm && chance.often(0.07) ? 'Observe' : 'Enforce',
      });
    }
    const names = new Set(units.map((unit) => unit.name));
    const gone = [...listed].filter((name) => !names.has(name));
    const forgotten = gone.filter(() => !calm && chance.often(0.15));
    left = left.filter((unit) => !names.has(unit.name) && !done(unit.name));
    for (const name of gone) if (!forgotten.includes(name)) left.push({ name, objects: chance.often(0.7) ? 'Delete' : 'Orphan' });
    left.sort((a, b) => (a.name < b.name ? -1 : 1));
    listed = names;
    return { units, left, forgotten };
  }

  const keys = [...templates.map((template) => template(0)), ...NAMESPACES.map(namespaceOf), CRD].map((object) => keyOf(refOf(object)));
  return { next, keys };
}
