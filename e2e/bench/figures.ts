/** Figures of one scenario, as ratios against something measured in the same run. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly min: number;
  readonly median: number;
  readonly max: number;
  /** What must be reached, in words; absent for a part that is only measured. */
  readonly target?: string;
  readonly reached?: boolean;
}

export interface ScenarioResult {
  readonly id: string;
  readonly title: string;
  readonly figures: readonly Figure[];
  readonly notes: readonly string[];
}

export interface BenchOptions {
  /** Fewer repetitions. */
  readonly quick: boolean;
  readonly progress: (text: string) => void;
}

export type Scenario = (options: BenchOptions) => Promise<ScenarioResult>;

export function spread(name: string, unit: string, values: readonly number[]): Figure {
  const sorted = values.toSorted((a, b) => a - b);
  return { name, unit, min: sorted[0] ?? NaN, median: quantile(sorted, 0.5), max: sorted.at(-1) ?? NaN };
}

/** @param sorted ascending */
export function quantile(sorted: readonly number[], q: number): number {
  if (sorted.length === 0) return NaN;
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)] ?? NaN;
  const high = sorted[Math.ceil(at)] ?? NaN;
  return low + (high - low) * (at - Math.floor(at));
}

export const median = (values: readonly number[]): number =>
  quantile(
    values.toSorted((a, b) => a - b),
    0.5,
  );

export function judged(name: string, unit: string, value: number, target: string, reached: boolean): Figure {
  return { name, unit, min: value, median: value, max: value, target, reached };
}

export function table(results: readonly ScenarioResult[]): string {
  const lines: string[] = [];
  for (const result of results) {
    lines.push('', `${result.id}  ${result.title}`);
    lines.push(row('', 'min', 'median', 'max', ''));
    for (const figure of result.figures) {
      const target = figure.target === undefined ? '' : `${figure.reached === true ? 'reached' : 'MISSED'}: ${figure.target}`;
      lines.push(row(`${figure.name} (${figure.unit})`, show(figure.min), show(figure.median), show(figure.max), target));
    }
    for (const note of result.notes) lines.push(`  ${note}`);
  }
  return lines.join('\n');
}

const row = (name: string, min: string, mid: string, max: string, target: string): string =>
  `  ${name.padEnd(44)} ${min.padStart(9)} ${mid.padStart(9)} ${max.padStart(9)}  ${target}`.trimEnd();

const show = (value: number): string => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2));

/** Judged by the median of the repetitions. */
export function judgedSpread(
  name: string,
  unit: string,
  values: readonly number[],
  target: string,
  reached: (value: number) => boolean,
): Figure {
  const figure = spread(name, unit, values);
  return { ...figure, target, reached: reached(figure.median) };
}
