// One connection for all tabs: who holds the lock holds the connection and tells the others what it hears.

import type { Connection, Facts, Tell } from "./connection";

/** What tabs say to each other. */
type Said =
  | { who: 1 }
  | { tab: string; names: readonly string[] }
  | { reconnect: 1 }
  | { kind: keyof Facts; fact: never; cursor?: string };

/** So many messages are remembered, to know those that come again when another tab takes over. */
const SEEN_MAX = 1_000;
/** So long a leader may take to answer. */
const ANSWER_MS = 3_000;

export const canShare = (): boolean => !!globalThis.navigator?.locks && !!globalThis.BroadcastChannel;

export class Shared {
  private _me = "multiplexor-" + Math.random().toString(36).slice(2);
  private _tabs = new Map<string, readonly string[]>();
  private _seen = new Set<string>();
  private _connection?: Connection;
  private _channel: BroadcastChannel;
  private _abort = new AbortController();
  private _lastState?: Facts["state"];
  private _cursor?: string;
  private _quiet = false;
  private _asked?: ReturnType<typeof setTimeout>;
  private _clock: ReturnType<typeof setInterval>;
  private _look = () => document.visibilityState === "visible" && this._ask();

  constructor(
    private _name: string,
    silence: number,
    private _connect: (tell: Tell, cursor?: string) => Connection,
    private _tell: Tell,
  ) {
    this._channel = new BroadcastChannel(_name);
    this._channel.onmessage = ({ data }) => this._heard(data as Said);
    // This lock tells the leader when this tab is gone, however it went.
    this._hold(this._me, () => {
      this._say({ who: 1 });
      this._want(this._tabs.get(this._me) ?? []);
      this._run();
    });
    this._clock = setInterval(() => {
      if (this._quiet) this._ask();
      this._quiet = true;
    }, silence / 2);
    document.addEventListener("visibilitychange", this._look);
  }

  _want(names: readonly string[]): void {
    this._tabs.set(this._me, names);
    this._say({ tab: this._me, names });
    this._unite();
  }

  _reconnect(): void {
    if (this._connection) this._connection._reconnect();
    else this._say({ reconnect: 1 });
  }

  _close(): void {
    this._want([]);
    this._abort.abort();
    clearInterval(this._clock);
    clearTimeout(this._asked);
    document.removeEventListener("visibilitychange", this._look);
    this._resign();
    this._channel.close();
    this._tell("state", { state: "closed" });
  }

  /** Runs `then` once the lock is held, and holds it until this tab closes or another one steals it. */
  private _hold(name: string, then: () => void, steal?: boolean): Promise<unknown> {
    const { signal } = this._abort;
    const held = () =>
      new Promise<void>((release) => {
        if (signal.aborted) return release();
        signal.addEventListener("abort", () => release());
        then();
      });
    return navigator.locks.request(name, steal ? { steal } : { signal }, held).catch(() => {});
  }

  /** Stands in the queue of those who would lead; again, when the lead is lost. */
  private _run(steal?: boolean): void {
    this._hold(this._name, () => this._lead(), steal).then(() => {
      this._resign();
      if (!this._abort.signal.aborted) this._run();
    });
  }

  private _lead(): void {
    if (this._connection) return;
    this._connection = this._connect((kind, fact) => {
      if (kind === "state") this._lastState = fact as Facts["state"];
      this._say({ kind, fact: fact as never });
      this._pass(kind, fact as never);
    }, this._cursor);
    for (const tab of this._tabs.keys()) this._mourn(tab);
    this._unite();
  }

  private _resign(): void {
    const connection = this._connection;
    this._connection = undefined;
    connection?._close(true);
  }

  /** Leader: drops what a tab wanted when the tab is gone. */
  private _mourn(tab: string): void {
    if (tab !== this._me) {
      navigator.locks.request(tab, () => {
        this._tabs.delete(tab);
        this._unite();
      });
    }
  }

  private _unite(): void {
    this._connection?._want([...new Set([...this._tabs.values()].flat())]);
  }

  private _heard(said: Said): void {
    if ("who" in said) {
      this._say({ tab: this._me, names: this._tabs.get(this._me) ?? [] });
      if (this._connection && this._lastState) this._say({ kind: "state", fact: this._lastState as never, cursor: this._cursor });
    } else if ("tab" in said) {
      const known = this._tabs.has(said.tab);
      this._tabs.set(said.tab, said.names);
      if (this._connection && !known) this._mourn(said.tab);
      this._unite();
    } else if ("reconnect" in said) {
      this._connection?._reconnect();
    } else if (!this._connection) {
      // Who leads hears the server itself; what a former leader still says would come twice.
      this._quiet = false;
      clearTimeout(this._asked);
      this._asked = undefined;
      if (said.cursor) this._pass("cursor", said.cursor);
      this._pass(said.kind, said.fact);
    }
  }

  private _pass<K extends keyof Facts>(kind: K, fact: Facts[K]): void {
    if (kind === "cursor") this._cursor = fact as string;
    if (kind === "message") {
      const cursor = (fact as Facts["message"]).cursor!;
      this._cursor = cursor;
      if (this._seen.has(cursor)) return;
      this._seen.add(cursor);
      if (this._seen.size > SEEN_MAX) this._seen.delete(this._seen.values().next().value!);
    }
    this._tell(kind, fact);
  }

  /** Asks whether somebody leads; if nobody says so, takes the lead: a browser may have put that tab to sleep. */
  private _ask(): void {
    if (this._connection || this._asked) return;
    this._say({ who: 1 });
    this._asked = setTimeout(() => {
      this._asked = undefined;
      this._run(true);
    }, ANSWER_MS);
  }

  private _say(said: Said): void {
    this._channel.postMessage(said);
  }
}
