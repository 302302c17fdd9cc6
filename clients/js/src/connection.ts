// One connection to the server, kept up: which transport, from which cursor, when to try again.

import { Choice, STABLE_MS, Transport, backoff } from "./choice";
import { Ask, openPoll, openStream } from "./http";
import type { Ear, Item, Link, Loss } from "./link";
import { openSocket } from "./ws";

type Hook<T> = T | (() => T | Promise<T>);

/** Options with all defaults filled in. */
export interface Settings {
  _base: URL;
  _transports: readonly Transport[];
  _start: { since?: string | number; tail?: number };
  _headers?: Hook<Record<string, string>>;
  _token?: Hook<string>;
  _min: number;
  _max: number;
  _silence: number;
  _connectTimeout: number;
  _fetch: typeof fetch;
  _WebSocket?: typeof WebSocket;
}

/** What a connection tells, to whoever holds it or to all tabs: facts that can be cloned. */
export interface Facts {
  message: Item;
  cursor: string | undefined;
  gap: { channels?: string[] };
  deleted: { channel: string };
  error: { code: string; message: string; status?: number; fatal: boolean; channels?: string[] };
  state: { state: State; transport?: Transport; retryIn?: number; reason?: string };
}
export type State = "idle" | "connecting" | "open" | "waiting" | "closed";
export type Tell = <K extends keyof Facts>(kind: K, fact: Facts[K]) => void;

/** A longer address would be refused by proxies; the names go in a body then. */
const ADDRESS_LENGTH_MAX = 4_000;

const call = <T>(hook: Hook<T>) => (typeof hook === "function" ? (hook as () => T)() : hook);

export class Connection {
  private _names: readonly string[] = [];
  private _link?: Link;
  private _transport!: Transport;
  private _state: State = "idle";
  private _choice: Choice;
  /** Which attempt is the present one; what others say is not heard. */
  private _turn = 0;
  private _tries = 0;
  private _timer?: ReturnType<typeof setTimeout>;
  private _watch?: ReturnType<typeof setTimeout>;
  private _openedAt?: number;
  private _heardAt = 0;
  private _advised?: number;
  private _listening: [EventTarget | undefined, string, () => void][];

  constructor(
    private _settings: Settings,
    private _tell: Tell,
    private _cursor?: string,
  ) {
    this._choice = new Choice(_settings._transports);
    const page = globalThis.document;
    const look = () => this._look();
    this._listening = [
      [page && window, "online", () => this._names.length && this._state !== "closed" && (this._choice._reset(), this._state === "open" ? look() : this._reconnect())],
      [page && window, "offline", () => this._link && this._lost("the browser is offline", { _served: true })],
      [page && window, "pageshow", look],
      [page, "resume", look],
      [page, "visibilitychange", look],
    ];
    for (const [target, kind, listener] of this._listening) target?.addEventListener(kind, listener);
  }

  /** Listens to these channels from now on. */
  _want(names: readonly string[]): void {
    const same = names.length === this._names.length && names.every((name) => this._names.includes(name));
    this._names = names;
    if (same) return;
    if (!names.length) {
      this._drop();
      this._tell("cursor", (this._cursor = undefined));
      this._say("idle");
    } else if (this._link?._change) {
      this._link._change(names);
    } else if (this._state !== "waiting") {
      this._go(this._state === "open");
    }
  }

  _reconnect(): void {
    this._tries = 0;
    if (this._names.length) this._go();
  }

  /** Ends it; without a word where another tab goes on. */
  _close(silent?: boolean): void {
    this._drop();
    for (const [target, kind, listener] of this._listening) target?.removeEventListener(kind, listener);
    if (!silent) this._say("closed");
  }

  /** Begins an attempt; quietly where only the list of channels changed. */
  private async _go(quiet = false): Promise<void> {
    this._drop();
    const turn = this._turn;
    const { _settings: settings, _choice: choice } = this;
    const address = this._names.map(encodeURIComponent).join(",");
    const long = address.length > ADDRESS_LENGTH_MAX;
    let transport = choice._pick(Date.now());
    if (long && transport === "ws") transport = settings._transports.find((other) => other !== "ws") ?? transport;
    this._transport = transport;
    if (!quiet) this._say("connecting", { transport });
    this._timer = setTimeout(
      () => (transport === "poll" && this._cursor ? this._open() : this._lost(`no answer within ${settings._connectTimeout} ms`)),
      settings._connectTimeout,
    );
    let token: string | undefined, headers: Record<string, string> | undefined;
    try {
      [token, headers] = await Promise.all([call(settings._token), call(settings._headers)]);
    } catch (error) {
      if (turn === this._turn) this._lost(`no token or headers: ${(error as Error).message}`, { _served: true });
      return;
    }
    if (turn !== this._turn) return;
    const url = (since: string | number | undefined, names: string): URL => {
      const url = new URL("sub/" + names, settings._base);
      const { tail } = settings._start;
      const query = { transport, since, tail: since === undefined ? tail : undefined, token, envelope: transport === "sse" ? 1 : undefined };
      for (const [key, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(key, "" + value);
      return url;
    };
    const ask: Ask = (since, signal, channel) =>
      settings._fetch(url(since, channel ?? (long ? "" : address)), {
        method: long && !channel ? "POST" : "GET",
        body: long && !channel ? this._names.join("\n") : undefined,
        headers,
        signal,
        cache: "no-store",
      });
    const ear = this._ear(turn);
    try {
      this._link =
        transport === "ws"
          ? openSocket(settings._WebSocket!, url(ear._since(), address), this._names, ear)
          : (transport === "sse" ? openStream : openPoll)(ask, ear);
    } catch (error) {
      this._lost((error as Error).message);
    }
  }

  /** What the transport of this attempt may say. */
  private _ear(turn: number): Ear {
    const now = () => turn === this._turn;
    return {
      _alive: () => now() && (this._heardAt = Date.now()),
      _item: (item) => now() && this._item(item),
      _advice: (ms) => now() && (this._advised = ms),
      _lost: (reason, loss) => now() && this._lost(reason, loss),
      _since: () => this._cursor ?? (this._settings._start.since as string | undefined),
      _stay: () => now() && (this._choice._pick(Date.now()) === this._transport || (this._go(true), false)),
    };
  }

  private _item(item: Item): void {
    if (item.error) {
      const { code, detail: message, status } = item.error;
      if (status >= 500) return this._lost(message, { _served: true });
      this._tell("error", { code, message, status, fatal: false, channels: item.id as string[] });
    } else if (item.deleted !== undefined) {
      this._names = this._names.filter((name) => name !== item.deleted);
      this._tell("deleted", { channel: item.deleted });
    } else if (item.gap) {
      this._tell("gap", { channels: item.channels ?? (item.channel !== undefined ? [item.channel] : undefined) });
    } else if (item.cursor) {
      if ("data" in item) this._tell("message", item);
      else this._tell("cursor", item.cursor);
      // After the listeners ran: what broke off before is told again.
      this._cursor = item.cursor;
      this._settings._start = {};
      this._open();
    }
  }

  private _open(): void {
    if (this._openedAt || !this._link) return;
    clearTimeout(this._timer);
    this._heardAt = this._openedAt = Date.now();
    this._choice._opened(this._transport);
    this._look();
    this._say("open", { transport: this._transport });
  }

  /** Looks by the clock whether the connection still lives, now and again when it would be silent for too long. */
  private _look(): void {
    clearTimeout(this._watch);
    if (!this._openedAt) return;
    const left = this._heardAt + this._settings._silence - Date.now();
    if (left > 0) this._watch = setTimeout(() => this._look(), left);
    else {
      this._tries = 0;
      this._lost(`nothing was heard for ${this._settings._silence} ms`, { _wait: 0 });
    }
  }

  private _lost(reason: string, loss: Loss = {}): void {
    const now = Date.now();
    const lived = this._openedAt && now - this._openedAt;
    this._drop();
    const { _min, _max } = this._settings;
    const { _code: code, _status: status, _fatal } = loss;
    // A function gives another token the next time.
    const fatal = !!_fatal && !(status === 401 && [this._settings._token, this._settings._headers].some((hook) => typeof hook === "function"));
    if (status) this._tell("error", { code: code ?? "http", message: reason, status, fatal });
    if (fatal) return this._say("closed", { reason });
    if (!loss._served && this._choice._lost(this._transport, lived, !!loss._unreachable, now)) return void this._go();
    if (lived! >= STABLE_MS) this._tries = 0;
    const jitter = backoff(this._tries, _min, _max, Math.random());
    const wait = loss._wait !== undefined ? loss._wait && loss._wait + jitter : this._tries || !this._advised ? jitter : Math.min(_max, this._advised);
    this._advised = undefined;
    this._tries += 1;
    this._timer = setTimeout(() => this._go(), wait);
    this._say("waiting", { retryIn: Math.round(wait), reason });
  }

  /** Ends the attempt. */
  private _drop(): void {
    this._turn += 1;
    clearTimeout(this._timer);
    clearTimeout(this._watch);
    this._openedAt = undefined;
    const link = this._link;
    this._link = undefined;
    link?._end();
  }

  private _say(state: State, more?: Partial<Facts["state"]>): void {
    if (state === this._state && state !== "connecting" && state !== "waiting") return;
    this._state = state;
    this._tell("state", { state, ...more });
  }
}
