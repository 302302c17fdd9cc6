// Which transport is tried, and after how long. Time and chance are arguments.

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

export class Choice {
  private _banned: Partial<Record<Transport, number>> = {};
  private _losses: Partial<Record<Transport, number>> = {};
  private _proven?: Transport;

  constructor(readonly _order: readonly Transport[]) {}

  _pick(now: number): Transport {
    return this._order.find((transport) => !(this._banned[transport]! > now)) ?? this._order[0]!;
  }

  _opened(transport: Transport): void {
    this._proven = transport;
  }

  /**
   * Takes note of a loss. `lived`: how long it was open, if it was. `unreachable`: nobody answered at all, which
   * is not the transport's fault. True: the next transport is to be tried at once.
   */
  _lost(transport: Transport, lived: number | undefined, unreachable: boolean, now: number): boolean {
    if (lived! >= STABLE_MS) {
      this._losses = {};
      return false;
    }
    const losses = (this._losses[transport] = (this._losses[transport] ?? 0) + 1);
    if (losses < LOSSES_MAX && (lived !== undefined || unreachable || this._proven === transport)) {
      if (unreachable) this._banned = {};
      return false;
    }
    this._losses[transport] = 0;
    this._banned[transport] = now + BAN_MS;
    if (this._banned[this._pick(now)]! > now) {
      this._banned = {};
      return false;
    }
    return true;
  }

  /** The network may be another one. */
  _reset(): void {
    this._banned = {};
    this._losses = {};
    this._proven = undefined;
  }
}
