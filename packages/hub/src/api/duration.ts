import { DroverError } from '@drover/contract';

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * Reads `30s`, `1h30m`, `2d`.
 *
 * @returns ms
 * @throws DroverError REQUEST_INVALID naming the field
 */
export function readDuration(text: string, field: string, max = Number.MAX_SAFE_INTEGER): number {
  if (!/^(?:\d{1,9}(?:ms|s|m|h|d))+$/.test(text) || text.length > 40)
    throw new DroverError('REQUEST_INVALID', field, `"${text.slice(0, 40)}" is no duration such as 30s, 5m or 2h`);
  let ms = 0;
  for (const [, amount, unit = ''] of text.matchAll(/(\d+)(ms|s|m|h|d)/g)) ms += Number(amount) * (UNITS[unit] ?? 0);
  if (ms > max) throw new DroverError('REQUEST_INVALID', field, `${text} is more than ${max / 60_000} minutes`);
  return ms;
}
