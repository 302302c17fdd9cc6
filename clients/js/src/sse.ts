// The event stream of a server that puts every object on one line. How the text was cut never changes what is told.

import type { Item } from "./link";

/** Gives a function that takes pieces of text, and tells what they say: items, and after how long to come back. */
export function sseReader(tell: (item: Item) => void, advise: (retryMs: number) => void): (text: string) => void {
  let rest = "";
  let fields: { id?: string; event?: string; data?: string; retry?: string } = {};
  return (text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      const at = line.indexOf(":");
      if (at > 0) fields[line.slice(0, at) as "id"] = line.slice(at + 1).trim();
      if (line) continue;
      const { id, event, data, retry } = fields;
      fields = {};
      if (retry) advise(+retry);
      const item = JSON.parse(data || "{}");
      if (event === "deleted-message") tell({ cursor: id, deleted_message: item });
      else if (item.by && /^(un)?subscribed$/.test(event!)) tell({ [event!]: item });
      // Messages have a cursor inside, whatever they are called; what has none is in words of the server.
      else if (item.cursor || !data) tell({ cursor: id, ...item });
      else if (event === "gap") tell({ gap: true, ...item });
      else if (event === "deleted") tell({ deleted: item.channel });
      else if (event === "expired") tell({ expired: true });
      else if (event === "ended") tell({ ended: item });
      else if (/^(present|joined|left)$/.test(event!)) tell({ cursor: id, [event!]: item });
    }
  };
}
