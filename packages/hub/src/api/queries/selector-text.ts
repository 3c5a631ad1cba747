import { DroverError } from '@drover/contract';

type Term = (labels: Readonly<Record<string, string>>) => boolean;

const KEY = '[A-Za-z0-9]([A-Za-z0-9._/-]{0,250}[A-Za-z0-9])?';
const VALUE = '[A-Za-z0-9._-]{0,63}';
const SET = new RegExp(`^(?<key>${KEY})\\s+(?<operator>in|notin)\\s+\\((?<values>[A-Za-z0-9._, -]{0,1000})\\)$`);
const EQUALS = new RegExp(`^(?<key>${KEY})\\s*(?<operator>==|=|!=)\\s*(?<value>${VALUE})$`);
const EXISTS = new RegExp(`^(?<not>!?)\\s*(?<key>${KEY})$`);
const MAX_TERMS = 20;

/**
 * Reads a label selector as `kubectl -l` does: `env=prod,tier in (a, b),!canary`.
 *
 * @returns tells whether labels are selected
 * @throws DroverError REQUEST_INVALID naming the term
 * @see https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
 */
export function readSelector(text: string): (labels: Readonly<Record<string, string>>) => boolean {
  const terms = split(text).map(readTerm);
  if (terms.length > MAX_TERMS) throw new DroverError('REQUEST_INVALID', 'selector', `at most ${MAX_TERMS} terms`);
  return (labels) => terms.every((term) => term(labels));
}

/** At commas outside parentheses. */
function split(text: string): readonly string[] {
  const terms: string[] = [];
  let depth = 0;
  let from = 0;
  for (let at = 0; at <= text.length; at++) {
    const char = text[at];
    if (char === '(') depth++;
    else if (char === ')') depth--;
    else if (char === undefined || (char === ',' && depth === 0)) {
      terms.push(text.slice(from, at).trim());
      from = at + 1;
    }
  }
  return terms;
}

function readTerm(text: string): Term {
  const set = SET.exec(text)?.groups;
  if (set !== undefined) {
    const { key = '', operator, values = '' } = set;
    const wanted = values.split(',').map((value) => value.trim());
    return (labels) => wanted.includes(labels[key] ?? '\0') === (operator === 'in');
  }
  const equals = EQUALS.exec(text)?.groups;
  if (equals !== undefined) {
    const { key = '', operator, value } = equals;
    return (labels) => (labels[key] === value) === (operator !== '!=');
  }
  const exists = EXISTS.exec(text)?.groups;
  if (exists !== undefined) {
    const { key = '', not } = exists;
    return (labels) => Object.hasOwn(labels, key) === (not === '');
  }
  throw new DroverError('REQUEST_INVALID', 'selector', `"${text.slice(0, 80)}" is none of key=value, key!=value, key in (a, b), key, !key`);
}
