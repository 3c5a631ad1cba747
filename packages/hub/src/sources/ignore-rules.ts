import { DroverError } from '@drover/contract';
import ignore from 'ignore';

/** Rules of one file, or of a source's `spec.ignore`, in gitignore syntax. */
export interface IgnoreFile {
  /** `.sourceignore`, `.droverignore` or `spec.ignore`. */
  readonly file: string;
  readonly text: string;
}

/** Tells whether an entry is hidden; paths as in {@link Tree}. Whatever is below a hidden directory is hidden. */
export type Ignores = (path: string, directory: boolean) => boolean;

/** Files at a repository's root that hold rules, in the order in which they are read: later rules win. */
export const IGNORE_FILES = ['.sourceignore', '.droverignore'] as const;

export const MAX_IGNORE_BYTES = 64 * 1024;
const MAX_RULES = 1000;
const MAX_RULE = 512;
const MAX_STARS = 3;

/**
 * Compiles rules. A rule that could take long to match is refused, not dropped: rules come from whoever may push.
 *
 * @returns undefined when there is no rule
 * @throws DroverError GIT_TREE_REFUSED with file and line
 * @see https://git-scm.com/docs/gitignore
 */
export function compileIgnores(files: readonly IgnoreFile[]): Ignores | undefined {
  const matcher = ignore({ ignorecase: false });
  let rules = 0;
  for (const { file, text } of files) {
    for (const [index, line] of text
      .replace(/^\ufeff/, '')
      .split(/\r?\n/)
      .entries()) {
      if (line.trim() === '' || line.startsWith('#')) continue;
      rules += 1;
      const wrong = rules > MAX_RULES ? `more than ${MAX_RULES} rules` : costOf(line);
      if (wrong !== undefined) throw new DroverError('GIT_TREE_REFUSED', file, wrong, { position: { file, line: index + 1 } });
      matcher.add(line);
    }
  }
  if (rules === 0) return undefined;
  return (path, directory) => matcher.ignores(directory ? `${path}/` : path);
}

/** Matching takes time in the length of a path to the power of the stars that can share it. */
function costOf(rule: string): string | undefined {
  if (rule.length > MAX_RULE) return `a rule longer than ${MAX_RULE} characters`;
  const parts = rule.split('/');
  if (parts.filter((part) => part === '**').length > MAX_STARS) return `a rule with more than ${MAX_STARS} \`**\``;
  if (parts.some((part) => part !== '**' && (part.match(/\*+/g)?.length ?? 0) > MAX_STARS))
    return `a rule with more than ${MAX_STARS} stars between slashes`;
  return undefined;
}
