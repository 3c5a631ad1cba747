/**
 * A field that somebody else writes back as often as we correct it. After five reverts by one manager within ten
 * minutes the object is contested: from then on it is corrected once an hour, until an hour passes without a revert.
 */
export const MAX_REVERTS = 5;
export const WINDOW_MS = 10 * 60_000;
export const RETRY_MS = 60 * 60_000;

/** Of one object and one manager. Times on the monotonic clock. */
export interface Contest {
  /** Corrections within the window, oldest first. */
  readonly corrected: readonly number[];
  /** Set while contested: when the next correction is due. */
  readonly nextTry?: number;
}

export const NO_CONTEST: Contest = { corrected: [] };

/** Whether drift seen now is to be corrected. */
export function mayCorrect(contest: Contest, now: number): boolean {
  const state = settled(contest, now);
  if (state.nextTry !== undefined) return now >= state.nextTry;
  return recent(state, now).length < MAX_REVERTS;
}

/** Notes that drift was found though {@link mayCorrect} may say no: the sixth revert makes it contested. */
export function seen(contest: Contest, now: number): Contest {
  const state = settled(contest, now);
  const corrected = recent(state, now);
  if (state.nextTry !== undefined || corrected.length < MAX_REVERTS) return state;
  return { corrected, nextTry: (corrected.at(-1) ?? now) + RETRY_MS };
}

export function corrected(contest: Contest, now: number): Contest {
  const state = settled(contest, now);
  const times = [...recent(state, now), now];
  return state.nextTry === undefined ? { corrected: times } : { corrected: times, nextTry: now + RETRY_MS };
}

export function isContested(contest: Contest, now: number): boolean {
  return settled(contest, now).nextTry !== undefined;
}

/** When the next correction is due; undefined when it is now. */
export function dueAt(contest: Contest, now: number): number | undefined {
  const state = settled(contest, now);
  return state.nextTry !== undefined && state.nextTry > now ? state.nextTry : undefined;
}

/** Peace: an hour after the try that nobody undid, all is forgotten. */
function settled(contest: Contest, now: number): Contest {
  if (contest.nextTry === undefined) return contest;
  return now >= contest.nextTry + RETRY_MS ? NO_CONTEST : contest;
}

function recent(contest: Contest, now: number): readonly number[] {
  return contest.corrected.filter((at) => at > now - WINDOW_MS);
}
