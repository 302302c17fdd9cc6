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
    retry?: {
        min?: number;
        max?: number;
    };
    /** After so many ms without a byte a connection counts as broken. Default: 60,000. */
    silence?: number;
    /** So many ms may pass until a transport works. Default: 6,000, so that a proxy's own 503, after 5 s as a rule, is heard. */
    connectTimeout?: number;
    fetch?: typeof fetch;
    /** For Node before 22: the class of the package `ws`. */
    WebSocket?: unknown;
}
export declare class Multiplexor {
    private _entries;
    private _listeners;
    private _line;
    private _begin;
    private _request;
    private _now;
    private _cursor?;
    private _id?;
    private _key?;
    private _soon;
    constructor(url?: string | URL, options?: Options);
    get state(): State;
    get transport(): Transport | undefined;
    /** Up to here all was heard. */
    get cursor(): string | undefined;
    /** What the server calls this connection, as it was last told; tabs that share one have the same. */
    get connection(): string | undefined;
    get channels(): string[];
    /**
     * Listens to channels. `$user` and `$all` are what the application says to this user on all its connections, and to everybody: it
     * comes beside whatever is listened to. What is asked for at once, before the next task, goes in one request.
     */
    subscribe<Data = any>(channels: string | string[], listener?: (message: Message<Data>) => void): Subscription;
    /** Ends what all listeners of these channels hear of them. */
    unsubscribe(channels: string | string[]): void;
    /**
     * Reads what was said before in a channel: `limit` messages before the one with this cursor, or the last ones. Throws what the
     * server says where it refuses, with `code` and `status`.
     */
    history<Data = any>(channel: string, { before, limit }?: {
        before?: string;
        limit?: number;
    }): Promise<HistoryPage<Data>>;
    /**
     * Says something to a channel where the server lets clients do so: over the WebSocket if that is open, else by a request.
     * Throws what the server says where it refuses, with `code` and `status`; `lost` where it was cut off before the answer.
     */
    publish(channel: string, data: unknown, options?: PublishOptions): Promise<{
        cursor: string;
    }>;
    /** Listens to what happens; the function it gives ends that. */
    on<K extends keyof Events>(kind: K, listener: (event: Events[K]) => void): () => void;
    /** Tries again now, also after what was fatal. */
    reconnect(): void;
    /** Ends it, and all subscriptions. */
    close(): void;
    private _change;
    private _stored;
    private _heard;
    private _has;
    private _message;
    private _keep;
    private _emit;
    /** Runs a listener. One that throws is told of, and stops nothing. */
    private _run;
}
export default Multiplexor;
