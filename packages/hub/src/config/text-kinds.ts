import { clusterReferences } from './cluster-values.ts';
import { MAX_DURATION_MS, parseDuration } from './duration.ts';
import type { TextKind } from './schema/fields.ts';
import { isLabelKey, isLabelValue } from './selector.ts';

const NAME = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;
const LABEL = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;

/** What is wrong with a text, as the end of a sentence that starts with its field; undefined when nothing is. */
export const TEXT_KINDS: Readonly<Record<TextKind, (text: string) => string | undefined>> = {
  duration(text) {
    const ms = parseDuration(text);
    if (ms === undefined) return `is no duration: ${JSON.stringify(text)}; write 90s, 1m or 1h30m`;
    return ms < 1_000 || ms > MAX_DURATION_MS ? 'must be between 1s and a year' : undefined;
  },
  name: (text) =>
    text.length <= 253 && NAME.test(text)
      ? undefined
      : `is no name: ${quote(text)}; lower case letters, digits, dashes and dots, at most 253`,
  namespace: (text) =>
    LABEL.test(text) ? undefined : `is no namespace: ${quote(text)}; lower case letters, digits and dashes, at most 63`,
  'label-key': (text) => (isLabelKey(text) ? undefined : `is no key of a label: ${quote(text)}`),
  'label-value': (text) =>
    isLabelValue(text) ? undefined : `is no value of a label: ${quote(text)}; letters, digits, dashes, dots and underscores, at most 63`,
  variable: (text) =>
    /^[_a-zA-Z][_a-zA-Z0-9]*$/.test(text) ? undefined : `is no name of a variable: ${quote(text)}; letters, digits and underscores`,
  'cluster-variable': (text) =>
    /^[A-Za-z0-9_][A-Za-z0-9_-]*$/.test(text)
      ? undefined
      : `is no name of a variable: ${quote(text)}; letters, digits, dashes and underscores`,
  path: (text) => checkPath(text),
  directory: (text) => checkRelative(text, true),
};

function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

function checkPath(text: string): string | undefined {
  const references = clusterReferences(text);
  return typeof references === 'string' ? references : checkRelative(text.replaceAll(/\$\{[^}]*\}/g, 'x'), false);
}

function checkRelative(text: string, up: boolean): string | undefined {
  if (text.startsWith('/')) return 'is absolute; write it from the root of the source';
  if (/[\p{Cc}\\]/u.test(text)) return 'holds a backslash or a control character';
  if (text.includes('://') || text.length > 4096) return 'is no path in the source';
  if (!up && text.split('/').includes('..')) return 'climbs by `..`; write it from the root of the source';
  return undefined;
}

/** A path without `./` in front, `.` inside, doubled slashes and a slash at its end; `''` is the root. */
export function plainPath(text: string): string {
  return text
    .split('/')
    .filter((segment) => segment !== '' && segment !== '.')
    .join('/');
}
