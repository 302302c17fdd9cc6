// Waiting by WebSocket: channels are changed in place.

import type { Ear, Item, Link } from "./link";

/** The server goes down; it is busy, or this reader too slow. */
const COME_BACK = [1001, 1013];

export function openSocket(WebSocket: typeof globalThis.WebSocket, url: URL, names: readonly string[], ear: Ear): Link {
  url.protocol = url.protocol.replace("http", "ws");
  const socket = new WebSocket(url);
  let asked = names;
  let open = false;
  const say = (verb: string, list: string[]) => {
    if (list.length) socket.send(JSON.stringify({ [verb]: list, id: list }));
  };
  const change = (wanted: readonly string[]) => {
    names = wanted;
    if (!open) return;
    say("subscribe", names.filter((name) => !asked.includes(name)));
    say("unsubscribe", asked.filter((name) => !names.includes(name)));
    asked = names;
  };
  socket.onmessage = ({ data }) => {
    const item = JSON.parse(data as string) as Item;
    if (item.deleted) asked = asked.filter((name) => name !== item.deleted);
    ear._item(item);
    if (!open) {
      open = true;
      change(names);
    }
  };
  socket.onerror = () => {};
  socket.onclose = ({ code, reason }) => ear._lost(reason, { _served: COME_BACK.includes(code) });
  return {
    _change: change,
    _end() {
      socket.onmessage = socket.onclose = null;
      socket.close();
    },
  };
}
