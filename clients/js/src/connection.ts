// One connection to the server, kept up: which transport, from which cursor, when to try again.

import { STABLE_MS, type Transport, backoff, chooser } from "./choice";
import { type Ask, Refusal, isForeign, openPoll, openStream, refusal } from "./http";
import type { ByServer, Ear, Item, Link, Loss } from "./link";
import type { Presence } from "./multiplexor";
import { roster } from "./presence";
import { renewIn } from "./token";
import { openSocket } from "./ws";

type Hook<T> = T | (() => T | Promise<T>);

/** What a connection needs to know; the rest has defaults. */
export interface Settings {
  transports?: readonly Transport[];
  since?: string | number;
  tail?: number;
  headers?: Hook<Record<string, string>>;
  token?: Hook<string>;
  credentials?: RequestCredentials;
  retry?: { min?: number; max?: number };
  silence?: number;
  connectTimeout?: number;
  fetch?: typeof fetch;
  WebSocket?: unknown;
  presence?: boolean;
  /** By polls, none of which waits. */
  _once?: boolean;
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
  /** What the server calls this connection. */
  connection: { id: string };
  presence: Presence;
  /** To these it surely listens from now on. */
  live: { channels?: string[] };
}
export type State = "idle" | "connecting" | "open" | "waiting" | "closed";
export type Tell = <K extends keyof Facts>(kind: K, fact: Facts[K]) => void;

/** A longer address would be refused by proxies; the names go in a body then, or in a command. */
const ADDRESS_LENGTH_MAX = 4_000;
/** Credentials that end sooner than this are not renewed at once, or in time: whoever gives them is not asked in a loop. */
const CREDENTIALS_MS_MIN = 1_000;
/** So do names that proxies make others of, or refuse: they decode these, fold `//`, and go up at `/../`. */
const FRAGILE = /%(2F|5C|25)/;

/** What an option is, or what it gives where it is a function. */
export const call = <T>(hook: Hook<T>) => (typeof hook === "function" ? (hook as () => T)() : hook);

/** The connection, as those see it who want it. */
export interface Connection {
  /** Listens to these channels from now on. */
  _want(names: readonly string[]): void;
  _reconnect(): void;
  /** Says something over the WebSocket that is open; nothing where there is none. */
  _publish(command: object): Promise<Item> | undefined;
  /** Looks whether something is overdue, as where a browser was slow with its timers. */
  _wake(): void;
  /** Ends it; without a word where another tab goes on. */
  _close(silent?: boolean): void;
}

export function connection(base: URL, settings: Settings, tell: Tell, cursor?: string): Connection {
  const { since: from, tail: last, raw, ...query } = Object.fromEntries(base.searchParams);
  let { since = from, tail = last ? +last : undefined, credentials } = settings;
  const { token, headers, retry: { min = 1_000, max = 30_000 } = {}, silence = 60_000, connectTimeout = 6_000 } = settings;
  const Socket = (settings.WebSocket ?? globalThis.WebSocket) as typeof WebSocket | undefined;
  const transports = (settings.transports ?? ["ws", "sse", "poll"]).filter((name) => name !== "ws" || Socket);
  const choice = chooser(transports);
  const isRenewed = typeof token === "function";
  const foreign = isForeign(base);
  const presence = settings.presence || undefined;
  const people = roster((fact) => tell("presence", fact));
  let names: readonly string[] = [];
  /** Those that the present attempt began with. */
  let begun: readonly string[] = [];
  /** The token that was shown last. */
  let shown: string | undefined;
  /** The names for an address. */
  let list = "";
  let link: Link | undefined;
  let transport: Transport;
  let state: State = "idle";
  /** Which attempt is the present one; what others say is not heard. */
  let turn = 0;
  let tries = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let watch: ReturnType<typeof setTimeout> | undefined;
  let renewal: ReturnType<typeof setTimeout> | undefined;
  let openedAt: number | undefined;
  let heardAt = 0;
  let advised: number | undefined;
  let id: string | undefined;
  /** What the application has this connection listen to, besides. */
  let served: string[] = [];
  /** When it is tried again. */
  let due = 0;

  const say = (next: State, more?: Partial<Facts["state"]>) => {
    if (next !== "open" || state !== next) tell("state", { state: (state = next), ...more });
  };

  const setNames = (wanted: readonly string[]) => {
    names = wanted;
    people._keep(names);
    list = names.map(encodeURIComponent).join();
    return list;
  };

  /** Ends the attempt. */
  const drop = () => {
    turn += 1;
    clearTimeout(timer);
    clearTimeout(watch);
    clearTimeout(renewal);
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
    const isOld = _status === 401 && isRenewed;
    if (isOld && lived! >= CREDENTIALS_MS_MIN) return go(true);
    const fatal = !!_fatal && !isOld;
    if (_status || _code) tell("error", { code: _code ?? "http", message: reason, status: _status, fatal });
    if (fatal) return say("closed", { reason });
    if (choice._lost(transport, lived, loss, now)) return go();
    if (lived! >= STABLE_MS) tries = 0;
    const jitter = backoff(tries, min, max, Math.random());
    const wait = tries || !advised ? _wait + jitter : Math.min(max, advised);
    advised = undefined;
    tries += 1;
    timer = setTimeout(go, wait);
    due = now + wait;
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
    tell("live", { channels: [...begun] });
  };

  const hear = (item: Item): void => {
    const { error, deleted, messages, channel, channels = item.id } = item;
    const mine = turn;
    heardAt = Date.now();
    if (item.expired) return heardAt - openedAt! >= CREDENTIALS_MS_MIN ? go(true) : lost("the credentials have ended", { _served: true });
    if (item.ended) return lost(item.ended.reason, { _code: "ended", _fatal: true });
    if (error) {
      // The new token is of somebody else, or not for all channels: it is shown to a connection of its own.
      if (item.id && !item.id[0]) return go(true);
      const { code, detail: message, status } = error;
      if (status >= 500) return lost(message, { _served: true });
      tell("error", { code, message, status, fatal: false, channels: item.id });
    }
    if (item.connection && transport !== "poll") served = [];
    const { subscribed, unsubscribed } = item as { subscribed?: ByServer; unsubscribed?: ByServer };
    if (subscribed?.channels) served = [...served, ...subscribed.channels];
    if (unsubscribed?.channels) served = served.filter((name) => !unsubscribed.channels.includes(name));
    if (item.connection) tell("connection", { id: (id = item.connection) });
    if (item.gap) tell("gap", { channels: channel === undefined ? channels : [channel] });
    // A page of them, or a poll's answer.
    messages?.forEach((message) => mine === turn && hear(message));
    if (mine !== turn) return;
    delete item.messages;
    people._item(item);
    const { deleted_message } = item;
    if (deleted_message) tell("deletedMessage", deleted_message);
    if (item.cursor || item.time) {
      // A poll's answer is for what it asked for, and for what is joined.
      const besides = (transport === "poll" ? (item.channels ?? [channel!]).filter((name) => name && !begun.includes(name)) : served) as string[];
      tell("message", deleted_message ? { cursor: item.cursor } : besides[0] ? { ...item, served: besides } : item);
      // What has no cursor comes again after a cut, until the next cursor speaks for it, too.
      if (item.cursor) {
        // After the listeners ran: what broke off before is told again.
        cursor = item.cursor;
        since = tail = undefined;
        if (link) opened();
      }
    }
    if (Array.isArray(item.subscribed) && !item.more) tell("live", { channels: item.id });
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

  /** Has the token renewed before it ends, where it says when that is: in place, or else by a connection that nobody notices. */
  const plan = (token?: string): void => {
    shown = token;
    clearTimeout(renewal);
    const wait = isRenewed ? renewIn(token, Date.now(), Math.random()) : 0;
    if (wait! >= CREDENTIALS_MS_MIN) renewal = setTimeout(renew, wait);
  };

  /** Where there is no other token yet, or none can be had now, it is asked for again in the rest of the time. */
  const renew = async () => {
    const then = present((token: string | undefined = shown) => {
      const isNew = token !== shown;
      plan(token);
      if (isNew && link?._renew) link._renew(token!);
      else if (isNew && transport === "sse") go(true, token);
    });
    then(await (async () => call(token as Hook<string>))().catch(() => undefined as string | undefined));
  };

  const begin = (token?: string, headers?: Record<string, string>) => {
    plan(token);
    begun = names;
    people._begin();
    const isAside = !query.signature && (list.length >= ADDRESS_LENGTH_MAX || FRAGILE.test(list));
    const first = () => (cursor ? undefined : tail);
    const address = (names: string, transport: Transport, since?: string | number, wait?: 0): URL => {
      const url = new URL("sub/" + names, base);
      const own = { transport, since, connection: cursor && id, tail: first(), wait, presence: presence && 1, token: shown, envelope: 1, errors: "status" };
      // What is undefined is no longer there after the way through JSON.
      url.search = "" + new URLSearchParams({ ...query, ...JSON.parse(JSON.stringify(own)) });
      return url;
    };
    const ask: Ask = async (since, signal, wait) => {
      const body = isAside ? names.join("\n") : undefined;
      const url = address(isAside ? "" : list, transport === "sse" ? transport : "poll", since, wait);
      const send = (credentials?: RequestCredentials) =>
        (settings.fetch ?? fetch)(url, { method: body ? "POST" : "GET", body, headers, signal, cache: "no-store", credentials });
      const hidden = async () => {
        // A browser does not show a page why it fails; the server answers without cookies, if they are it.
        await send("omit");
        return send("include").catch(() => {
          const why = `the server reads no cookies from pages of ${location.origin}; list it in \`origins\` there, or say credentials: "omit" here`;
          throw new Refusal(why, { _status: 403, _code: "origin", _fatal: true });
        });
      };
      const response = await send(credentials).catch((error) => {
        if (foreign && credentials === "include") return hidden();
        throw error;
      });
      // Cookies are all that there is to show: with them, then, as a WebSocket has them.
      if (response.status !== 401 || !foreign || credentials || shown) return response;
      const plain = await refusal(response);
      const second = await send("include")
        .catch(hidden)
        .catch((error) => {
          // Where nobody looks at cookies it matters to nobody whose pages send them.
          throw error instanceof Refusal && !/cookie/.test(plain._reason) ? plain : error;
        });
      if (second.ok) credentials = "include";
      return second;
    };
    const ear: Ear = {
      _item: present(hear),
      _advice: present((ms: number) => (advised = ms)),
      _lost: present(lost),
      // Whoever comes back is told what changed; for the list of a channel that is new the cursor says that it is owed.
      _since: () => (presence && cursor && !people._knows(names) ? "p" + cursor.slice(1) : cursor ?? since),
      _stay: present(() => choice._pick(Date.now()) === transport || go(true)),
    };
    if (transport !== "ws") link = (transport === "sse" ? openStream : openPoll)(ask, ear, settings._once);
    else {
      const since = ear._since();
      const only = transports.length < 2;
      // A WebSocket does not tell why it was refused; where no other transport will hear it, a poll asks.
      const lostSocket: Ear["_lost"] = (reason, loss) =>
        only && !openedAt && !loss?._status && !loss?._served ? (link = openPoll(ask, { ...ear, _item: () => ear._lost(reason, loss) })) : ear._lost(reason, loss);
      const url = address(isAside ? "" : list, transport, since);
      link = openSocket(Socket!, url, names, { ...ear, _lost: present(lostSocket) }, isAside ? { since, tail: first() } : undefined, presence);
    }
  };

  /** Begins an attempt; quietly where only the list of channels changed. */
  const go = (quiet?: boolean | void, ready?: string) => {
    drop();
    transport = choice._pick(Date.now());
    if (!quiet) say("connecting", { transport });
    timer = setTimeout(lost, connectTimeout);
    const then = present(begin);
    (async () => then(ready ?? (await call(token)), await call(headers)))().catch(present((error: Error) => lost(error.message, { _served: true })));
  };

  const wake = () => (state === "waiting" && Date.now() >= due ? go() : look());
  const events = {
    online: () => (choice._reset(), state === "waiting" ? reconnect() : look()),
    offline: () => link && lost("the browser is offline", { _served: true }),
    pageshow: wake,
    resume: wake,
    visibilitychange: wake,
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
    _publish: (command) => (state === "open" ? link?._publish?.(command) : undefined),
    _reconnect: reconnect,
    _wake: wake,
    _close(silent) {
      drop();
      ended.abort();
      if (!silent) say("closed");
    },
  };
}
