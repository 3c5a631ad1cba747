import type { LabelSelector, Requirement } from './types.ts';

/**
 * Whether a selector selects labels: every requirement must hold; one without any selects everything.
 *
 * @see https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#resources-that-support-set-based-requirements
 */
export function selects(selector: LabelSelector, labels: Readonly<Record<string, string>>): boolean {
  const valueOf = (key: string): string | undefined => (Object.hasOwn(labels, key) ? labels[key] : undefined);
  return (
    Object.entries(selector.matchLabels).every(([key, value]) => valueOf(key) === value) &&
    selector.matchExpressions.every((requirement) => holds(requirement, valueOf(requirement.key)))
  );
}

function holds({ operator, values }: Requirement, value: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
  }
}

const KEY = /^(?:(?=.{1,253}\/)[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const VALUE = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

export function isLabelKey(text: string): boolean {
  return KEY.test(text);
}

export function isLabelValue(text: string): boolean {
  return VALUE.test(text);
}

/**
 * Parses a selector as kubectl's `-l` writes it: `env=prod,tier!=canary,region in (eu, us),!edge,gpu`.
 *
 * @returns undefined when it is none
 */
export function parseSelector(text: string): LabelSelector | undefined {
  const matchExpressions: Requirement[] = [];
  for (const part of text.split(/,(?![^(]*\))/)) {
    const requirement = parseRequirement(part.trim());
    if (requirement === undefined) return undefined;
    matchExpressions.push(requirement);
  }
  return { matchLabels: {}, matchExpressions };
}

function parseRequirement(part: string): Requirement | undefined {
  const set = /^([^\s!=(),]+)\s+(in|notin)\s*\(([^()]*)\)$/.exec(part);
  if (set !== null) {
    const [, key = '', operator, list = ''] = set;
    return requirementOf(
      key,
      operator === 'in' ? 'In' : 'NotIn',
      list.split(',').map((value) => value.trim()),
    );
  }
  const equality = /^([^\s!=(),]+)\s*(==?|!=)\s*([^\s!=(),]*)$/.exec(part);
  if (equality !== null) {
    const [, key = '', operator, value = ''] = equality;
    return requirementOf(key, operator === '!=' ? 'NotIn' : 'In', [value]);
  }
  return part.startsWith('!') ? requirementOf(part.slice(1).trim(), 'DoesNotExist', []) : requirementOf(part, 'Exists', []);
}

function requirementOf(key: string, operator: Requirement['operator'], values: readonly string[]): Requirement | undefined {
  return isLabelKey(key) && values.every(isLabelValue) ? { key, operator, values } : undefined;
}
