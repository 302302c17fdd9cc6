// Real proxies that change names, that stay while the server restarts, that say late that there is no room.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";

import { freePort } from "../../../tests/blackbox/node/nginx.js";
import { start, startBare, until } from "../../../tests/blackbox/node/program.js";
import { startHaproxy } from "./haproxy.mjs";
import { TRANSPORTS, WebSocket, listen } from "./harness.mjs";
import { startNginx } from "./nginx.mjs";

const FRAGILE = ["a//b", "x/../y", "x/./y", "/z", "p%2Fq", "p%252Fq", "w\\v", "%"];
const UPGRADES = "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;";

for (const transport of TRANSPORTS) {
  test(`${transport}: names with slashes arrive behind a proxy that decodes addresses, as they are`, async () => {
    const program = await start();
    // With a path of its own nginx hands on what it made of the address: decoded, slashes merged, dots followed.
    const nginx = await startNginx(program.waitAddress, `${UPGRADES} } location /push/ { proxy_pass http://${program.waitAddress}/; proxy_http_version 1.1; ${UPGRADES}`);
    const heard = [];
    const client = listen(`${nginx.address}/push/`, FRAGILE, { transports: [transport] });
    client.mx.on("message", ({ channel, data }) => heard.push([channel, data]));
    for (const name of FRAGILE) {
      await program.untilWaiting(name);
      await program.publish(name, `to ${name}`);
    }
    await client.hears(FRAGILE.length);
    assert.deepEqual(heard, FRAGILE.map((name) => [name, `to ${name}`]));
    client.mx.close();
    await nginx.stop();
    await program.stop();
  });

  test(`${transport}: one name with a slash arrives behind a proxy that refuses %2F, with the last of its history`, async () => {
    const program = await start();
    const nginx = await startNginx(program.waitAddress, `if ($request_uri ~* %2F) { return 404; } ${UPGRADES}`);
    await program.publish("a/b", "0");
    await program.publish("a/b", "1");
    const client = listen(nginx.address, "a/b", { transports: [transport], tail: 1 });
    await client.hears(1);
    await program.publish("a/b", "2");
    await client.hears(2);
    assert.deepEqual(client.heard, [1, 2]);
    assert.deepEqual(client.told.filter(({ kind }) => kind === "error"), []);
    client.mx.close();
    await nginx.stop();
    await program.stop();
  });
}

const CROWD = 40;

/** A crowd by WebSocket behind HAProxy, while the server is away for `awayMs`: which transports they opened by. */
async function restart(awayMs, options) {
  const ports = ["--wait", `127.0.0.1:${await freePort()}`, "--in", `127.0.0.1:${await freePort()}`];
  let program = await startBare(...ports);
  const proxy = await startHaproxy(program.waitAddress, options);
  const crowd = Array.from({ length: CROWD }, () => listen(proxy.address, "a", { retry: { min: 500, max: 2_000 } }));
  for (const client of crowd) await client.opens("ws");
  await program.stop();
  await sleep(awayMs);
  program = await startBare(...ports);
  for (const client of crowd) await until(() => client.states().lastIndexOf("waiting") < client.states().length - 1 && client.mx.state === "open", "it is back");
  const opened = crowd.map(({ mx }) => mx.transport);
  for (const { mx } of crowd) mx.close();
  await proxy.stop();
  await program.stop();
  return { opened, told: crowd.map(({ told }) => told) };
}

test("a server that restarts behind a proxy that says 503 at once: all are back by WebSocket", async () => {
  // HAProxy's checks find the server away, and each request is refused until they find it again.
  const { opened, told } = await restart(2_500, "check inter 100ms fall 1 rise 1");
  assert.deepEqual(new Set(opened), new Set(["ws"]), JSON.stringify(told[opened.findIndex((transport) => transport !== "ws")]));
});

test("a server that restarts behind a proxy that tries again by itself: all are back by WebSocket", async () => {
  const { opened, told } = await restart(2_500, "");
  assert.deepEqual(new Set(opened), new Set(["ws"]), JSON.stringify(told[opened.findIndex((transport) => transport !== "ws")]));
});

test("a proxy without room says so after 5 s, and is heard", async () => {
  const program = await start();
  const proxy = await startHaproxy(program.waitAddress, "maxconn 1");
  const first = listen(proxy.address, "a");
  await first.opens("ws");
  const second = listen(proxy.address, "a");
  await second.tells("error");
  const { status, fatal } = second.told.find(({ kind }) => kind === "error");
  assert.deepEqual([status, fatal], [503, false]);
  first.mx.close();
  await second.opens("ws");
  second.mx.close();
  await proxy.stop();
  await program.stop();
});

for (const code of [1012, 1013]) {
  test(`who is closed with ${code} comes back by WebSocket`, async () => {
    const port = await freePort();
    const server = new WebSocket.Server({ port, host: "127.0.0.1" });
    let came = 0;
    server.on("connection", (socket) => ((came += 1), socket.close(code, "come back")));
    const client = listen(`127.0.0.1:${port}`, "a");
    await until(() => came >= 5, "it came five times");
    assert.ok(client.states().every((state) => !/sse|poll/.test(state)), JSON.stringify(client.told));
    assert.ok(client.told.some(({ reason }) => reason === "come back"));
    client.mx.close();
    server.close();
  });
}
