// The class Dklab_Realplexor, as pages know it: long polls in the words of Realplexor, straight to the server.
//
// The library of old reached into a frame of the server's host by document.domain, which no browser allows any
// more. This one asks by fetch, from whatever page it runs in; the server lets every page read its answers. It
// keeps no message waiting: one answer may hold many, each of which moves the cursor of its ids.

/** Told of each message: its data, the id without the namespace, and the cursor, which is a text. */
export type Callback = (data: any, id: string, cursor: string) => void;

/** What the server's configuration says of its pages; the server that gives the library sets it. */
export interface Settings {
  /** The word before the list of ids. */
  identifier: string;
  /** Where to ask, seen from the server's address; `/`: at that address, with its path. */
  waitUri: string;
  /** Seconds after which the server ends a request that nothing came for. */
  waitTimeout: number;
  /** Seconds between two requests. */
  reconnectDelay: number;
  /** After how many requests in a row that ended too soon it is waited longer. */
  maxBounces: number;
  /** Whether errors are told on the console. */
  debug: boolean;
}

/** An id: who is called, and from where on it listens. */
interface Channel {
  callbacks: Callback[];
  /** Of the last message, or as the page set it. */
  cursor?: string;
  /** Where it began to listen, as the server said when there was no cursor: nothing is lost before the first message. */
  start?: string;
}

/** A list that makes the request longer goes by POST. */
const GET_LENGTH_MAX = 1700;
const PAUSE_MAX_MS = 60_000;
const CURSOR_HEADER = "X-Realplexor-Cursor";

export class Dklab_Realplexor {
  static settings: Settings = {
    identifier: "identifier",
    waitUri: "/",
    waitTimeout: 300,
    reconnectDelay: 0.01,
    maxBounces: 10,
    debug: true,
  };

  version = "1.32";
  private _url: string;
  private _namespace: string;
  private _login = "";
  private _channels = new Map<string, Channel>();
  /** The request under way. */
  private _request?: AbortController;
  private _timer?: ReturnType<typeof setTimeout>;
  private _bounces = 0;

  /** The third argument of old, which said how to make the frame, means nothing any more. */
  constructor(fullUrl: string, namespace?: string | null, viaDocumentWrite?: boolean) {
    if (!/^https?:\/\/[^/?#]/i.test(fullUrl)) throw `Dklab_Realplexor must be given an absolute URL, "${fullUrl}" given`;
    const { waitUri } = Dklab_Realplexor.settings;
    // The usual one says nothing: the server may stand behind a path, as it did for the frame of old.
    this._url = (waitUri === "/" ? fullUrl : new URL(waitUri, fullUrl).href).replace(/[?#].*/, "");
    this._namespace = namespace ?? "";
  }

  /** All ids are those of this login from now on. It is no password: whoever knows an id may listen to it. */
  logon(login: string): void {
    this._login = login;
  }

  /** The next execute() gets what came after this cursor; 0: all that the server holds. */
  setCursor(id: string, cursor: string | number): this {
    const channel = this._channel(id);
    channel.cursor = cursor + "";
    return this;
  }

  /** Calls back for each message of this id, once execute() was called. The same function twice counts once. */
  subscribe(id: string, callback: Callback): this {
    const { callbacks } = this._channel(id);
    if (!callbacks.includes(callback)) callbacks.push(callback);
    return this;
  }

  /** Calls back no more, at once; without a function nobody is called for this id. */
  unsubscribe(id: string, callback?: Callback | null): this {
    const channel = this._channel(id);
    channel.callbacks = callback ? channel.callbacks.filter((other) => other !== callback) : [];
    if (!channel.callbacks[0]) channel.start = undefined;
    return this;
  }

  /** Asks anew, for all ids that somebody wants to hear of; what is under way is given up. */
  execute(): this {
    clearTimeout(this._timer);
    this._request?.abort();
    this._request = undefined;
    const prefix = this._prefix();
    const asked = [...this._channels].filter(([, channel]) => channel.callbacks[0]);
    if (!asked[0]) return this;
    const items = asked.map(([id, channel]) => {
      const cursor = channel.cursor ?? channel.start;
      return (cursor === undefined ? "" : cursor + ":") + prefix + id;
    });
    const request = (this._request = new AbortController());
    const began = Date.now();
    this._ask(items.join(","), asked, request).then(
      (text) => this._request === request && this._ended(text, prefix, began),
      (error) => {
        if (this._request !== request) return;
        this._say(error);
        this._ended("", prefix, began);
      },
    );
    return this;
  }

  private async _ask(list: string, asked: [string, Channel][], request: AbortController): Promise<string> {
    const query = `${Dklab_Realplexor.settings.identifier}=${list}`;
    const common: RequestInit = { credentials: "omit", referrerPolicy: "no-referrer", cache: "no-store", signal: request.signal };
    const short = query.length + this._url.length < GET_LENGTH_MAX;
    const response = short
      ? await fetch(`${this._url}?${query}&ncrnd=${Date.now()}`, common)
      : await fetch(this._url, { ...common, method: "POST", body: query + "\n" });
    const start = response.headers.get(CURSOR_HEADER);
    if (start && this._request === request) {
      for (const [, channel] of asked) if (channel.callbacks[0]) channel.start ??= start;
    }
    return response.text();
  }

  /** A request is over: calls back for what came, and asks again in a while. */
  private _ended(text: string, prefix: string, began: number): void {
    const { maxBounces, reconnectDelay, waitTimeout } = Dklab_Realplexor.settings;
    const request = this._request;
    const parts = this._read(text);
    let pause = reconnectDelay * 1000;
    if (parts) {
      this._bounces = 0;
      for (const part of parts) this._tell(part, prefix);
      // A callback may have asked already.
      if (this._request !== request) return;
    } else if (Date.now() - began < waitTimeout * 500) {
      const over = ++this._bounces - maxBounces + 2;
      // Many pages that lose their server at once come back one by one.
      if (over > 2) pause = Math.min(1000 + 500 * over * over, PAUSE_MAX_MS) * (0.75 + Math.random() / 4);
    }
    this._request = undefined;
    clearTimeout(this._timer);
    this._timer = setTimeout(() => this.execute(), pause);
  }

  /** The parts of an answer; nothing where it is blank, or broke off. */
  private _read(text: string): Part[] | undefined {
    const body = text.slice(text.indexOf("[")).trim();
    if (!/^\[[^]*\]$/.test(body)) {
      if (text.trim()) this._say(`the answer cannot be read: ${text}`);
      return undefined;
    }
    try {
      return JSON.parse(body);
    } catch {
      // What is no JSON is never run: who publishes is not who writes the page. It is passed over, and all else is heard.
      return body.slice(1, -1).split(/,?\s*(?=\{\s*"ids":)/).flatMap((part) => this._readPart(part));
    }
  }

  /** One part; of one that cannot be read, only where it stands. */
  private _readPart(part: string): Part[] {
    const [, ids] = /^\{\s*"ids":\s*(\{[^{}]*\})/.exec(part) ?? [];
    try {
      return ids ? [JSON.parse(part)] : [];
    } catch (error) {
      this._say(error);
      return [{ ids: JSON.parse(ids!) }];
    }
  }

  private _tell({ ids, data }: Part, prefix: string): void {
    for (const full of Object.keys(ids)) {
      const id = full.startsWith(prefix) ? full.slice(prefix.length) : full;
      const channel = this._channels.get(id);
      if (!channel) continue;
      const cursor = (channel.cursor = ids[full] + "");
      if (data === undefined) continue;
      for (const callback of [...channel.callbacks]) {
        // One that was called before may have taken the others off.
        if (!channel.callbacks.includes(callback)) continue;
        try {
          callback(data, id, cursor);
        } catch (error) {
          this._say(error);
        }
      }
    }
  }

  private _channel(id: string): Channel {
    if (!/^\w+$/.test(id)) throw `Identifier must be alphanumeric, "${id}" given`;
    let channel = this._channels.get(id);
    if (!channel) this._channels.set(id, (channel = { callbacks: [] }));
    return channel;
  }

  private _prefix(): string {
    return (this._login ? this._login + "_" : "") + this._namespace;
  }

  private _say(error: unknown): void {
    if (Dklab_Realplexor.settings.debug) console.error("Dklab_Realplexor:", error);
  }
}

interface Part {
  ids: Record<string, string>;
  /** Nothing where it cannot be read. */
  data?: unknown;
}
