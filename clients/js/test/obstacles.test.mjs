// What stands between a client and the server: nginx that buffers or knows no upgrade, pipes that swallow or cut.

import assert from "node:assert/strict";
import net from "node:net";
import { after, before, test } from "node:test";

import { start, until } from "../../../tests/blackbox/node/program.js";
import { startProxy } from "../../../tests/blackbox/node/proxy.js";
import { listen, numbers } from "./harness.mjs";
import { startNginx } from "./nginx.mjs";

const UPGRADES = "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;";
const BUFFERS = "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;";

let program;
before(async () => {
  program = await start("--history-messages", "5000");
});
after(() => program.stop());

/** Through what stands at `address`, all is heard; says which transports were tried, and which one it was. */
async function wayThrough(address, name, options) {
  const client = listen(address, name, options);
  await until(() => client.mx.state === "open", `it is open: ${JSON.stringify(client.told)}`);
  await program.untilWaiting(name);
  for (let n = 0; n < 20; n++) await program.publish(name, String(n));
  await client.hears(20);
  assert.deepEqual(client.heard, numbers(20));
  client.mx.close();
  return client.states().filter((state) => state.startsWith("connecting") || state.startsWith("open"));
}

test("nginx that lets upgrades through: a WebSocket", async () => {
  const nginx = await startNginx(program.waitAddress, UPGRADES);
  assert.deepEqual(await wayThrough(nginx.address, "upgrades"), ["connecting ws", "open ws"]);
  await nginx.stop();
});

test("nginx as it is, without upgrades: an event stream", async () => {
  const nginx = await startNginx(program.waitAddress, "");
  assert.deepEqual(await wayThrough(nginx.address, "plain"), ["connecting ws", "connecting sse", "open sse"]);
  await nginx.stop();
});

test("nginx that buffers passes what comes in chunks: an event stream", async () => {
  const nginx = await startNginx(program.waitAddress, BUFFERS);
  assert.deepEqual(await wayThrough(nginx.address, "chunks"), ["connecting ws", "connecting sse", "open sse"]);
  await nginx.stop();
});

test("nginx that buffers, and speaks HTTP/1.0 to the server: long polls", async () => {
  const nginx = await startNginx(program.waitAddress, BUFFERS, "1.0");
  const states = await wayThrough(nginx.address, "buffers", { connectTimeout: 1000 });
  assert.deepEqual(states, ["connecting ws", "connecting sse", "connecting poll", "open poll"]);
  await nginx.stop();
});

test("a proxy that accepts a WebSocket and swallows what it says: an event stream", async () => {
  const proxy = await startProxy(program.waitAddress);
  proxy.state.onBytes = (pair, data) => {
    // The handshake passes, no frame ever does, and the connection stays.
    if (data.includes("101 Switching")) {
      pair.client.write(data.subarray(0, data.indexOf("\r\n\r\n") + 4));
      pair.client.write = () => true;
    }
    return data.length;
  };
  assert.deepEqual(await wayThrough(proxy.address, "swallows", { connectTimeout: 1000 }), ["connecting ws", "connecting sse", "open sse"]);
  proxy.stop();
});

test("a network that cuts every WebSocket soon: an event stream, after the third", async () => {
  const proxy = await startProxy(program.waitAddress);
  proxy.state.onBytes = (pair, data) => {
    pair.isSocket ??= data.includes("101 Switching");
    // Right after the first cursor, by which it counts as open.
    if (pair.isSocket && data.includes('"cursor"')) setImmediate(() => pair.client.end());
    return data.length;
  };
  const client = listen(proxy.address, "cuts");
  await client.opens("sse");
  assert.equal(client.states().filter((state) => state === "open ws").length, 3);
  client.mx.close();
  proxy.stop();
});

test("a network that swallows everything: it goes on trying, and is there when the way is free", async () => {
  const held = new Set();
  let free = false;
  const pipe = net.createServer((client) => {
    held.add(client);
    client.on("error", () => {});
    if (!free) return;
    const [host, port] = program.waitAddress.split(":");
    const upstream = net.connect(Number(port), host);
    held.add(upstream);
    upstream.on("error", () => {});
    client.pipe(upstream).pipe(client);
  });
  await new Promise((resolve) => pipe.listen(0, "127.0.0.1", resolve));
  const client = listen(`127.0.0.1:${pipe.address().port}`, "later", { connectTimeout: 200 });
  await until(() => client.mx.state === "waiting", "all were tried");
  assert.deepEqual(client.states().slice(0, 4), ["connecting ws", "connecting sse", "connecting poll", "waiting"]);
  free = true;
  await client.opens("ws");
  client.mx.close();
  held.forEach((socket) => socket.destroy());
  pipe.close();
});

const REFUSALS = {
  "a page of 404": "HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 9\r\nConnection: close\r\n\r\nnot found",
  "a problem of somebody else's":
    'HTTP/1.1 403 Forbidden\r\nContent-Type: application/problem+json\r\nContent-Length: 26\r\nConnection: close\r\n\r\n{"status":403,"title":"x"}',
  "JSON of somebody else's":
    'HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nContent-Length: 27\r\nConnection: close\r\n\r\n{"status":401,"code":"key"}',
};
for (const [what, answer] of Object.entries(REFUSALS)) {
  test(`a proxy that restarts and says ${what} for a while: it goes on trying, and by WebSocket in the end`, async () => {
    let refused = 0;
    const held = new Set();
    const pipe = net.createServer((client) => {
      held.add(client);
      client.on("error", () => {});
      if (refused < 9) {
        client.once("data", () => ((refused += 1), client.end(answer)));
        return;
      }
      const [host, port] = program.waitAddress.split(":");
      const upstream = net.connect(Number(port), host);
      held.add(upstream);
      upstream.on("error", () => {});
      client.pipe(upstream).pipe(client);
    });
    await new Promise((resolve) => pipe.listen(0, "127.0.0.1", resolve));
    const client = listen(`127.0.0.1:${pipe.address().port}`, "restarts");
    await client.opens("ws");
    assert.ok(refused === 9 && !client.states().includes("closed"), JSON.stringify(client.told));
    assert.ok(client.told.filter(({ kind }) => kind === "error").every(({ fatal }) => !fatal));
    client.mx.close();
    held.forEach((socket) => socket.destroy());
    pipe.close();
  });
}
