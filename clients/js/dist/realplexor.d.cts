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
export declare class Dklab_Realplexor {
    static settings: Settings;
    version: string;
    private _url;
    private _namespace;
    private _login;
    private _channels;
    /** The request under way. */
    private _request?;
    private _timer?;
    private _bounces;
    /** The third argument of old, which said how to make the frame, means nothing any more. */
    constructor(fullUrl: string, namespace?: string | null, viaDocumentWrite?: boolean);
    /** All ids are those of this login from now on. It is no password: whoever knows an id may listen to it. */
    logon(login: string): void;
    /** The next execute() gets what came after this cursor; 0: all that the server holds. */
    setCursor(id: string, cursor: string | number): this;
    /** Calls back for each message of this id, once execute() was called. The same function twice counts once. */
    subscribe(id: string, callback: Callback): this;
    /** Calls back no more, at once; without a function nobody is called for this id. */
    unsubscribe(id: string, callback?: Callback | null): this;
    /** Asks anew, for all ids that somebody wants to hear of; what is under way is given up. */
    execute(): this;
    private _ask;
    /** A request is over: calls back for what came, and asks again in a while. */
    private _ended;
    /** The parts of an answer; nothing where it is blank, or broke off. */
    private _read;
    /** One part; of one that cannot be read, only where it stands. */
    private _readPart;
    private _tell;
    private _channel;
    private _prefix;
    private _say;
}
