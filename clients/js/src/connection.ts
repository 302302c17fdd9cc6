// One connection to the server, kept up: which transport, from which cursor, when to try again.

import { STABLE_MS, type Transport, backoff, chooser } from "./choice";
import { type Ask, openPoll, openStream } from "./http";
import type { Ear, Item, Link, Loss } from "./link";
import { openSocket } from "./ws";

type Hook<T> = T | (() => T | Promise<T>);

/** What a connection needs to know; the rest has defaults. */
export interface Settings {
  transports?: readonly Transport[];
  since?: string | number;
  tail?: number;
  headers?: Hook<Record<string, string>>;
  token?: Hook<string>;
  retry?: { min?: number; max?: number };
  silence?: number;
  connectTimeout?: number;
  fetch?: typeof fetch;
  WebSocket?: unknown;
}

/** What a connection tells, to whoever holds it or to all tabs: facts that can be cloned. */
export interface Facts {
  /** A message, or a cursor alone. */
  message: Item;
  gap: { channels?: string[] };
  deleted: { channel: string };
  deletedMessage: { channel: string; cursor: string };
  error: { code: string; message: string; status?: number; fatal: boolean; channels?: string[] };
  state: { state: State; transport?: Transport; retryIn?: number; reason?: string };
}
export type State = "idle" | "connecting" | "open" | "waiting" | "closed";
export type Tell = <K extends keyof Facts>(kind: K, fact: Facts[K]) => void;

/** A longer address would be refused by proxies; the names go in a body then, or in a command. */
const ADDRESS_LENGTH_MAX = 4_000;
/** So do names that proxies make others of, or refuse: they decode these, fold `//`, and go up at `/../`. */
const FRAGILE = /%(2F|5C|25)/;

const call = <T>(hook: Hook<T>) => (typeof hook === "function" ? (hook as () => T)() : hook);

/** The connection, as those see it who want it. */
export interface Connection {
  /** Listens to these channels from now on. */
  _want(names: readonly string[]): void;
  _reconnect(): void;
  /** Ends it; without a word where another tab goes on. */
  _close(silent?: boolean): void;
}

export function connection(base: URL, settings: Settings, tell: Tell, cursor?: string): Connection {
  let { since, tail } = settings;
  const { token, headers, retry: { min = 1_000, max = 30_000 } = {}, silence = 60_000, connectTimeout = 6_000 } = settings;
  const Socket = (settings.WebSocket ?? globalThis.WebSocket) as typeof WebSocket | undefined;
  const transports = (settings.transports ?? ["ws", "sse", "poll"]).filter((name) => name !== "ws" || Socket);
  const choice = chooser(transports);
  let names: readonly string[] = [];
  /** The same for an address. */
  let list = "";
  let link: Link | undefined;
  let transport: Transport;
  let state: State = "idle";
  /** Which attempt is the present one; what others say is not heard. */
  let turn = 0;
  let tries = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let watch: ReturnType<typeof setTimeout> | undefined;
  let openedAt: number | undefined;
  let heardAt = 0;
  let advised: number | undefined;

  const say = (next: State, more?: Partial<Facts["state"]>) => {
    if (next !== "open" || state !== next) tell("state", { state: (state = next), ...more });
  };

  const setNames = (wanted: readonly string[]) => {
    names = wanted;
    list = names.map(encodeURIComponent).join();
    return list;
  };

  /** Ends the attempt. */
  const drop = () => {
    turn += 1;
    clearTimeout(timer);
    clearTimeout(watch);
    openedAt = undefined;
    const last = link;
    link = undefined;
    last?._end();
  };

  const reconnect = () => {
    tries = 0;
    if (list) go();
  };

  const lost = (why?: string | void, loss: Loss = {}) => {
    const { _wait = 0, _status, _code, _fatal } = loss;
    const now = Date.now();
    const lived = openedAt && now - openedAt;
    const reason = why || (lived === undefined ? transport + " does not get through" : "the connection was cut off");
    drop();
    // A function gives another token the next time.
    const fatal = !!_fatal && !(_status === 401 && typeof token === "function");
    if (_status) tell("error", { code: _code ?? "http", message: reason, status: _status, fatal });
    if (fatal) return say("closed", { reason });
    if (choice._lost(transport, lived, loss, now)) return go();
    if (lived! >= STABLE_MS) tries = 0;
    const jitter = backoff(tries, min, max, Math.random());
    const wait = tries || !advised ? _wait + jitter : Math.min(max, advised);
    advised = undefined;
    tries += 1;
    timer = setTimeout(go, wait);
    say("waiting", { retryIn: wait | 0, reason });
  };

  /** Looks by the clock whether the connection still lives, now and again when it would be silent for too long. */
  const look = () => {
    clearTimeout(watch);
    if (!openedAt) return;
    const left = heardAt + silence - Date.now();
    if (left > 0) watch = setTimeout(look, left);
    else lost("the connection fell silent");
  };

  const opened = () => {
    if (openedAt) return;
    clearTimeout(timer);
    heardAt = openedAt = Date.now();
    look();
    say("open", { transport });
  };

  const hear = (item: Item): void => {
    const { error, deleted, messages, channel, channels = item.id } = item;
    const mine = turn;
    heardAt = Date.now();
    if (error) {
      const { code, detail: message, status } = error;
      if (status >= 500) return lost(message, { _served: true });
      tell("error", { code, message, status, fatal: false, channels: item.id });
    }
    if (item.gap) tell("gap", { channels: channel === undefined ? channels : [channel] });
    // A page of them, or a poll's answer.
    messages?.forEach((message) => mine === turn && hear(message));
    if (mine !== turn) return;
    delete item.messages;
    const { deleted_message } = item;
    if (deleted_message) tell("deletedMessage", deleted_message);
    if (item.cursor || item.time) {
      tell("message", deleted_message ? { cursor: item.cursor } : item);
      // What has no cursor comes again after a cut, until the next cursor speaks for it, too.
      if (item.cursor) {
        // After the listeners ran: what broke off before is told again.
        cursor = item.cursor;
        since = tail = undefined;
        if (link) opened();
      }
    }
    if (deleted !== undefined) {
      setNames(names.filter((name) => name !== deleted));
      tell("deleted", { channel: deleted });
    }
  };

  /** Gives a listener that is heard as long as this attempt is the present one. */
  const present = <A extends unknown[]>(then: (...args: A) => unknown) => {
    const mine = turn;
    return (...args: A) => mine === turn && !!then(...args);
  };

  const begin = (token?: string, headers?: Record<string, string>) => {
    const isAside = list.length >= ADDRESS_LENGTH_MAX || FRAGILE.test(list);
    const first = () => (cursor ? undefined : tail);
    const address = (names: string, since?: string | number, wait?: 0): URL => {
      const url = new URL("sub/" + names, base);
      const query = { transport, since, tail: first(), wait, token, envelope: 1, errors: "status" };
      // What is undefined is no longer there after the way through JSON.
      url.search = "" + new URLSearchParams(JSON.parse(JSON.stringify(query)));
      return url;
    };
    const ask: Ask = (since, signal, wait) => {
      const body = isAside ? names.join("\n") : undefined;
      const url = address(isAside ? "" : list, since, wait);
      return (settings.fetch ?? fetch)(url, { method: body ? "POST" : "GET", body, headers, signal, cache: "no-store" });
    };
    const ear: Ear = {
      _item: present(hear),
      _advice: present((ms: number) => (advised = ms)),
      _lost: present(lost),
      _since: () => cursor ?? since,
      _stay: present(() => choice._pick(Date.now()) === transport || go(true)),
    };
    link =
      transport === "ws"
        ? openSocket(Socket!, isAside ? address("") : address(list, ear._since()), names, ear, isAside ? { since: ear._since(), tail: first() } : undefined)
        : (transport === "sse" ? openStream : openPoll)(ask, ear);
  };

  /** Begins an attempt; quietly where only the list of channels changed. */
  const go = (quiet?: boolean | void) => {
    drop();
    transport = choice._pick(Date.now());
    if (!quiet) say("connecting", { transport });
    timer = setTimeout(lost, connectTimeout);
    const then = present(begin);
    (async () => then(await call(token), await call(headers)))().catch(present((error: Error) => lost(error.message, { _served: true })));
  };

  const events = {
    online: () => (choice._reset(), state === "waiting" ? reconnect() : look()),
    offline: () => link && lost("the browser is offline", { _served: true }),
    pageshow: look,
    resume: look,
    visibilitychange: look,
  };
  const ended = new AbortController();
  for (const [kind, listener] of Object.entries(events)) globalThis.addEventListener?.(kind, listener, ended);

  return {
    _want(wanted) {
      if (list === setNames(wanted) && (list || !link)) return;
      if (!list) {
        drop();
        tell("message", { cursor: (cursor = undefined) });
        say("idle");
      } else if (link?._change) link._change(wanted);
      else if (state !== "waiting") go(state === "open");
    },
    _reconnect: reconnect,
    _close(silent) {
      drop();
      ended.abort();
      if (!silent) say("closed");
    },
  };
}
