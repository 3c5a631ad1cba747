import type { Json, JsonObject } from '@drover/contract';
import { isObject } from './json.ts';

/** What `data`, `stringData` and `binaryData` may hold. Messages name keys, never values. */
export type DataResult = { readonly value: JsonObject } | { readonly fault: string };

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const DATA_KEY = /^[-._A-Za-z0-9]+$/;
const MAX_KEY_CHARACTERS = 253;

/** A Secret with `stringData` turned into `data`, which it overrides, as the API server does; it never comes back from there. */
export function normalSecret(secret: JsonObject): DataResult {
  const { data, stringData, ...rest } = secret;
  const merged = new Map<string, string>();
  for (const [field, part] of [
    ['data', data],
    ['stringData', stringData],
  ] as const) {
    if (part === undefined || part === null) continue;
    if (!isObject(part)) return { fault: `${field} must be a mapping` };
    for (const [key, value] of Object.entries(part)) {
      const fault = keyFault(field, key);
      if (fault !== undefined) return { fault };
      if (field === 'stringData') {
        if (value !== null && typeof value !== 'string') return { fault: `stringData.${key} must be text; write it in quotes` };
        merged.set(key, Buffer.from(value ?? '', 'utf8').toString('base64'));
        continue;
      }
      const text = base64Text(value);
      if (text === undefined) return { fault: `data.${key} is not base64; write plain text under stringData` };
      merged.set(key, text);
    }
  }
  return { value: data === undefined && stringData === undefined ? rest : { ...rest, data: Object.fromEntries(merged) } };
}

/** A ConfigMap whose values are text, and whose `binaryData` is base64. */
export function normalConfigMap(configMap: JsonObject): DataResult {
  for (const field of ['data', 'binaryData'] as const) {
    const part = configMap[field];
    if (part === undefined || part === null) continue;
    if (!isObject(part)) return { fault: `${field} must be a mapping` };
    for (const [key, value] of Object.entries(part)) {
      const fault = keyFault(field, key);
      if (fault !== undefined) return { fault };
      if (field === 'data' && value !== null && typeof value !== 'string') return { fault: `data.${key} must be text; write it in quotes` };
      if (field === 'binaryData' && base64Text(value) === undefined) return { fault: `binaryData.${key} is not base64` };
    }
  }
  return { value: configMap };
}

function keyFault(field: string, key: string): string | undefined {
  if (DATA_KEY.test(key) && key.length <= MAX_KEY_CHARACTERS && key !== '.' && key !== '..') return undefined;
  return `${field}: key ${JSON.stringify(key.slice(0, 80))} may hold letters, digits, -, _ and ., at most ${MAX_KEY_CHARACTERS}`;
}

/** Without the line breaks that Go's decoder skips; undefined when it is none. */
function base64Text(value: Json): string | undefined {
  if (value === null) return '';
  if (typeof value !== 'string') return undefined;
  const text = value.replace(/[\r\n]/g, '');
  return BASE64.test(text) ? text : undefined;
}
