// What a page or a program uses: channels, listeners, events. Connections are made elsewhere.

import { checkListener, checkWords } from "./checks";
import { type Connection, type Facts, type Tell, connection } from "./connection";
import type { Item } from "./link";
import { requests } from "./requests";
import { share } from "./shared";
import { claimsOf } from "./token";

/** WebSocket, server-sent events over `fetch`, long poll. */
export type Transport = "ws" | "sse" | "poll";
export type State = "idle" | "connecting" | "open" | "waiting" | "closed";

export interface Message<Data = any> {
  /** Its place in the one order of all messages; missing where more of what was missed is still to come. */
  cursor?: string;
  /** The channel it came on; the first, if it was said on several you listen to. */
  channel: string;
  /** All channels it came on that you listen to. */
  channels: string[];
  /** What the publisher called it, if anything. */
  event?: string;
  /** The user who said it, where a client did and has shown who it is; the server says so. */
  user?: string;
  /** The JSON value that was published; text as a string, bytes as a `Uint8Array`. */
  data: Data;
  /** When it was published, by the server's clock. */
  time: Date;
}

export interface StateChange {
  state: State;
  /** The one that is open, or tried. */
  transport?: Transport;
  /** With `waiting`: in how many milliseconds it is tried again. */
  retryIn?: number;
  /** Why, in a plain sentence. */
  reason?: string;
}

/** Something you were owed is gone from history. */
export interface Gap {
  /** Of which channels, where the transport can tell. */
  channels?: string[];
}

/** A channel was deleted; it is listened to no longer. */
export interface Deleted {
  channel: string;
}

/** A message was taken back: who shows it shows it no longer. It may be one that was never heard here. */
export interface DeletedMessage {
  channel: string;
  /** That of the message. */
  cursor: string;
}

/** A user of a channel, as its credentials name it. */
export interface Present<Info = any> {
  user: string;
  /** What the application lets others know of it. */
  info?: Info;
  /** When it joined; of one that left, when that was. */
  since: Date;
}

/** Who is on a channel; and who joined or left just now, where that is why it is told. */
export interface Presence<Info = any> {
  channel: string;
  /** By name; the first ones, where there are more than the server lists. */
  users: Present<Info>[];
  /** How many users there are in all. */
  count: number;
  /** Connections of nobody in particular, when the list was told. */
  anonymous: number;
  joined?: Present<Info>;
  left?: Present<Info>;
}

export interface Failure {
  /** For programs; `listener` is one of your listeners that threw, `http` a status without an explanation. */
  code: string;
  /** For people. */
  message: string;
  status?: number;
  /** Nothing is tried any more, until `reconnect()` or another channel. */
  fatal: boolean;
  /** The channels that were refused, where it is about some of them only. */
  channels?: string[];
  /** What a listener threw. */
  cause?: unknown;
}

export interface Events {
  message: Message;
  state: StateChange;
  gap: Gap;
  deleted: Deleted;
  deletedMessage: DeletedMessage;
  presence: Presence;
  error: Failure;
}

/** What was said before in a channel, oldest first. */
export interface HistoryPage<Data = any> {
  messages: Message<Data>[];
  /** That of the oldest message: what came before it is had with `before`. */
  cursor: string;
  /** There is something before it. */
  more: boolean;
  /** Some of what was said is gone. */
  gap: boolean;
}

/** What may be said beside the data. */
export interface PublishOptions {
  /** What listeners get as `event`; names that the server uses itself are refused. */
  event?: string;
  /** For how many seconds it is kept for those who come later; 0: not at all. */
  ttl?: number;
  /** A repeat under the same key publishes nothing, and gets the first answer. */
  key?: string;
  /** `false`: this connection does not hear it, nor do tabs that share it. */
  echo?: boolean;
}

export interface Subscription {
  readonly channels: string[];
  unsubscribe(): void;
}

export interface Options {
  /** Which transports may be used, best first. Default: `["ws", "sse", "poll"]`. */
  transports?: Transport[];
  /** Where the first connection begins: a cursor, an age such as `"10m"`, a Unix time, or `0` for all history. */
  since?: string | number;
  /** The first connection begins with the last so many messages of each channel. */
  tail?: number;
  /** Keeps the cursor in `sessionStorage`, so the next page load goes on; a string names the place. */
  resume?: boolean | string;
  /**
   * Whether tabs of this origin have one connection. Left out, or `true`: those of the same address and options, with tokens of
   * the same user or none, and without functions among the options. A string does so with functions, too: you say by it who is
   * of one user.
   */
  shared?: boolean | string;
  /** Has the server tell who is on the channels, all of which must allow that; a connection of this tab's own, then. */
  presence?: boolean;
  /** Headers of every request; a WebSocket of a browser cannot have any. */
  headers?: Record<string, string> | (() => Record<string, string> | Promise<Record<string, string>>);
  /** Goes along as `?token=`; a function is asked before every connection, and in time before its token ends. */
  token?: string | (() => string | Promise<string>);
  /**
   * Whether cookies go along where a page of another origin asks by SSE or long poll; by WebSocket they always do. Left out:
   * where the server asks for credentials and there is no token, as they would by WebSocket.
   */
  credentials?: RequestCredentials;
  /** The time before another try, in ms: a random part of `min`, doubled by every failure, up to `max`. */
  retry?: { min?: number; max?: number };
  /** After so many ms without a byte a connection counts as broken. Default: 60,000. */
  silence?: number;
  /** So many ms may pass until a transport works. Default: 6,000, so that a proxy's own 503, after 5 s as a rule, is heard. */
  connectTimeout?: number;
  fetch?: typeof fetch;
  /** For Node before 22: the class of the package `ws`. */
  WebSocket?: unknown;
}

/** Where this code was loaded from. */
const HERE: string | undefined = (globalThis.document?.currentScript as HTMLScriptElement | null)?.src || import.meta.url;
/** Where the server is, if it gave this code: the folder. A bundle, or a copy of another name, tells the origin alone. */
const HOME = HERE && (/^http[^?#]*\/(?=multiplexor\.m?js([?#]|$))/.exec(HERE)?.[0] ?? (/^http/.test(HERE) ? new URL("/", HERE) : undefined));

/** Tabs that speak another language among themselves do not share. */
const SHARED_VERSION = 3;
const TRANSPORTS = ["ws", "sse", "poll"];
const EVENTS = ["message", "state", "gap", "deleted", "deletedMessage", "presence", "error"];
const OPTIONS = (
  "token shared transports since tail resume headers credentials retry silence connectTimeout fetch WebSocket presence"
).split(" ");

/** Names the server would refuse, and those that cannot stand in a path. */
const BAD_NAME = /^$|^\$|^\.\.?$|[,\0-\x1f\x7f]/;

/** What is for a user, or for everybody: it comes without being asked for. */
const OURS = /^\$(user|all)$/;

/** A message as listeners get it, with the channels of theirs that it came on. */
const said = ({ cursor, event, user, data, base64, time }: Item, channels: string[]): Message => ({
  cursor,
  channel: channels[0]!,
  channels,
  event,
  ...(user && { user }),
  data: base64 ? Uint8Array.from(atob(data as string), (char) => char.charCodeAt(0)) : data,
  time: new Date(time! * 1000),
});

interface Entry {
  _names: Set<string>;
  _listener?: (message: Message) => void;
}

export class Multiplexor {
  private _entries = new Set<Entry>();
  private _listeners: { [K in keyof Events]?: Set<(event: Events[K]) => void> } = {};
  private _line: Connection | undefined;
  private _begin: () => Connection;
  private _request: ReturnType<typeof requests>;
  private _now: StateChange = { state: "idle" };
  private _cursor?: string;
  private _id?: string;
  private _key?: string;
  private _soon = false;

  constructor(url?: string | URL, options: Options = {}) {
    if (typeof url === "object" && !("href" in url)) throw new TypeError("first comes the address, and then the options");
    checkWords("option", Object.keys(options), OPTIONS);
    const { resume, shared, since, tail, token, silence = 60_000, retry = {}, transports = TRANSPORTS } = options;
    checkWords("option of retry", Object.keys(retry), ["min", "max"]);
    checkWords("transport", transports, TRANSPORTS);
    const page = globalThis.location?.href;
    const base = new URL(url ?? HOME ?? "/", page);
    base.protocol = base.protocol.replace("ws", "http");
    if (!base.pathname.endsWith("/")) base.pathname += "/";
    if (resume) this._key = "multiplexor:" + (resume === true ? base.origin + base.pathname : resume);
    const connect = (tell: Tell, cursor: string | undefined = this._stored(), once?: boolean) =>
      connection(base, once ? { ...options, transports: ["poll"], _once: true } : options, tell, cursor);
    const tell: Tell = (kind, fact) => this._heard(kind, fact);
    this._request = requests(base, options);
    const values = OPTIONS.map((name) => options[name as keyof Options]);
    const isNamed = typeof shared === "string";
    const canShare =
      shared !== false && !options.presence && (isNamed || !values.some((value) => typeof value === "function")) && globalThis.document && navigator.locks && globalThis.BroadcastChannel;
    const key = () => {
      const user = typeof token === "string" && (claimsOf(token).sub ?? token);
      return JSON.stringify([SHARED_VERSION, base, isNamed && shared, user, ...values.slice(2)]);
    };
    const past = () => !!this._stored() || since !== undefined || !!tail || /[?&](since|tail)=/.test(base.search);
    this._begin = () => (canShare ? share(key(), silence, past(), connect, tell) : connect(tell));
  }

  get state(): State {
    return this._now.state;
  }

  get transport(): Transport | undefined {
    return this._now.transport;
  }

  /** Up to here all was heard. */
  get cursor(): string | undefined {
    return this._cursor;
  }

  /** What the server calls this connection, as it was last told; tabs that share one have the same. */
  get connection(): string | undefined {
    return this._id;
  }

  get channels(): string[] {
    return [...new Set([...this._entries].flatMap((entry) => [...entry._names]))];
  }

  /**
   * Listens to channels. `$user` and `$all` are what the application says to this user on all its connections, and to everybody: it
   * comes beside whatever is listened to. What is asked for at once, before the next task, goes in one request.
   */
  subscribe<Data = any>(channels: string | string[], listener?: (message: Message<Data>) => void): Subscription {
    const names = [channels].flat();
    for (const name of names) {
      if (BAD_NAME.test(name) && !OURS.test(name)) throw new TypeError("this cannot be the name of a channel: " + name);
    }
    if (listener) checkListener(listener);
    const entry: Entry = { _names: new Set(names), _listener: listener as Entry["_listener"] };
    this._entries.add(entry);
    this._change();
    return {
      channels: names,
      unsubscribe: () => {
        this._entries.delete(entry);
        this._change();
      },
    };
  }

  /** Ends what all listeners of these channels hear of them. */
  unsubscribe(channels: string | string[]): void {
    for (const entry of this._entries) {
      for (const name of [channels].flat()) entry._names.delete(name);
      if (!entry._names.size) this._entries.delete(entry);
    }
    this._change();
  }

  /**
   * Reads what was said before in a channel: `limit` messages before the one with this cursor, or the last ones. Throws what the
   * server says where it refuses, with `code` and `status`.
   */
  async history<Data = any>(channel: string, { before, limit }: { before?: string; limit?: number } = {}): Promise<HistoryPage<Data>> {
    const { messages, cursor, more = false, gap = false } = await this._request("history/", channel, { before, limit });
    return { messages: messages!.map((item) => said(item, [channel])), cursor: cursor!, more, gap };
  }

  /**
   * Says something to a channel where the server lets clients do so: over the WebSocket if that is open, else by a request.
   * Throws what the server says where it refuses, with `code` and `status`; `lost` where it was cut off before the answer.
   */
  async publish(channel: string, data: unknown, options: PublishOptions = {}): Promise<{ cursor: string }> {
    checkWords("option", Object.keys(options), ["event", "ttl", "key", "echo"]);
    const { echo, ...own } = options;
    const isBytes = ArrayBuffer.isView(data) || data instanceof ArrayBuffer;
    const type = isBytes ? "application/octet-stream" : typeof data === "string" ? "text/plain" : "application/json";
    const { cursor } = await ((!isBytes && this._line?._publish({ publish: channel, data, ...options })) ||
      this._request("pub/", channel, own, {
        method: "POST",
        body: /json/.test(type) ? JSON.stringify(data) : (data as BodyInit),
        headers: { "Content-Type": type, ...(echo === false && this._id && { "Multiplexor-Except": this._id }) },
      }));
    return { cursor: cursor! };
  }

  /** Listens to what happens; the function it gives ends that. */
  on<K extends keyof Events>(kind: K, listener: (event: Events[K]) => void): () => void {
    checkWords("event", [kind], EVENTS);
    checkListener(listener);
    const set = ((this._listeners as Record<K, Set<(event: Events[K]) => void>>)[kind] ??= new Set());
    set.add(listener);
    return () => set.delete(listener);
  }

  /** Tries again now, also after what was fatal. */
  reconnect(): void {
    this._line?._reconnect();
  }

  /** Ends it, and all subscriptions. */
  close(): void {
    this._entries.clear();
    this._line?._close();
    this._line = undefined;
  }

  private _change(): void {
    if (this._soon) return;
    this._soon = true;
    queueMicrotask(() => {
      this._soon = false;
      if (this._entries.size) this._line ??= this._begin();
      this._line?._want(this.channels.filter((name) => !OURS.test(name)));
    });
  }

  private _stored(): string | undefined {
    try {
      if (this._key) return sessionStorage.getItem(this._key) || undefined;
    } catch {
      // Storage may be forbidden: this page load begins anew.
    }
  }

  private _heard<K extends keyof Facts>(kind: K, fact: Facts[K]): void {
    if (kind === "message") this._message(fact as Facts["message"]);
    else if (kind === "connection") this._id = (fact as Facts["connection"]).id;
    else {
      const { channel, channels } = fact as { channel?: string; channels?: string[] };
      const names = channel ? [channel] : channels;
      // What is about channels of other tabs only is not for this one.
      if (names && !names.some((name) => this._has(name))) return;
      if (kind === "state") this._now = fact as Facts["state"];
      this._emit(kind as keyof Events, fact as never);
      if (names && (kind === "deleted" || kind === "error")) this.unsubscribe(names);
    }
  }

  private _has(name: string): boolean {
    return OURS.test(name) || [...this._entries].some((entry) => entry._names.has(name));
  }

  private _message(item: Facts["message"]): void {
    const { cursor, channel, channels, time, served = [] } = item;
    const mine = (channels ?? [channel!]).filter((name) => this._has(name) || served.includes(name));
    if (mine[0] !== undefined) {
      const message = said(item, mine);
      for (const { _names, _listener } of [...this._entries]) {
        if (_listener && mine.some((name) => _names.has(name))) this._run(_listener, message);
      }
      this._emit("message", message);
    }
    if (cursor || !time) this._keep(cursor);
  }

  private _keep(cursor?: string): void {
    this._cursor = cursor;
    try {
      if (cursor && this._key) sessionStorage.setItem(this._key, cursor);
    } catch {
      // Storage that is full or forbidden: the next page load begins anew.
    }
  }

  private _emit<K extends keyof Events>(kind: K, event: Events[K]): void {
    for (const listener of [...(this._listeners[kind] ?? [])]) this._run(listener, event, kind);
  }

  /** Runs a listener. One that throws is told of, and stops nothing. */
  private _run<E>(listener: (event: E) => void, event: E, kind?: keyof Events): void {
    try {
      listener(event);
    } catch (cause) {
      (globalThis.reportError ?? console.error)(cause);
      if (kind !== "error") this._emit("error", { code: "listener", message: "" + cause, fatal: false, cause });
    }
  }
}

export default Multiplexor;
