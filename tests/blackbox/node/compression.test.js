// Compressed messages in browsers, in Node's fetch and in `ws`: each is there as soon as it is sent.

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";

import WebSocket from "ws";

import { inEachBrowser, listenBare, startSite } from "./browser.js";
import { start, until } from "./program.js";
import { startProxy } from "./proxy.js";

let program;
let number = 0;

before(async () => {
  program = await start();
});

after(async () => {
  await program?.stop();
});

const freshName = () => `coded.${++number}`;
const long = JSON.stringify(Array.from({ length: 30 }, (_, n) => ({ symbol: `S${n % 7}`, price: 17 })));
// Long enough to be compressed; what comes back is short.
const command = JSON.stringify({ ping: "end" }) + " ".repeat(300);
const all = [long, "short", long, "x".repeat(100_000), "é€", long];

/** Publishes one after the other, each when the one before was heard. */
async function publishInTurn(name, heard) {
  for (let n = 0; n < all.length; n++) {
    await program.publish(name, all[n]);
    await until(async () => (await heard()).length > n, `message ${n} is heard before the next is sent`);
  }
  assert.deepEqual(await heard(), all);
}

inEachBrowser((launch) => {
  let browser, site;

  before(async () => {
    [browser, site] = await Promise.all([launch(), startSite()]);
  });

  after(async () => {
    await browser?.close();
    site?.stop();
  });

  test("an EventSource shows each message as it comes", async () => {
    const name = freshName();
    const proxy = await startProxy(program.waitAddress);
    let head = "";
    proxy.state.onBytes = (_, data) => {
      head ||= data.toString("latin1");
      return data.length;
    };
    const tab = await listenBare(browser, site, `http://${proxy.address}/sub/${name}`);
    await program.untilWaiting(name);
    assert.match(head, /\r\nContent-Encoding: gzip\r\n/);
    await publishInTurn(name, tab.heard);
    await tab.end();
    proxy.stop();
  });

  test("so does a WebSocket", async () => {
    const name = freshName();
    const tab = await listenBare(browser, site, `ws://${program.waitAddress}/sub/${name}?raw=1`);
    await program.untilWaiting(name);
    assert.match(await tab.page.evaluate(() => window.source.extensions), /^permessage-deflate/);
    await publishInTurn(name, tab.heard);
    await tab.page.evaluate((words) => window.source.send(words), command);
    await tab.hears(all.length + 1);
    assert.deepEqual(JSON.parse((await tab.heard()).at(-1)), { pong: "end" });
    await tab.end();
  });
});

test("Node's fetch reads a compressed stream line by line", async () => {
  const name = freshName();
  const stopped = new AbortController();
  const answer = await fetch(`http://${program.waitAddress}/sub/${name}?transport=stream`, { signal: stopped.signal });
  assert.equal(answer.headers.get("content-encoding"), "gzip");
  const heard = [];
  const reading = (async () => {
    let rest = "";
    for await (const bytes of answer.body.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + bytes).split("\n");
      rest = lines.pop();
      heard.push(...lines.map((line) => JSON.parse(line)).filter((item) => "data" in item));
    }
  })();
  await publishInTurn(name, async () =>
    heard.map(({ data }) => (typeof data === "string" ? data : JSON.stringify(data))),
  );
  stopped.abort();
  await assert.rejects(reading, { name: "AbortError" });
});

test("`ws` compresses its commands, and understands the answers", async () => {
  const name = freshName();
  const socket = new WebSocket(`ws://${program.waitAddress}/sub/${name}?raw=1`, { perMessageDeflate: { threshold: 0 } });
  const heard = [];
  socket.on("message", (data) => heard.push(data.toString()));
  await once(socket, "open");
  assert.match(socket.extensions, /^permessage-deflate/);
  await program.untilWaiting(name);
  await publishInTurn(name, async () => heard);
  socket.send(command);
  await until(() => heard.length > all.length, "a compressed command is answered");
  assert.deepEqual(JSON.parse(heard.at(-1)), { pong: "end" });
  socket.close(1000);
  assert.equal((await once(socket, "close"))[0], 1000);
});
