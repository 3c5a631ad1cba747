import type { Json } from './object.ts';

/**
 * Canonical JSON: RFC 8785 (keys sorted by UTF-16 code units, shortest numbers, no white space), except that integers
 * beyond ±2^53 keep their digits: they are BigInt in memory.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8785
 * @throws TypeError for what JSON cannot say: undefined in an array, functions, NaN, infinities, lone surrogates
 */
export function canonicalJson(value: unknown): string {
  switch (typeof value) {
    case 'string':
      if (!value.isWellFormed()) throw new TypeError('canonical JSON: string with a lone surrogate');
      return JSON.stringify(value);
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError(`canonical JSON: ${value} is no number of JSON`);
      return JSON.stringify(value);
    case 'bigint':
      return value.toString();
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object': {
      if (value === null) return 'null';
      if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item)).join(',')}]`;
      const record = value as Record<string, unknown>;
      const parts: string[] = [];
      for (const key of Object.keys(record).sort()) {
        const item = record[key];
        if (item === undefined) continue;
        parts.push(`${canonicalJson(key)}:${canonicalJson(item)}`);
      }
      return `{${parts.join(',')}}`;
    }
    default:
      throw new TypeError(`canonical JSON: ${typeof value} cannot be written`);
  }
}

const LONG_DIGITS = /\d{16}/;

/**
 * Reads JSON with integers exact: those that a double cannot hold become BigInt, up to 64 bits as in Go; beyond that a
 * double, as in Go. `__proto__` stays a plain key.
 *
 * @throws SyntaxError as JSON.parse
 */
export function parseJson(text: string): Json {
  if (!LONG_DIGITS.test(text)) return JSON.parse(text) as Json;
  const revive = (_key: string, value: unknown, context?: { source?: string }): unknown => {
    const source = context?.source;
    if (typeof value !== 'number' || source === undefined || Number.isSafeInteger(value) || !/^-?\d+$/.test(source)) return value;
    const exact = BigInt(source);
    return exact >= -(2n ** 63n) && exact < 2n ** 64n ? exact : value;
  };
  return JSON.parse(text, revive as (key: string, value: unknown) => unknown) as Json;
}
