// Which transport is tried, and after how long. Time and chance are arguments.

import type { Loss } from "./link";

export type Transport = "ws" | "sse" | "poll";

/** A connection that lived so long was a good one. */
export const STABLE_MS = 5_000;
/** After so long a transport that was fallen from is tried again. */
export const BAN_MS = 300_000;
/** So many losses running, and the next transport has its turn. */
const LOSSES_MAX = 3;

/** Full jitter: a random share of what doubles with every loss. */
export const backoff = (losses: number, min: number, max: number, chance: number): number =>
  chance * Math.min(max, min * 2 ** losses);

export interface Choice {
  _pick(now: number): Transport;
  /**
   * Takes note of a loss. `lived`: how long it was open, if it was. It is not the transport's fault where it was
   * `_served`, the server said to come back, or `_unreachable`, nobody answered. True: the next transport is to be tried at once.
   */
  _lost(transport: Transport, lived: number | undefined, loss: Loss, now: number): boolean;
  /** The network may be another one. */
  _reset(): unknown;
}

/** What is true of some transports; numbers are times, or counts. */
type Numbers = Partial<Record<Transport, number>>;

export function chooser(order: readonly Transport[]): Choice {
  let banned: Numbers = {};
  let losses: Numbers = {};
  /** Those that once lived here: a handshake that fails, as when the server behind a proxy restarts, says little against them. */
  let proven: Numbers = {};
  const free = (now: number) => order.find((transport) => !(banned[transport]! > now));
  return {
    _pick: (now) => free(now)!,
    _lost(transport, lived, { _served, _unreachable }, now) {
      if (lived !== undefined) proven[transport] = 1;
      if (lived! >= STABLE_MS) {
        losses = {};
        return false;
      }
      if (_served) return false;
      const count = (losses[transport] = (losses[transport] ?? 0) + 1);
      if (count < LOSSES_MAX && (_unreachable || proven[transport])) {
        if (_unreachable) banned = {};
        return false;
      }
      losses[transport] = 0;
      banned[transport] = now + BAN_MS;
      if (free(now)) return true;
      banned = {};
      return false;
    },
    _reset() {
      banned = {};
      losses = {};
      proven = {};
    },
  };
}
