// One connection for all tabs of one user: who holds the lock holds the connection and tells the others what it hears.

import type { Connection, Facts, Tell } from "./connection";
import type { Item } from "./link";

/** What tabs say to each other. */
interface Said {
  /** Everybody shall say what they want, and the leader how it is. */
  who?: 1;
  reconnect?: 1;
  /** A tab, the channels it wants, and up to where it heard the leader. */
  tab?: string;
  names?: readonly string[];
  cursor?: string;
  /** This tab is not joined to the leader. */
  out?: boolean;
  /** Which run of leaders, each of whom went on where the last one was, the cursor is of. */
  line?: string;
  /** All that this tab wants is listened to. */
  ready?: string;
  /** Whoever wants one of these, or is this tab, has a connection of its own from now on. */
  apart?: string[];
  /** What the leader heard. */
  kind?: keyof Facts;
  fact?: unknown;
}

/** So many messages are remembered, to know those that come again when another tab takes over; and so many are held back. */
const SEEN_MAX = 1_000;
/** So long a leader may take to answer. */
const ANSWER_MS = 3_000;

/** `past`: whether this tab wants to hear what was before it came. `once`: by polls, until all of that is told. */
export function share(
  key: string,
  silence: number,
  past: boolean,
  connect: (tell: Tell, cursor?: string, once?: boolean) => Connection,
  tell: Tell,
): Connection {
  const me = "multiplexor:" + Math.random() + Math.random();
  const { locks } = navigator;
  const tabs = new Map<string, readonly string[]>([[me, []]]);
  const seen = new Set<string>();
  let radio: BroadcastChannel | undefined;
  let names: readonly string[] = [];
  let group: string;
  /** Leader: the connection of all, what it surely listens to, and who was told so. */
  let connection: Connection | undefined;
  const live = new Set<string>();
  const welcomed = new Set<string>();
  /** Leader: since a refusal that names no channel those who are new are taken in one by one, to see whose fault it is. */
  let isCareful = false;
  /** The connection of this tab alone. */
  let own: Connection | undefined;
  /** Hears what was before this tab came, or while it slept; what comes meanwhile is held back. */
  let back: Connection | undefined;
  let held: [keyof Facts, any][] = [];
  let joined = false;
  let state: Facts["state"] | undefined;
  /** Up to where the leader heard all, and up to where the page did. */
  let cursor: string | undefined;
  let heard: string | undefined;
  let line: string | undefined;
  /** What the server calls the connection of all. */
  let id: string | undefined;
  let quiet = false;
  let asked: ReturnType<typeof setTimeout> | undefined;
  const ended = new AbortController();

  const say = (said: Said) => radio?.postMessage({ line, ...said });
  const sayNames = () => say({ tab: me, names, cursor, out: !joined });

  /** Tells the page, but no message twice. */
  const give: Tell = (kind, fact) => {
    if (kind === "message") {
      const { cursor: place, time } = fact as Item;
      if (place || !time) heard = place;
      if (place && seen.has(place)) return;
      if (place && seen.add(place).size > SEEN_MAX) seen.delete(seen.values().next().value!);
    }
    tell(kind, fact);
  };

  /** Passes on what the leader heard; what is owed from before comes first, and then that it is open. */
  const pass: Tell = (kind, fact) => {
    const { cursor: place, time } = fact as Item;
    if (kind === "state") {
      state = fact as Facts["state"];
      const { retryIn } = state;
      // A browser lets a tab that nobody sees wait longer than it wants to.
      if (retryIn !== undefined && !connection) setTimeout(ask, retryIn + 100);
      if (!names[0] || (!joined && state.state === "open")) return;
    } else if (kind === "connection") {
      id = (fact as Facts["connection"]).id;
      return tell(kind, fact);
    } else if (kind === "message") {
      if (place || !time) cursor = place;
      if (!joined && !time) return;
    }
    if (joined || !past || kind === "state" || kind === "error") give(kind, fact);
    else if (back) {
      held.push([kind, fact]);
      if (met() >= 0) welcome();
      else if (held.length > SEEN_MAX) alone();
    } else if (kind !== "message") give(kind, fact);
  };

  /** The last of what is held back that was told already: up to there nothing is missing. */
  const met = () => held.map(([kind, { cursor }]) => kind === "message" && seen.has(cursor)).lastIndexOf(true);

  const welcome = () => {
    back?._close(true);
    back = undefined;
    joined = true;
    if (!past) give("message", { cursor });
    const told = met();
    held.forEach(([kind, fact], n) => (kind === "message" && n <= told) || give(kind, fact));
    held = [];
    past = false;
    if (state) give("state", state);
  };

  /** All that this tab wants is listened to. */
  const join = () => {
    if (joined || back) return;
    if (!past) return welcome();
    let some = 0;
    back = connect(
      (kind, fact) => {
        if (kind === "state") (fact as Facts["state"]).state === "closed" && alone();
        else if (kind === "error" || kind === "connection") return;
        else if (kind === "message" && !(fact as Item).time) {
          give(kind, fact);
          // A page without a message is the last one, and so is one that reaches what the leader heard.
          if (!some || (some < 2 && met() >= 0)) welcome();
          else some--;
        } else {
          // What was taken back has a cursor that comes by itself.
          some = kind === "deletedMessage" ? 2 : 1;
          give(kind, fact);
        }
      },
      heard,
      true,
    );
    back._want(names);
  };

  /** Hears a leader. One who did not go on where the last one was knows nothing of what this tab may have missed. */
  const follow = (theirs: string) => {
    if (line === theirs) return;
    line = theirs;
    if (!joined) return;
    joined = false;
    past = true;
    sayNames();
  };

  const isSure = (names: readonly string[]) => names.every((name) => live.has(name));
  const inDoubt = () => [...tabs].filter(([, names]) => !isSure(names));

  /** Leader: has the connection listen to what all want, and tells those who are new when it does. */
  const unite = () => {
    if (!connection) return;
    const [first, ...rest] = inDoubt();
    isCareful &&= !!first;
    const later = isCareful ? rest.map(([tab]) => tab) : [];
    const all = new Set([...tabs].flatMap(([tab, names]) => (later.includes(tab) ? [] : names)));
    for (const name of live) if (!all.has(name)) live.delete(name);
    connection._want([...all]);
    for (const [tab, names] of tabs) {
      if (!names[0]) welcomed.delete(tab);
      else if (!welcomed.has(tab) && isSure(names)) {
        welcomed.add(tab);
        if (tab === me) join();
        else say({ ready: tab });
      }
    }
  };

  const leave = () => {
    connection?._close(true);
    back?._close(true);
    connection = back = undefined;
    ended.abort();
    clearInterval(clock);
    clearTimeout(asked);
    radio?.close();
    radio = undefined;
  };

  /** Goes on by a connection of its own: what this tab wants, or is, does not go with the others. */
  const alone = () => {
    if (ended.signal.aborted) return;
    leave();
    own = connect(tell, heard);
    own._want(names);
  };

  const part = (channels: string[]) => {
    if (channels.some((name) => name === me || names.includes(name))) alone();
  };

  /** Holds a lock until this client closes, or another tab steals it. */
  const hold = (lock: string, options: LockOptions, then: () => void) =>
    locks.request(
      lock,
      options,
      (): unknown => ended.signal.aborted || (then(), new Promise((free) => ended.signal.addEventListener("abort", free))),
    );

  /** Leader: forgets a tab when it is gone, however it went. */
  const mourn = (tab: string) =>
    tab === me ||
    locks.request(tab, () => {
      tabs.delete(tab);
      welcomed.delete(tab);
      unite();
    });

  const isLed = () => {
    clearTimeout(asked);
    asked = undefined;
  };

  /** Leader: what is refused to one is not refused to all. Where no channel is named, whose fault it is has to be found out. */
  const refused = (channels: string[]) => {
    const doubt = inDoubt();
    const isKnown = isCareful || !doubt[1];
    // Where nobody is new it is about this tab's token.
    const guilty = channels[0] ? channels : isKnown ? [doubt[0]?.[0] ?? me] : [];
    say({ apart: guilty });
    part(guilty);
    if (channels[0] || !connection) return;
    isCareful = true;
    guilty.forEach((tab) => tabs.delete(tab));
    connection._close(true);
    dial();
  };

  /** Leader: connects, from where all was heard. */
  const dial = () => {
    const mine = connect((kind, fact) => {
      if (own === mine) return give(kind, fact);
      if (connection !== mine) return;
      const { fatal, channels = [] } = fact as Partial<Facts["error"]>;
      // What the application ended stays so in all tabs.
      if (kind === "error" && (fatal || channels[0]) && (fact as Facts["error"]).code !== "ended") {
        if (tabs.size > 1) return refused(channels);
        // Whoever comes now does better without this one.
        if (fatal) {
          connection = undefined;
          leave();
          own = mine;
          return give(kind, fact);
        }
      }
      if (kind === "live") {
        channels.forEach((name) => live.add(name));
        unite();
      } else {
        say({ kind, fact });
        pass(kind, fact);
      }
    }, cursor);
    connection = mine;
    unite();
  };

  const lead = () => {
    isLed();
    // Who is the first of all begins by itself.
    if (!cursor) {
      joined = true;
      line = me;
    }
    [...tabs.keys()].forEach(mourn);
    dial();
  };

  /** Stands in the queue of those who would lead; again, when the lead is lost. */
  const run = (options: LockOptions): unknown =>
    hold(group, options, lead).catch(() => {
      if (ended.signal.aborted) return;
      connection?._close(true);
      connection = undefined;
      live.clear();
      welcomed.clear();
      run({});
      ask();
    });

  /** Asks who leads; if nobody says so, a tab that is seen takes the lead: a browser may have put the other to sleep. */
  const ask = () => {
    if (connection || !radio) return;
    say({ who: 1 });
    if (!document.hidden) asked ??= setTimeout(run, ANSWER_MS, { steal: true });
  };

  const clock = setInterval(() => {
    if (quiet) ask();
    quiet = true;
  }, silence / 2);
  addEventListener("visibilitychange", ask, ended);
  // A page that was kept while the visitor was elsewhere was told nothing meanwhile.
  addEventListener("pageshow", ({ persisted }) => persisted && alone(), ended);

  const listen = ({ data }: MessageEvent<Required<Said>>) => {
    const { who, reconnect, tab, names: wanted, cursor: place, out, ready, apart, kind, fact } = data;
    if (who) {
      sayNames();
      if (connection) {
        connection._wake();
        say({ kind: "message", fact: { cursor } });
        say({ kind: "state", fact: state });
        if (id) say({ kind: "connection", fact: { id } });
      }
    } else if (tab) {
      const known = tabs.has(tab);
      tabs.set(tab, wanted);
      if (!cursor && place) {
        cursor = place;
        line = data.line;
      }
      if (out) welcomed.delete(tab);
      if (connection && !known) mourn(tab);
      unite();
    } else if (apart) part(apart);
    else if (reconnect) connection?._reconnect();
    else if (!connection) {
      // Who leads hears the server itself; what a former leader still says would come twice.
      quiet = false;
      isLed();
      follow(data.line);
      if (ready) ready === me && join();
      else if (fact) pass(kind, fact as never);
    }
  };

  /** Nobody reads in the name of the group what tells one user from another. */
  const begin = async () => {
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(key));
    if (ended.signal.aborted) return;
    group = "multiplexor:" + btoa(String.fromCharCode(...new Uint8Array(digest)));
    radio = new BroadcastChannel(group);
    radio.onmessage = listen;
    // This lock tells the leader when this tab is gone.
    await hold(me, {}, () => {
      sayNames();
      ask();
      run({});
    });
  };
  // Where a browser forbids it, as in a frame without an origin, the tab is alone.
  begin().catch(alone);

  return {
    _want(list) {
      const wasIdle = !names[0];
      names = list;
      if (own) return own._want(list);
      tabs.set(me, list);
      if (!list[0]) {
        give("message", { cursor: undefined });
        give("state", { state: "idle" });
        // Who listens again begins anew.
        joined = past = false;
      } else if (wasIdle && !joined) give("state", { state: "connecting" });
      back?._want(list);
      sayNames();
      unite();
    },
    _reconnect: () => (own ?? connection ? (own ?? connection)!._reconnect() : say({ reconnect: 1 })),
    _publish: (command) => (own ?? connection)?._publish(command),
    _wake() {},
    _close(silent) {
      own?._close(true);
      leave();
      if (!silent) tell("state", { state: "closed" });
    },
  };
}
