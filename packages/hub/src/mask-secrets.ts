import { canonicalJson, parseJson } from '@drover/contract';

const MASK = '(masked)';
/** Of a Secret these are shown; of anything else in it, `data` and `stringData` above all, the names alone. */
const SHOWN: ReadonlySet<string> = new Set(['apiVersion', 'kind', 'metadata', 'type', 'immutable']);
/** kubectl keeps a copy of the whole object in it. */
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/** An object as it may be shown: the values of a Secret are masked, its keys stay. */
export function maskSecrets(json: string): string {
  const object = parseJson(json) as Readonly<Record<string, unknown>>;
  if (object['kind'] !== 'Secret' || object['apiVersion'] !== 'v1') return json;
  return canonicalJson(
    mapValues(object, (value, key) => (key === 'metadata' ? maskMetadata(value) : SHOWN.has(key) ? value : mask(value))),
  );
}

function maskMetadata(metadata: unknown): unknown {
  return mapValues(metadata, (value, key) =>
    key === 'annotations' ? mapValues(value, (text, name) => (name === LAST_APPLIED ? MASK : text)) : value,
  );
}

function mask(value: unknown): unknown {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? mapValues(value, () => MASK) : MASK;
}

function mapValues(value: unknown, change: (value: unknown, key: string) => unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, change(item, key)]));
}
