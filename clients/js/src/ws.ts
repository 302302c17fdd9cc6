// Waiting by WebSocket: channels are changed in place.

import { failed } from "./http";
import type { Ear, Item, Link } from "./link";

/** The server goes down, or restarts; it is busy, or this reader too slow. */
const COME_BACK = [1001, 1012, 1013];

/** `first`: the address names no channel; they are asked for by command, from there on. */
export function openSocket(
  WebSocket: typeof globalThis.WebSocket,
  url: URL,
  names: readonly string[],
  ear: Ear,
  first?: { since?: string | number; tail?: number } | false,
  presence?: true,
): Link {
  url.protocol = url.protocol.replace("http", "ws");
  const socket = new WebSocket(url);
  /** What was asked for and is not answered; answers come in order. */
  const asks: string[][] = [];
  /** What was said and is not answered, by number. */
  const said = new Map<unknown, (item: Item) => void>();
  let count = 0;
  let asked = first ? [] : names;
  let open = false;
  /** What the server says of this connection's channels is heard. */
  let begun = !first;
  const say = (verb: string, list: string[], more?: object | false) => {
    if (list[0] !== undefined && asks.push(list)) socket.send(JSON.stringify({ [verb]: list, ...more }));
  };
  const change = (wanted: readonly string[]) => {
    names = wanted;
    if (!open) return;
    say("subscribe", names.filter((name) => !asked.includes(name)), { ...first, presence });
    say("unsubscribe", asked.filter((name) => !names.includes(name)));
    first = false;
    asked = names;
  };
  socket.onmessage = ({ data }) => {
    const item = JSON.parse(data as string) as Item;
    const { more, error, deleted } = item;
    const subscribed = Array.isArray(item.subscribed);
    const heard = said.get(item.id);
    if (heard) {
      said.delete(item.id);
      heard(item);
      // Its place may be behind what was told already, as of a repeat: no cursor of this connection.
      return ear._item({});
    }
    if (deleted) asked = asked.filter((name) => name !== deleted);
    if (subscribed || Array.isArray(item.unsubscribed) || item.renewed || error) item.id = more ? asks[0] : asks.shift();
    // Where no channel is waited on yet, a cursor speaks for none.
    begun ||= subscribed;
    if (begun) ear._item(item);
    else if (item.connection || item.gap || item.time || item.subscribed || item.unsubscribed) ear._item({ ...item, cursor: undefined });
    // What this connection is for cannot be had: as if a status said it.
    else if (error) {
      const _served = error.status === 429;
      ear._lost(error.detail, { _status: error.status, _code: error.code, _fatal: error.status < 500 && !_served, _served });
    }
    if (!open) {
      open = true;
      change(names);
    }
  };
  socket.onerror = () => {};
  const lose = () => said.forEach((heard) => heard({ error: { code: "lost", detail: "the connection was cut off", status: 0 } }));
  socket.onclose = ({ code, reason }) => {
    lose();
    ear._lost(reason, { _served: COME_BACK.includes(code) });
  };
  return {
    _change: change,
    _renew(token) {
      if (!open) return;
      asks.push([]);
      socket.send(JSON.stringify({ token }));
    },
    _publish: (command) =>
      open ? new Promise((done, fail) => {
        socket.send(JSON.stringify({ ...command, id: ++count }));
        said.set(count, (item) => (item.error ? fail(failed(item.error.detail, item.error.code, item.error.status)) : done(item)));
      }) : undefined,
    _end() {
      lose();
      socket.onmessage = socket.onclose = null;
      socket.close();
    },
  };
}
