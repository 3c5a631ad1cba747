import { globMatches } from './glob.ts';

/**
 * Flux's substitution of variables in text: `${name}`, defaults, case, length, slices, removals and replacements.
 * `$$` stands for one `$`; a `$` before anything else stays.
 *
 * | form | value |
 * |---|---|
 * | `${a:=word}` `${a:-word}` `${a=word}` | `word` when `a` is missing or empty |
 * | `${#a}` | length |
 * | `${a^}` `${a^^}` `${a,}` `${a,,}` | first letter or all in upper or lower case |
 * | `${a:start}` `${a:start:length}` | slice; a negative start counts from the end |
 * | `${a#p}` `${a##p}` `${a%p}` `${a%%p}` | shortest or longest match of the pattern taken off the front or the end |
 * | `${a/x/y}` `${a//x/y}` `${a/#x/y}` `${a/%x/y}` | `x` replaced: first, all, at the front, at the end; `\/` is a slash |
 *
 * A word may hold expressions. `${a:+word}` and `${a:?word}` are refused: Flux reads both as defaults, shells do not.
 * Besides names there are references to the cluster, `${cluster.name}`, `${cluster.labels["k"]}`, `${cluster.vars.k}`.
 *
 * @see https://fluxcd.io/flux/components/kustomize/kustomizations/#post-build-variable-substitution
 */
export interface Lookup {
  /** Undefined when the variable is missing. */
  variable(name: string): string | undefined;
  /** @param reference what stands behind `cluster.` */
  cluster(reference: string): string | undefined;
  /** Called for what is missing and has no default; what it returns is inserted. */
  missing(name: string): string;
}

/** Text that is no valid expression; `what` quotes no values. */
export class ExpressionError extends Error {
  override readonly name = 'ExpressionError';
}

/** @throws ExpressionError, and what `lookup` throws */
export function evaluate(text: string, lookup: Lookup): string {
  if (!text.includes('$')) return text;
  const cursor: Cursor = { text, at: 0, depth: 0, lookup };
  return readText(cursor, undefined, true);
}

interface Cursor {
  readonly text: string;
  at: number;
  depth: number;
  readonly lookup: Lookup;
}

const MAX_DEPTH = 32;
const NAME = /[\p{L}\p{Nd}_]+/uy;
const CLUSTER = /cluster\.((?:[A-Za-z]+)(?:\["[^"\]]*"\]|\.[A-Za-z0-9_-]+)?)/y;

/** Text up to one of the `ends` outside an expression, which is left unread; `undefined` reads everything. */
function readText(cursor: Cursor, ends: string | undefined, dollars: boolean, slashes = false): string {
  let out = '';
  for (;;) {
    const character = cursor.text[cursor.at];
    if (character === undefined) {
      if (ends !== undefined) throw new ExpressionError('an expression is not closed by }');
      return out;
    }
    if (ends?.includes(character) === true) return out;
    const next = cursor.text[cursor.at + 1];
    if (character === '$' && next === '{') {
      cursor.at += 2;
      out += readExpression(cursor);
    } else if (character === '$' && next === '$' && dollars) {
      cursor.at += 2;
      out += '$';
    } else if (slashes && character === '\\' && (next === '/' || next === '\\')) {
      cursor.at += 2;
      out += next;
    } else {
      cursor.at++;
      out += character;
    }
  }
}

function readExpression(cursor: Cursor): string {
  if (++cursor.depth > MAX_DEPTH) throw new ExpressionError(`expressions lie in each other more than ${MAX_DEPTH} deep`);
  const result = expression(cursor);
  if (cursor.text[cursor.at] !== '}') throw new ExpressionError('an expression is not closed by }');
  cursor.at++;
  cursor.depth--;
  return result;
}

function expression(cursor: Cursor): string {
  if (take(cursor, '#')) return String(Array.from(value(cursor, readName(cursor))).length);
  const name = readName(cursor);
  switch (cursor.text[cursor.at]) {
    case '}':
      return value(cursor, name);
    case ':':
      return afterColon(cursor, name);
    case '=':
      cursor.at++;
      return withDefault(cursor, name);
    case '^':
      return take(cursor, '^^')
        ? value(cursor, name).toUpperCase()
        : (cursor.at++, firstLetter(value(cursor, name), (letter) => letter.toUpperCase()));
    case ',':
      return take(cursor, ',,')
        ? value(cursor, name).toLowerCase()
        : (cursor.at++, firstLetter(value(cursor, name), (letter) => letter.toLowerCase()));
    case '#':
    case '%':
      return remove(cursor, name);
    case '/':
      return replace(cursor, name);
    default:
      throw new ExpressionError(
        `after ${name.shown} an expression cannot go on with ${JSON.stringify(cursor.text[cursor.at] ?? 'its end')}`,
      );
  }
}

interface Name {
  readonly shown: string;
  readonly found: string | undefined;
}

function readName(cursor: Cursor): Name {
  CLUSTER.lastIndex = cursor.at;
  const reference = CLUSTER.exec(cursor.text);
  if (reference !== null) {
    cursor.at = CLUSTER.lastIndex;
    return { shown: reference[0], found: cursor.lookup.cluster(reference[1] ?? '') };
  }
  NAME.lastIndex = cursor.at;
  const name = NAME.exec(cursor.text)?.[0];
  if (name === undefined) throw new ExpressionError('${ is not followed by a name; write $${ for the characters themselves');
  cursor.at += name.length;
  return { shown: name, found: cursor.lookup.variable(name) };
}

function value(cursor: Cursor, name: Name): string {
  return name.found ?? cursor.lookup.missing(name.shown);
}

function afterColon(cursor: Cursor, name: Name): string {
  cursor.at++;
  const operator = cursor.text[cursor.at] ?? '';
  if (operator === '=' || operator === '-') {
    // ${a:-1} is a default too, as in a shell: a negative start of a slice needs a space
    cursor.at++;
    return withDefault(cursor, name);
  }
  if (operator === '+' || operator === '?') {
    throw new ExpressionError(`\${${name.shown}:${operator}…} means one thing to Flux and another to shells; write a default with :=`);
  }
  const text = value(cursor, name);
  const start = readText(cursor, ':}', false).trim();
  const length = take(cursor, ':') ? readText(cursor, '}', false).trim() : undefined;
  return slice(text, start, length);
}

function withDefault(cursor: Cursor, name: Name): string {
  const word = readText(cursor, '}', false);
  return name.found === undefined || name.found === '' ? word : name.found;
}

function slice(text: string, start: string, length: string | undefined): string {
  const characters = Array.from(text);
  const from = integer(start);
  const count = length === undefined ? undefined : integer(length);
  const first = from < 0 ? Math.max(0, characters.length + from) : from;
  if (count !== undefined && count < 0) throw new ExpressionError('the length of a slice is negative');
  return characters.slice(first, count === undefined ? undefined : first + count).join('');
}

function integer(text: string): number {
  if (!/^[-+]?\d{1,9}$/.test(text)) throw new ExpressionError('start and length of a slice are whole numbers');
  return Number(text);
}

function firstLetter(text: string, change: (letter: string) => string): string {
  const [first, ...rest] = Array.from(text);
  return first === undefined ? '' : change(first) + rest.join('');
}

function remove(cursor: Cursor, name: Name): string {
  const side = cursor.text[cursor.at] ?? '';
  const longest = take(cursor, side + side);
  if (!longest) cursor.at++;
  const pattern = readText(cursor, '}', false);
  const characters = Array.from(value(cursor, name));
  const lengths = Array.from({ length: characters.length + 1 }, (_, length) => length);
  if (longest) lengths.reverse();
  for (const length of lengths) {
    const cut = side === '#' ? characters.slice(0, length) : characters.slice(characters.length - length);
    if (!globMatches(pattern, cut.join(''))) continue;
    return (side === '#' ? characters.slice(length) : characters.slice(0, characters.length - length)).join('');
  }
  return characters.join('');
}

function replace(cursor: Cursor, name: Name): string {
  cursor.at++;
  const mode = ['/', '#', '%'].find((character) => take(cursor, character)) ?? '';
  const pattern = readText(cursor, '/}', true, true);
  if (!take(cursor, '/')) throw new ExpressionError(`\${${name.shown}/…} needs a second / before what replaces`);
  const by = readText(cursor, '}', true, true);
  const text = value(cursor, name);
  switch (mode) {
    case '/':
      return pattern === '' ? text : text.replaceAll(pattern, () => by);
    case '#':
      return text.startsWith(pattern) ? by + text.slice(pattern.length) : text;
    case '%':
      return text.endsWith(pattern) ? text.slice(0, text.length - pattern.length) + by : text;
    default:
      return text.replace(pattern, () => by);
  }
}

function take(cursor: Cursor, text: string): boolean {
  if (!cursor.text.startsWith(text, cursor.at)) return false;
  cursor.at += text.length;
  return true;
}
