/**
 * Shell patterns as `${name#pattern}` takes them: `*`, `?`, `[a-z]`, `[^a]` and `\x`; `*` and `?` match `/` too.
 * Time grows with pattern × text, whatever the pattern.
 */
export function globMatches(pattern: string, text: string): boolean {
  const steps = stepsOf(pattern);
  if (steps === undefined) return false;
  const characters = Array.from(text);
  // which steps may come next, as in a simulated automaton: no backtracking
  let open = new Set<number>(closure(steps, 0));
  for (const character of characters) {
    const next = new Set<number>();
    for (const at of open) {
      const step = steps[at];
      if (step === undefined) continue;
      if (step === 'any') for (const reached of closure(steps, at)) next.add(reached);
      else if (step(character)) for (const reached of closure(steps, at + 1)) next.add(reached);
    }
    open = next;
    if (open.size === 0) return false;
  }
  return open.has(steps.length);
}

type Step = 'any' | ((character: string) => boolean);

/** A step and those behind it that need no character. */
function closure(steps: readonly Step[], from: number): readonly number[] {
  const reached = [from];
  for (let at = from; steps[at] === 'any'; at++) reached.push(at + 1);
  return reached;
}

/** Undefined for a pattern that is not complete, which matches nothing. */
function stepsOf(pattern: string): readonly Step[] | undefined {
  const steps: Step[] = [];
  const characters = Array.from(pattern);
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] ?? '';
    if (character === '*') steps.push('any');
    else if (character === '?') steps.push(() => true);
    else if (character === '[') {
      const end = characters.indexOf(']', at + (characters[at + 1] === '^' ? 3 : 2));
      if (end < 0) return undefined;
      steps.push(classOf(characters.slice(at + 1, end)));
      at = end;
    } else {
      const literal = character === '\\' ? characters[++at] : character;
      if (literal === undefined) return undefined;
      steps.push((candidate) => candidate === literal);
    }
  }
  return steps;
}

function classOf(members: readonly string[]): Step {
  const negated = members[0] === '^';
  const rest = negated ? members.slice(1) : members;
  const ranges: (readonly [string, string])[] = [];
  for (let at = 0; at < rest.length; at++) {
    const from = rest[at] ?? '';
    const to = rest[at + 1] === '-' ? rest[at + 2] : undefined;
    ranges.push([from, to ?? from]);
    if (to !== undefined) at += 2;
  }
  return (character) => ranges.some(([from, to]) => character >= from && character <= to) !== negated;
}
