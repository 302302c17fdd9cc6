// What a token says of its user, and when it is renewed. Time and chance are arguments.

/** What a token says of itself, where it is a JWT. */
export function claimsOf(token: string | undefined): { exp?: number; iat?: number; sub?: string } {
  try {
    return JSON.parse(atob(token!.split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/"))) ?? {};
  } catch {
    return {};
  }
}

/** Timers take no more than this. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/**
 * After how many milliseconds another token is asked for: at a moment between 60 and 85 percent of what is left of this
 * one, so that not all clients ask at once. Nothing where it does not say when it ends, or has ended by this clock.
 */
export function renewIn(token: string | undefined, now: number, chance: number): number | undefined {
  const { exp, iat } = claimsOf(token);
  // A clock that is late says less than the server's did when it made the token.
  const left = exp! * 1000 - Math.max(now, iat! * 1000 || 0);
  return left > 0 ? Math.min(left * (0.6 + chance / 4), TIMER_MS_MAX) : undefined;
}
