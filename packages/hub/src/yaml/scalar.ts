/**
 * What a scalar means to Go's Kubernetes YAML reader (sigs.k8s.io/yaml over go-yaml v2), which kubectl and the API
 * machinery use: YAML 1.1 booleans, `0644` is octal, dates and `12:30:45` stay text, integers are exact up to 64 bits.
 * The table in testdata/scalars.json is recorded from that reader.
 *
 * @see https://github.com/yaml/go-yaml/blob/v2.4.2/resolve.go
 */
export type Scalar = null | boolean | number | bigint | string;

/** Text that its explicit tag does not allow, or that JSON cannot say. */
export class ScalarRefusal {
  readonly reason: string;
  constructor(reason: string) {
    this.reason = reason;
  }
}

const WORDS = new Map<string, null | boolean>([
  ...['', '~', 'null', 'Null', 'NULL'].map((word) => [word, null] as const),
  ...['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON'].map((word) => [word, true] as const),
  ...['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF'].map((word) => [word, false] as const),
]);
const LONGEST_WORD = 5;
const NOT_JSON = /^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;

/** Value of a plain scalar without a tag. */
export function resolvePlain(text: string): Scalar | ScalarRefusal {
  const first = text.charCodeAt(0);
  const numeric = (first >= 0x30 && first <= 0x39) || first === 0x2d || first === 0x2b || first === 0x2e;
  if (!numeric) {
    if (text.length > LONGEST_WORD) return text;
    const word = WORDS.get(text);
    return word === undefined ? text : word;
  }
  if (NOT_JSON.test(text)) return new ScalarRefusal(`${text} is no number of JSON; write it in quotes if it is text`);
  return (
    (first === 0x2e ? parseFloatText(text) : (parseInteger(text) ?? parseFloatText(text.replaceAll('_', '')) ?? parseOddBinary(text))) ??
    text
  );
}

const TAG_PREFIX = 'tag:yaml.org,2002:';

/** Value of a scalar with an explicit tag, given in full (`tag:yaml.org,2002:int`); a tag that is not YAML's own makes text. */
export function resolveTagged(text: string, tag: string): Scalar | ScalarRefusal {
  const name = tag.startsWith(TAG_PREFIX) ? tag.slice(TAG_PREFIX.length) : '';
  if (name === 'binary') return decodeBinary(text);
  if (!['bool', 'int', 'float', 'null', 'timestamp'].includes(name)) return text;
  const value = resolvePlain(text);
  if (value instanceof ScalarRefusal) return value;
  const fits =
    (name === 'null' && value === null) ||
    (name === 'bool' && typeof value === 'boolean') ||
    (name === 'int' && (typeof value === 'bigint' || (Number.isInteger(value) && parseInteger(text) !== undefined))) ||
    (name === 'float' && (typeof value === 'number' || typeof value === 'bigint')) ||
    (name === 'timestamp' && typeof value === 'string' && /^\d{4}-\d\d?-\d\d?(?:$|[Tt ])/.test(text));
  if (fits) return name === 'float' ? Number(value) : value;
  return new ScalarRefusal(`"${text}" is no !!${name}`);
}

const INTEGER = /^([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))$/;

/** Go's ParseInt, then ParseUint, with base 0, underscores taken out before. */
function parseInteger(text: string): number | bigint | undefined {
  const match = INTEGER.exec(text.includes('_') ? text.replaceAll('_', '') : text);
  if (match === null) return undefined;
  const [, sign = '', hex, binary, octal, decimal] = match;
  if (decimal !== undefined && decimal.length < 16) return sign === '-' ? 0 - Number(decimal) : Number(decimal);
  const digits =
    hex !== undefined ? `0x${hex}` : binary !== undefined ? `0b${binary}` : octal !== undefined ? `0o${octal}` : (decimal ?? '');
  const size = BigInt(digits);
  if (sign === '-' ? size > 2n ** 63n : size >= (sign === '+' ? 2n ** 63n : 2n ** 64n)) return undefined;
  const value = sign === '-' ? -size : size;
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

const FLOAT = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/;

function parseFloatText(text: string): number | undefined {
  if (!FLOAT.test(text)) return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

/** `0b+1` and `0b-1`: go-yaml reads the digits after `0b` with their own sign. */
function parseOddBinary(text: string): number | undefined {
  const match = /^0b([-+][01]{1,52})$/.exec(text.replaceAll('_', ''));
  return match === null ? undefined : parseInt(match[1] ?? '', 2);
}

function decodeBinary(text: string): string | ScalarRefusal {
  const compact = text.replace(/[\r\n]/g, '');
  const bytes = Buffer.from(compact, 'base64');
  if (bytes.toString('base64') !== compact) return new ScalarRefusal('!!binary is no base64');
  const decoded = bytes.toString('utf8');
  if (!Buffer.from(decoded, 'utf8').equals(bytes))
    return new ScalarRefusal('!!binary that is no text cannot be said in JSON; use binaryData');
  return decoded;
}
