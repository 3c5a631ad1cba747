/** Kubernetes' MicroTime of an instant in epoch ms: `2026-03-01T12:00:00.250000Z`. */
export function microTime(epochMs: number): string {
  const ms = Math.floor(epochMs);
  const days = Math.floor(ms / 86_400_000);
  const rest = ms - days * 86_400_000;
  // Days to civil date, with years that begin in March: https://howardhinnant.github.io/date_algorithms.html#civil_from_days
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const day = shifted - era * 146_097;
  const year = Math.floor((day - Math.floor(day / 1460) + Math.floor(day / 36_524) - Math.floor(day / 146_096)) / 365);
  const ofYear = day - (365 * year + Math.floor(year / 4) - Math.floor(year / 100));
  const march = Math.floor((5 * ofYear + 2) / 153);
  const date = ofYear - Math.floor((153 * march + 2) / 5) + 1;
  const month = march < 10 ? march + 3 : march - 9;
  const civil = year + era * 400 + (month <= 2 ? 1 : 0);
  const time = [rest / 3_600_000, (rest / 60_000) % 60, (rest / 1000) % 60].map((part) => two(Math.floor(part))).join(':');
  return `${String(civil).padStart(4, '0')}-${two(month)}-${two(date)}T${time}.${String((rest % 1000) * 1000).padStart(6, '0')}Z`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
