// One connection for all tabs: who holds the lock holds the connection and tells the others what it hears.

import type { Connection, Facts, Tell } from "./connection";
import type { Item } from "./link";

/** What tabs say to each other. */
interface Said {
  /** Everybody shall say what they want, and the leader how it is. */
  who?: 1;
  reconnect?: 1;
  /** A tab, and the channels it wants. */
  tab?: string;
  names?: readonly string[];
  /** What the leader heard. */
  kind?: keyof Facts;
  fact?: unknown;
}

/** So many messages are remembered, to know those that come again when another tab takes over. */
const SEEN_MAX = 1_000;
/** So long a leader may take to answer. */
const ANSWER_MS = 3_000;

export function share(
  name: string,
  silence: number,
  connect: (tell: Tell, cursor?: string) => Connection,
  tell: Tell,
): Connection {
  const me = name + Math.random();
  const { locks } = navigator;
  const radio = new BroadcastChannel(name);
  const tabs = new Map<string, readonly string[]>([[me, []]]);
  const seen = new Set<string>();
  let connection: Connection | undefined;
  let state: unknown;
  let cursor: string | undefined;
  let quiet = false;
  let asked: ReturnType<typeof setTimeout> | undefined;
  const ended = new AbortController();

  const say = (said: Said) => radio.postMessage(said);
  const sayNames = () => say({ tab: me, names: tabs.get(me) });
  const unite = () => connection?._want([...new Set([...tabs.values()].flat())]);

  /** Passes on what was heard, but no message twice. */
  const pass: Tell = (kind, fact) => {
    if (kind === "state") state = fact;
    if (kind === "message") {
      const { cursor: place, time } = fact as Item;
      if (place || !time) cursor = place;
      if (place && seen.has(place)) return;
      if (place && seen.add(place).size > SEEN_MAX) seen.delete(seen.values().next().value!);
    }
    tell(kind, fact);
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
      unite();
    });

  const lead = () => {
    connection = connect((kind, fact) => {
      say({ kind, fact });
      pass(kind, fact);
    }, cursor);
    [...tabs.keys()].forEach(mourn);
    unite();
  };

  /** Stands in the queue of those who would lead; again, when the lead is lost. */
  const run = (options: LockOptions): unknown =>
    hold(name, options, lead).catch(() => {
      connection?._close(true);
      connection = undefined;
      run({});
    });

  /** Asks who leads; if nobody says so, takes the lead: a browser may have put that tab to sleep. */
  const ask = () => {
    if (connection || document.hidden) return;
    say({ who: 1 });
    asked ??= setTimeout(run, ANSWER_MS, { steal: true });
  };

  const clock = setInterval(() => {
    if (quiet) ask();
    quiet = true;
  }, silence / 2);
  addEventListener("visibilitychange", ask, ended);

  radio.onmessage = ({ data: { who, reconnect, tab, names, kind, fact } }: MessageEvent<Required<Said>>) => {
    if (who) {
      sayNames();
      if (connection) {
        say({ kind: "message", fact: { cursor } });
        say({ kind: "state", fact: state });
      }
    } else if (tab) {
      const known = tabs.has(tab);
      tabs.set(tab, names);
      if (connection && !known) mourn(tab);
      unite();
    } else if (reconnect) connection?._reconnect();
    else if (!connection) {
      // Who leads hears the server itself; what a former leader still says would come twice.
      quiet = false;
      clearTimeout(asked);
      asked = undefined;
      pass(kind, fact as never);
    }
  };

  // This lock tells the leader when this tab is gone.
  hold(me, {}, () => {
    say({ who: 1 });
    sayNames();
    run({});
  });

  return {
    _want(names) {
      tabs.set(me, names);
      sayNames();
      unite();
    },
    _reconnect: () => (connection ? connection._reconnect() : say({ reconnect: 1 })),
    _close() {
      connection?._close(true);
      connection = undefined;
      ended.abort();
      clearInterval(clock);
      clearTimeout(asked);
      radio.close();
      tell("state", { state: "closed" });
    },
  };
}
