// What connections and transports say to each other.

/** What a server tells, in the words of a stream of JSON objects. */
export interface Item {
  cursor?: string;
  /** The id of the connection, with its first cursor. */
  connection?: string;
  channel?: string;
  channels?: string[];
  event?: string;
  user?: string;
  data?: unknown;
  base64?: true;
  time?: number;
  gap?: true;
  deleted?: string;
  deleted_message?: { channel: string; cursor: string };
  error?: { code: string; detail: string; status: number };
  /** The channels that an error, or a page, is about; none where it is about a token. Of what was said its number. */
  id?: string[];
  published?: string;
  /** By command; or what the application has it listen to no longer. */
  unsubscribed?: string[] | ByServer;
  renewed?: true;
  /** The time of the credentials is over. */
  expired?: true;
  /** The application ended the connection. */
  ended?: { reason: string };
  /** Channels that were asked for by command; with a page of what was missed on them. */
  subscribed?: string[] | ByServer;
  /** Of a message: channels that the application has it listen to. */
  served?: string[];
  more?: true;
  /** Of a page, or of a poll's answer. */
  messages?: Item[];
  /** Who is on a channel; by poll on each. */
  present?: PresentTold | PresentTold[];
  joined?: ChangeTold;
  left?: ChangeTold;
  /** The same in a poll's answer. */
  changes?: Item[];
}

/** A page of a channel's users. */
export interface PresentTold {
  channel: string;
  users: { user: string; info?: unknown; since: number }[];
  count: number;
  anonymous: number;
  more?: true;
}

/** A user who joined a channel, or left it. */
export interface ChangeTold {
  channel: string;
  user: string;
  info?: unknown;
  time: number;
}

/** Channels that the application has a connection listen to, or no longer. */
export interface ByServer {
  channels: string[];
}

export interface Loss {
  /** After how many milliseconds to come back, if the server said. */
  _wait?: number;
  /** A status that was answered in place of a stream. */
  _status?: number;
  _code?: string;
  /** Trying again cannot help. */
  _fatal?: boolean;
  /** The server said to come back, so the transport is not to blame. */
  _served?: boolean;
  /** Nobody answered. */
  _unreachable?: boolean;
}

/** What a transport tells its connection. */
export interface Ear {
  _item(item: Item): unknown;
  _advice(retryMs: number): unknown;
  _lost(reason?: string | void, loss?: Loss): unknown;
  /** From where to begin; and for polls whether to go on. */
  _since(): string | number | undefined;
  _stay(): boolean;
}

export interface Link {
  /** Takes another list of channels, where that goes without a new connection. */
  _change?(names: readonly string[]): void;
  /** Shows another token, where that goes without a new connection. */
  _renew?(token: string): void;
  /** Says something; nothing where that does not go yet. */
  _publish?(command: object): Promise<Item> | undefined;
  _end(): void;
}
