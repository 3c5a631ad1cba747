import type { Json, JsonObject } from '@drover/contract';
import { canonicalJson, MANAGED_LABEL, PRUNE_ANNOTATION, UNIT_ANNOTATION } from '@drover/contract';
import type { BuiltObject } from './built.ts';
import { objectError } from './built.ts';
import { isObject, without } from './json.ts';

/** Directions that an object carries to Drover, in its own form and in Flux's, as annotation or label. */
const PREFIXES = ['drover.dev/', 'kustomize.toolkit.fluxcd.io/'] as const;

/** What holds without the direction; anything else is refused until it is built. */
const DIRECTIONS: Readonly<Record<string, readonly string[]>> = {
  ssa: ['override'],
  force: ['disabled', 'false'],
  reconcile: ['enabled'],
  substitute: ['enabled'],
  prune: ['enabled', 'disabled'],
};

export interface Directed {
  readonly metadata: JsonObject;
  /** Marks of ownership that were written in the source, and are taken out. */
  readonly stripped: readonly string[];
}

/**
 * Judges `drover.dev/*` annotations and labels, and the forms of Flux. `prune: disabled` in any form becomes
 * `drover.dev/prune: disabled`, which is what the agent reads.
 *
 * @throws DroverError FIELD_NOT_YET, FIELD_UNKNOWN, OBJECT_INVALID
 */
export function readDirections(object: BuiltObject, metadata: JsonObject): Directed {
  let unpruned = false;
  const stripped: string[] = [];
  const parts: Record<string, JsonObject> = {};
  for (const part of ['labels', 'annotations'] as const) {
    const written = metadata[part];
    if (!isObject(written)) continue;
    const marks = Object.keys(written).filter((key) => key === MANAGED_LABEL || key === UNIT_ANNOTATION);
    stripped.push(...marks.map((key) => `metadata.${part}[${key}]`));
    parts[part] = without(written, marks);
    for (const [key, value] of Object.entries(parts[part])) if (judge(object, part, key, value)) unpruned = true;
  }
  if (unpruned) parts['annotations'] = { ...parts['annotations'], [PRUNE_ANNOTATION]: 'disabled' };
  return { metadata: { ...metadata, ...parts }, stripped };
}

/** True when it says that the object is not pruned. */
function judge(object: BuiltObject, part: string, key: string, value: Json): boolean {
  const prefix = PREFIXES.find((candidate) => key.startsWith(candidate));
  if (prefix === undefined) return false;
  const direction = key.slice(prefix.length);
  const neutral = Object.hasOwn(DIRECTIONS, direction) ? DIRECTIONS[direction] : undefined;
  if (neutral === undefined) {
    // Flux marks its own objects with other keys below its prefix; below ours there is nothing else
    if (prefix !== 'drover.dev/') return false;
    throw objectError('FIELD_UNKNOWN', object, `${part}: ${key} is nothing that Drover reads`);
  }
  const written = typeof value === 'string' ? value : canonicalJson(value);
  const text = written.toLowerCase();
  if (!neutral.includes(text)) {
    if (direction === 'prune') throw objectError('OBJECT_INVALID', object, `${part}: ${key} must be "disabled" or "enabled"`);
    throw objectError('FIELD_NOT_YET', object, `${part}: ${key}: ${written.slice(0, 40)} is not implemented`);
  }
  return direction === 'prune' && text === 'disabled';
}
