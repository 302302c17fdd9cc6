// The class Dklab_Realplexor as a module: in Node against a listener of its words, and as a script in a page of another
// origin. What pages do with the script that the server gives is in tests/blackbox/node.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";

import { inEachBrowser, startSite } from "../../../tests/blackbox/node/browser.js";
import { startNginx } from "../../../tests/blackbox/node/nginx.js";
import { startBare, until } from "../../../tests/blackbox/node/program.js";
import { startProxy } from "../../../tests/blackbox/node/proxy.js";
import { Dklab_Realplexor } from "../dist/realplexor.mjs";
import { HERE, numbers } from "./harness.mjs";

const SETTINGS = '[[wait]]\naddress = "127.0.0.1:0"\ndialect = "realplexor"\n[[in]]\naddress = "127.0.0.1:0"\ndialect = "realplexor"\n';

let folder, program;
let count = 0;
const fresh = () => `id${++count}`;

before(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "multiplexor-realplexor-"));
  const file = path.join(folder, "settings.toml");
  writeFileSync(file, 'history_messages = 5000\n' + SETTINGS);
  program = await startBare("--config", file);
});
after(async () => {
  await program?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Publishes as its scripts do: by a socket, to a list with or without cursors. */
async function publish(list, data) {
  const [host, port] = program.inAddress.split(":");
  const socket = net.connect(Number(port), host);
  socket.end(`X-Realplexor: identifier=${list}\r\n\r\n${JSON.stringify(data)}`);
  socket.resume();
  await once(socket, "close");
}

/** A façade that keeps what it hears of these ids. */
function listen(address, namespace, ...ids) {
  const rpl = new Dklab_Realplexor(address.includes("/") ? `http://${address}` : `http://${address}/`, namespace);
  const heard = [];
  for (const id of ids) rpl.subscribe(id, (data, id, cursor) => heard.push([id, data, cursor]));
  rpl.execute();
  const end = () => {
    for (const id of ids) rpl.unsubscribe(id);
    rpl.execute();
  };
  const hears = (amount) => until(() => heard.length >= amount, `${amount} are heard, not ${heard.length}`);
  return { rpl, heard, hears, end, data: () => heard.map(([, data]) => data) };
}

test("it hears what is published to its ids, of its namespace, once each and with their cursors", async () => {
  const [a, b] = [fresh(), fresh()];
  const { heard, hears, end } = listen(program.waitAddress, "shop_", a, b);
  await program.untilWaiting(`shop_${a}`);
  await publish(`shop_${a}`, { n: 1 });
  await publish(a, "of another namespace");
  await publish(`shop_${a},shop_${b}`, [2]);
  await hears(3);
  assert.deepEqual(heard.map(([id, data]) => [id, data]), [[a, { n: 1 }], [a, [2]], [b, [2]]]);
  for (const [, , cursor] of heard) assert.match(cursor, /^\d+\.\d+$/);
  end();
  await program.untilWaiting(`shop_${a}`, 0);
});

test("what is no JSON is never run, and all else is heard", async () => {
  const id = fresh();
  globalThis.ran = 0;
  for (const data of ['"first"', "(globalThis.ran = 1)", "{n: 1}", "'quoted'", "{", '"last"']) {
    const [host, port] = program.inAddress.split(":");
    const socket = net.connect(Number(port), host);
    socket.end(`X-Realplexor: identifier=${id}\r\n\r\n${data}`);
    socket.resume();
    await once(socket, "close");
  }
  const heard = [];
  const rpl = new Dklab_Realplexor(`http://${program.waitAddress}/`);
  rpl.setCursor(id, 0).subscribe(id, (data) => heard.push(data)).execute();
  await until(() => heard.length === 2, "what is JSON is heard");
  await program.untilWaiting(id);
  await publish(id, "live");
  await until(() => heard.length === 3, "it goes on behind what it could not read");
  assert.deepEqual(heard, ["first", "last", "live"]);
  assert.equal(globalThis.ran, 0);
  rpl.unsubscribe(id).execute();
});

test("setCursor gives what was published after it, and large cursors stay exact", async () => {
  const id = fresh();
  await publish(`10:${id}`, "ten");
  await publish(`12345678901234567890.123456789:${id}`, "large");
  const rpl = new Dklab_Realplexor(`http://${program.waitAddress}/`);
  const heard = [];
  rpl.setCursor(id, 0).subscribe(id, (data, _, cursor) => heard.push([data, cursor])).execute();
  await until(() => heard.length === 2, "both are heard");
  assert.deepEqual(heard, [["ten", "10"], ["large", "12345678901234567890.123456789"]]);
  rpl.unsubscribe(id).execute();
});

test("cut off again and again, it hears all, once and in order", async () => {
  const id = fresh();
  const proxy = await startProxy(program.waitAddress);
  const { hears, data, end } = listen(proxy.address, "", id);
  await program.untilWaiting(id);
  for (let n = 0; n < 200; n++) {
    await publish(id, n);
    if (n % 20 === 0) {
      await program.untilWaiting(id);
      proxy.cut();
    }
  }
  await hears(200);
  assert.deepEqual(data(), numbers(200));
  assert.ok(proxy.state.cuts >= 10);
  end();
  proxy.stop();
});

/** A server that answers nothing, and keeps what it is asked for. */
async function silent() {
  const asked = [];
  let ended = 0;
  const server = http.createServer((request, response) => {
    asked.push(request.url.replace(/&ncrnd=\d+$/, ""));
    response.on("close", () => (ended += 1));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/rpl`,
    asks: (amount) => until(() => asked.length === amount, `${amount} requests, not ${asked}`),
    asked,
    ended: () => ended,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

test("a request has the ids that somebody hears, with login, namespace and cursors", async () => {
  const server = await silent();
  const rpl = new Dklab_Realplexor(server.url, "ns_");
  rpl.execute();
  const callback = () => {};
  rpl.setCursor("b", "7.50").subscribe("a", callback).subscribe("a", callback).subscribe("b", callback).subscribe("c", callback);
  rpl.unsubscribe("c", callback);
  rpl.execute();
  await server.asks(1);
  rpl.logon("user");
  rpl.unsubscribe("a", null).execute();
  await server.asks(2);
  assert.deepEqual(server.asked, ["/rpl?identifier=7.50:ns_b,ns_a", "/rpl?identifier=7.50:user_ns_b"]);
  await until(() => server.ended() === 1, "the first was ended by the second");
  rpl.unsubscribe("b").execute();
  await until(() => server.ended() === 2, "nothing is asked for where nobody hears");
  server.stop();
});

test("a callback that throws, ends another or executes anew loses nothing", async () => {
  const id = fresh();
  const rpl = new Dklab_Realplexor(`http://${program.waitAddress}/`);
  const heard = [];
  const ended = () => heard.push("ended");
  const { error } = console;
  console.error = () => {};
  rpl.subscribe(id, () => {
    rpl.unsubscribe(id, ended);
    throw new Error("on purpose");
  });
  rpl.subscribe(id, ended);
  rpl.subscribe(id, (data) => heard.push(data));
  rpl.subscribe(id, () => rpl.execute());
  rpl.setCursor(id, 0);
  for (let n = 0; n < 5; n++) await publish(id, n);
  rpl.execute();
  await until(() => heard.length === 5, `all are heard: ${heard}`);
  console.error = error;
  assert.deepEqual(heard, numbers(5));
  rpl.unsubscribe(id).execute();
});

test("behind a path it asks there, by the address it was given; a path that the server sets counts from the host on", async () => {
  const nginx = await startNginx(`location /push/ { proxy_pass http://${program.waitAddress}/; }`);
  const { settings } = Dklab_Realplexor;
  for (const [path, waitUri] of [["push/", "/"], ["push/?v=2#there", "/"], ["", "/push/"], ["elsewhere/", "/push/"]]) {
    const id = fresh();
    settings.waitUri = waitUri;
    const client = listen(`${new URL(nginx.url).host}/${path}`, "", id);
    settings.waitUri = "/";
    await program.untilWaiting(id);
    await publish(id, 1);
    await client.hears(1);
    client.end();
  }
  await nginx.stop();
});

test("an address that is none is refused with words", () => {
  for (const url of ["/rpl", "rpl.example.com", "ftp://a/"]) {
    assert.throws(() => new Dklab_Realplexor(url), (thrown) => typeof thrown === "string" && thrown.includes(url));
  }
});

inEachBrowser((launch) => {
  test("a page of another origin hears by the script", async () => {
    const id = fresh();
    const script = readFileSync(path.join(HERE, "dist/realplexor.js"), "utf8");
    const [browser, site] = await Promise.all([launch(), startSite(`<!doctype html><title>test</title><script>${script}</script>`)]);
    const page = await browser.newPage();
    await page.goto(site.url);
    await page.evaluate(
      ([url, id]) => {
        window.heard = [];
        const rpl = new window.Dklab_Realplexor(url, "page_", true);
        rpl.subscribe(id, (data) => window.heard.push(data));
        rpl.execute();
      },
      [`http://${program.waitAddress}/`, id],
    );
    await program.untilWaiting(`page_${id}`);
    for (let n = 0; n < 20; n++) await publish(`page_${id}`, n);
    const heard = () => page.evaluate(() => window.heard);
    await until(async () => (await heard()).length >= 20, "all are heard");
    assert.deepEqual(await heard(), numbers(20));
    await browser.close();
    site.stop();
  });
});
