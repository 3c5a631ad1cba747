const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `8s`, `43m`, `5h`, `3d`. */
export function age(ms: number): string {
  if (ms < MINUTE) return `${Math.max(0, Math.floor(ms / SECOND))}s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)}m`;
  if (ms < 2 * DAY) return `${Math.floor(ms / HOUR)}h`;
  return `${Math.floor(ms / DAY)}d`;
}

/** `8 s`, `43 m`, `12 d`: in sentences. */
export function duration(ms: number): string {
  return age(ms).replace(/(\d+)(\w)/, '$1 $2');
}

/** `22:37:12`, and the day where that is another one: `Fri 17:02:11`, `20 Nov 17:02`. */
export function clockTime(time: number, now: number, seconds = true): string {
  const at = new Date(time);
  const two = (part: number): string => String(part).padStart(2, '0');
  const hours = `${two(at.getHours())}:${two(at.getMinutes())}`;
  const exact = seconds ? `${hours}:${two(at.getSeconds())}` : hours;
  if (at.toDateString() === new Date(now).toDateString()) return exact;
  const day = Math.abs(now - time) < 6 * DAY ? DAYS[at.getDay()] : `${at.getDate()} ${MONTHS[at.getMonth()]}`;
  const year = at.getFullYear() === new Date(now).getFullYear() ? '' : ` ${at.getFullYear()}`;
  return `${day}${year} ${year === '' ? exact : hours}`;
}

/** `21:58  43m`: when, and how long that is. */
export function sinceWhen(time: string, now: number): string {
  const at = Date.parse(time);
  return `${clockTime(at, now, false)}  ${age(now - at)}`;
}

export function ageOf(time: string | null, now: number): string {
  return time === null ? '-' : age(now - Date.parse(time));
}
