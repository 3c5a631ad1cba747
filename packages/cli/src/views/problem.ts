import type { ProblemRow, SnippetRow, UnitDetail } from '@drover/hub/api';
import { clean, cut, widthOf, wrap } from '../format/clean.ts';
import { shortCommit, shortRevision } from '../format/revision.ts';
import { sides } from './status.ts';
import type { ViewOptions } from './status.ts';

/** What is needed to draw a problem. */
export interface Drawn {
  readonly problem: ProblemRow;
  /** The lines that end with the one of the problem's position. */
  readonly snippet: SnippetRow | null;
  /** Revision and commit, where they are known. */
  readonly revision: string;
}

/** A problem of a unit as a compiler would show it: where, the lines, whom it hits, what stays, what to try. */
export function problemView(unit: UnitDetail, options: ViewOptions): string {
  const { problem, snippet, source } = unit;
  if (problem === null) return '';
  const revision = source === null ? '' : `${shortRevision(source.revision)}  ${shortCommit(source.commit)}`;
  return [...drawProblem({ problem, snippet, revision }, options), ...footer(unit, options)].join('\n');
}

export function drawProblem({ problem, snippet, revision }: Drawn, options: ViewOptions): readonly string[] {
  const { paint } = options;
  const lines = wrap(clean(problem.message), options.width - problem.code.length - 10);
  const [first = '', ...more] = lines;
  const drawn = [`${paint(`error[${problem.code}]`, 'bad')}: ${paint(first, 'strong')}`, ...more.map((line) => `  ${line}`)];
  const { position } = problem;
  if (position === undefined) return [...drawn, `  ${clean(problem.hint)}`];
  const place = [position.file, position.line, position.column].filter((part) => part !== undefined).join(':');
  drawn.push(`  ${paint('-->', 'busy')} ${sides(place, cut(clean(revision), 50), options.width - 6)}`.trimEnd());
  const quoted = quote(problem, snippet, options);
  return [...drawn, ...(quoted.length === 0 ? [`  ${clean(problem.hint)}`] : quoted)];
}

function quote(problem: ProblemRow, quoted: SnippetRow | null, options: ViewOptions): readonly string[] {
  if (quoted === null || problem.position?.line === undefined) return [];
  const { line, column } = problem.position;
  const gutter = Math.max(4, String(line).length + 1);
  const bar = options.paint('|', 'busy');
  const drawn = quoted.lines.map((text, index) => {
    const number = String(quoted.first + index).padStart(gutter);
    return `${options.paint(number, 'busy')} ${bar} ${cut(visible(text), options.width - gutter - 3)}`.trimEnd();
  });
  const last = quoted.lines.at(-1) ?? '';
  const start = (column ?? last.search(/\S/) + 1) - 1;
  const marked = /^\S+/.exec(last.slice(start))?.[0].length ?? 1;
  const room = options.width - gutter - 4 - start - marked;
  if (start < 0 || room < 0) return [...drawn, `  ${clean(problem.hint)}`];
  const hint = clean(problem.hint);
  const carets = options.paint('^'.repeat(Math.max(1, marked)), 'bad');
  const under = `${' '.repeat(gutter)} ${bar} ${' '.repeat(start)}${carets}`;
  return widthOf(hint) <= room ? [...drawn, `${under} ${hint}`] : [...drawn, under, `  ${hint}`];
}

/** A line of a file: white space as it is, as the column counts it; a tab is one column. */
function visible(text: string): string {
  return text.replace(/[^\S ]/g, ' ').replace(/\p{Cc}/gu, '\ufffd');
}

function footer(unit: UnitDetail, options: ViewOptions): readonly string[] {
  const { others, published, cluster } = unit;
  const label = (word: string): string => `  ${options.paint(word, 'strong')}${' '.repeat(6 - word.length)}`;
  const drawn: string[] = [];
  const add = (word: string, text: string): void => {
    const [first = '', ...more] = wrap(clean(text), options.width - 8);
    drawn.push(label(word) + first, ...more.map((line) => `        ${line}`));
  };
  if (others.sameProblem.length > 0) {
    const well = others.well.length === 0 ? '' : `; ${names(others.well)} ${others.well.length === 1 ? 'renders' : 'render'}`;
    add('hit', `${others.sameProblem.length} of ${others.clusters} clusters: ${names(others.sameProblem)}${well}.`);
  }
  const kept =
    published.release === null ? 'nothing was delivered here yet' : `${published.release} (${shortRevision(published.revision)})`;
  add('kept', `${kept}. Nothing was applied and nothing deleted in ${cluster}.`);
  const directory = directoryOf(unit);
  if (directory !== undefined)
    drawn.push(label('try') + sides(`drover render ${directory} --cluster ${cluster}`, 'same code, no hub needed', options.width - 8));
  return drawn;
}

/** The directory to render offline. */
function directoryOf(unit: UnitDetail): string | undefined {
  const file = unit.problem?.position?.file;
  if (unit.render.ok || file === undefined) return undefined;
  const directory = file.includes('/') ? file.slice(0, file.lastIndexOf('/')) : '.';
  return clean(directory);
}

export function names(list: readonly string[]): string {
  if (list.length <= 1) return list.join('');
  return list.length > 5
    ? `${list.slice(0, 5).join(', ')} and ${list.length - 5} more`
    : `${list.slice(0, -1).join(', ')} and ${list.at(-1)}`;
}
