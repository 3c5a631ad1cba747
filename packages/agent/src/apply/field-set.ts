/**
 * FieldsV1: the paths that one manager owns, as a tree. `f:<name>` is a field, `k:<json>` an item of a list by its
 * keys, `v:<json>` an item of a set, `i:<index>` an item by place, `.` the node itself.
 *
 * @see https://github.com/kubernetes-sigs/structured-merge-diff/blob/master/fieldpath/serialize.go
 */
export type FieldSet = { readonly [step: string]: FieldSet };

/** Paths in either. A step without children is itself owned; with children it is so where `.` says it. */
export function uniteFields(a: FieldSet, b: FieldSet): FieldSet {
  const united: Record<string, FieldSet> = { ...a };
  for (const [step, below] of Object.entries(b)) {
    const own = united[step];
    united[step] = own === undefined ? below : withNode(own, below, uniteFields(own, below));
  }
  return united;
}

function withNode(a: FieldSet, b: FieldSet, united: FieldSet): FieldSet {
  const leaf = Object.keys(a).length === 0 || Object.keys(b).length === 0;
  return leaf && Object.keys(united).length > 0 ? { ...united, '.': {} } : united;
}

/**
 * Paths of a value that was sent and that a set does not cover, as JSON pointers. What the server never tracks (identity,
 * null, empty objects and lists) is left out.
 */
export function uncovered(sent: unknown, fields: FieldSet, limit: number): readonly string[] {
  const paths: string[] = [];
  walk(sent, fields, '', paths, limit);
  return paths;
}

const UNTRACKED: ReadonlySet<string> = new Set(['/apiVersion', '/kind', '/metadata/name', '/metadata/namespace']);

function walk(value: unknown, fields: FieldSet, path: string, paths: string[], limit: number): void {
  if (paths.length >= limit || typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    const steps = Object.keys(fields).filter((step) => step !== '.');
    if (steps.length === 0) return;
    for (const [index, item] of value.entries()) {
      const found = steps.find((step) => names(step, item, index));
      if (found === undefined) note(item, `${path}/${index}`, paths, limit);
      else walk(item, fields[found] ?? {}, `${path}/${index}`, paths, limit);
    }
    return;
  }
  for (const [name, below] of Object.entries(value)) {
    const at = `${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    if (UNTRACKED.has(at)) continue;
    const node = fields[`f:${name}`];
    if (node === undefined) note(below, at, paths, limit);
    else if (Object.keys(node).length > 0) walk(below, node, at, paths, limit);
  }
}

/** Adds every leaf below that has a value. */
function note(value: unknown, path: string, paths: string[], limit: number): void {
  if (paths.length >= limit || value === null || value === undefined || UNTRACKED.has(path)) return;
  if (typeof value !== 'object') {
    paths.push(path);
    return;
  }
  for (const [name, below] of Object.entries(value))
    note(below, `${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`, paths, limit);
}

/** Whether a step of the tree names this item of a list. */
function names(step: string, item: unknown, index: number): boolean {
  if (step.startsWith('i:')) return step === `i:${index}`;
  if (step.startsWith('v:')) return same(JSON.parse(step.slice(2)), item);
  if (!step.startsWith('k:') || typeof item !== 'object' || item === null) return false;
  const keys = JSON.parse(step.slice(2)) as Readonly<Record<string, unknown>>;
  // A key that was not sent has been defaulted by the server, as a port's protocol.
  return Object.entries(keys).every(([name, key]) => {
    const own = (item as Readonly<Record<string, unknown>>)[name];
    return own === undefined || same(key, own);
  });
}

function same(a: unknown, b: unknown): boolean {
  return a === b || String(a) === String(b);
}
