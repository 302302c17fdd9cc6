// Waiting by WebSocket: channels are changed in place.

import { CUT, type Ear, type Item, type Link } from "./link";

const REASONS: Record<number, string> = {
  1001: "the server goes down",
  1013: "the server is busy, or this reader too slow",
};

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
    ear._alive();
    let item: Item;
    try {
      item = JSON.parse(data as string);
    } catch {
      return ear._lost(CUT);
    }
    if (item.deleted) asked = asked.filter((name) => name !== item.deleted);
    ear._item(item);
    if (!open) {
      open = true;
      change(names);
    }
  };
  socket.onerror = () => {};
  socket.onclose = ({ code, reason }) =>
    ear._lost(REASONS[code] ?? (reason || (open ? CUT : "no WebSocket came about")), {
      _served: code in REASONS,
    });
  return {
    _change: change,
    _end() {
      socket.onmessage = socket.onclose = null;
      socket.close();
    },
  };
}
