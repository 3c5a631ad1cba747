/** RFC 3339 in UTC with milliseconds. `Date` is only a calendar here; the time itself comes from the caller. */
export function rfc3339(ms: number): string {
  return new Date(ms).toISOString();
}
