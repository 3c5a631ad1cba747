/**
 * Which fields a manager owns, as paths joined by NUL, each step as fieldsV1 writes it. Written apart from the agent's
 * own reading of fieldsV1 on purpose: it judges the agent.
 */
export type FieldPaths = ReadonlySet<string>;
export type Trie = { [step: string]: Trie };

const SEPARATOR = '\0';

/** Lists whose items the server tells apart by keys; every other list is owned as a whole. */
const LIST_KEYS: Readonly<Record<string, readonly string[]>> = {
  containers: ['name'],
  initContainers: ['name'],
  env: ['name'],
  volumes: ['name'],
  volumeMounts: ['mountPath'],
  ownerReferences: ['uid'],
};
/** Lists that are sets. */
const SETS: ReadonlySet<string> = new Set(['finalizers']);
/** Maps that are owned as a whole. */
const ATOMIC: ReadonlySet<string> = new Set(['matchLabels', 'selector']);
const IDENTITY: ReadonlySet<string> = new Set(['f:apiVersion', 'f:kind']);
const UNOWNED_METADATA: ReadonlySet<string> = new Set([
  'f:name',
  'f:namespace',
  'f:uid',
  'f:resourceVersion',
  'f:generation',
  'f:creationTimestamp',
  'f:deletionTimestamp',
  'f:managedFields',
]);

/** Leaves of an object with their values, as canonical text. */
export function leavesOf(object: object): Map<string, string> {
  const leaves = new Map<string, string>();
  for (const [name, value] of Object.entries(object)) {
    if (IDENTITY.has(`f:${name}`)) continue;
    if (name !== 'metadata') collect(value, name, [`f:${name}`], leaves);
    else {
      for (const [field, below] of Object.entries(value as object)) {
        if (!UNOWNED_METADATA.has(`f:${field}`)) collect(below, field, ['f:metadata', `f:${field}`], leaves);
      }
    }
  }
  return leaves;
}

function collect(value: unknown, name: string, steps: readonly string[], leaves: Map<string, string>): void {
  const leaf = (): void => void leaves.set(steps.join(SEPARATOR), JSON.stringify(value));
  if (value === null || value === undefined) return;
  if (Array.isArray(value)) {
    const keys = LIST_KEYS[name];
    if (SETS.has(name)) for (const item of value) leaves.set([...steps, `v:${JSON.stringify(item)}`].join(SEPARATOR), 'true');
    else if (keys === undefined) leaf();
    else for (const item of value as Record<string, unknown>[]) collectItem(item, keys, steps, leaves);
    return;
  }
  if (typeof value !== 'object' || ATOMIC.has(name)) {
    leaf();
    return;
  }
  for (const [field, below] of Object.entries(value)) collect(below, field, [...steps, `f:${field}`], leaves);
}

function collectItem(item: Record<string, unknown>, keys: readonly string[], steps: readonly string[], leaves: Map<string, string>): void {
  const at = [...steps, `k:${JSON.stringify(Object.fromEntries(keys.map((key) => [key, item[key]])))}`];
  leaves.set(at.join(SEPARATOR), 'true');
  for (const [field, below] of Object.entries(item)) collect(below, field, [...at, `f:${field}`], leaves);
}

/** Sets or removes leaves of an object; lists of items are made and emptied as needed. */
export function withLeaves(object: object, set: ReadonlyMap<string, string>, remove: Iterable<string>): Record<string, unknown> {
  const copy = structuredClone(object) as Record<string, unknown>;
  for (const path of remove) removeAt(copy, path.split(SEPARATOR));
  for (const [path, text] of set) setAt(copy, path.split(SEPARATOR), JSON.parse(text));
  return copy;
}

function setAt(object: Record<string, unknown>, steps: readonly string[], value: unknown): void {
  let here: unknown = object;
  for (const [index, step] of steps.entries()) {
    const last = index === steps.length - 1;
    const next = steps[index + 1] ?? '';
    if (step.startsWith('f:')) {
      const map = here as Record<string, unknown>;
      const name = step.slice(2);
      if (last) map[name] = value;
      else map[name] ??= /^[kv]:/.test(next) ? [] : {};
      here = map[name];
    } else if (step.startsWith('v:')) {
      const list = here as unknown[];
      const item = JSON.parse(step.slice(2)) as unknown;
      if (!list.includes(item)) list.push(item);
    } else {
      const list = here as Record<string, unknown>[];
      const keys = JSON.parse(step.slice(2)) as Record<string, unknown>;
      let item = list.find((candidate) => Object.entries(keys).every(([key, wanted]) => candidate[key] === wanted));
      if (item === undefined) list.push((item = { ...keys }));
      here = item;
    }
  }
}

function removeAt(object: Record<string, unknown>, steps: readonly string[]): void {
  const [step = '', ...rest] = steps;
  if (step.startsWith('f:')) {
    const name = step.slice(2);
    const below = object[name];
    if (rest.length === 0) delete object[name];
    else if (Array.isArray(below)) removeFromList(below as unknown[], rest);
    else if (typeof below === 'object' && below !== null) removeAt(below as Record<string, unknown>, rest);
    const left = object[name];
    if (typeof left === 'object' && left !== null && Object.keys(left).length === 0) delete object[name];
  }
}

function removeFromList(list: unknown[], steps: readonly string[]): void {
  const [step = '', ...rest] = steps;
  if (step.startsWith('v:')) {
    const index = list.indexOf(JSON.parse(step.slice(2)));
    if (index >= 0) list.splice(index, 1);
    return;
  }
  const keys = JSON.parse(step.slice(2)) as Record<string, unknown>;
  const index = (list as Record<string, unknown>[]).findIndex((item) =>
    Object.entries(keys).every(([key, wanted]) => item[key] === wanted),
  );
  if (index < 0) return;
  if (rest.length === 0) list.splice(index, 1);
  else removeAt(list[index] as Record<string, unknown>, rest);
}

export function trieOf(paths: Iterable<string>): Trie {
  const root: Trie = {};
  for (const path of [...paths].sort()) {
    let here = root;
    for (const step of path.split(SEPARATOR)) here = here[step] ??= {};
  }
  return root;
}

/** Leaves, and items of lists. A map that is owned as such (`.`) counts for nothing: it comes and goes with its leaves. */
export function pathsOf(trie: Trie | undefined): Set<string> {
  const paths = new Set<string>();
  const walk = (node: Trie, steps: readonly string[]): void => {
    const below = Object.entries(node).filter(([step]) => step !== '.');
    if (steps.length > 0 && (Object.keys(node).length === 0 || steps.at(-1)?.startsWith('k:') === true)) paths.add(steps.join(SEPARATOR));
    for (const [step, next] of below) walk(next, [...steps, step]);
  };
  walk(trie ?? {}, []);
  return paths;
}
