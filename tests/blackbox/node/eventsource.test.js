// A bare EventSource in Chromium and Firefox, cut off by a proxy: it comes back by itself, misses nothing, hears nothing twice.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { inEachBrowser, listenBare, startSite } from "./browser.js";
import { start, until } from "./program.js";
import { startProxy } from "./proxy.js";

let number = 0;
const freshName = () => `page.${++number}`;
const numbers = (count) => Array.from({ length: count }, (_, n) => String(n));

inEachBrowser((launch) => {
  let browser, site, program;

  before(async () => {
    [browser, site, program] = await Promise.all([launch(), startSite(), start("--history-messages", "10000")]);
  });

  after(async () => {
    await browser?.close();
    site?.stop();
    await program?.stop();
  });

  /** A page with an EventSource, and a proxy between it and the server. */
  async function listening(name, query = "", events = []) {
    const proxy = await startProxy(program.waitAddress);
    const tab = await listenBare(browser, site, `http://${proxy.address}/sub/${name}${query}`, events);
    await program.untilWaiting(name);
    const end = async () => {
      await tab.end();
      proxy.stop();
    };
    return { ...tab, proxy, end };
  }

  test("cut off before its first message, it misses nothing", async () => {
    const name = freshName();
    const tab = await listening(name);
    // The first cursor must have reached the page, which shows in what it sends when it comes back.
    await until(() => tab.proxy.state.accepted === 1, "one connection");
    tab.proxy.cut();
    for (let n = 0; n < 10; n++) await program.publish(name, String(n));
    await tab.hears(10);
    assert.deepEqual(await tab.heard(), numbers(10));
    assert.equal(await tab.opens(), 2);
    assert.match(tab.proxy.state.requests[1], /last-event-id: a[0-9A-Za-z]{7,15}/i);
    await tab.end();
  });

  test("cut off again and again in the middle, it misses nothing and hears nothing twice", async () => {
    const name = freshName();
    const tab = await listening(name);
    let published = 0;
    for (let round = 0; round < 4; round++) {
      for (let n = 0; n < 50; n++) {
        await program.publish(name, String(published++));
        if (n === 25) tab.proxy.cut();
      }
      await tab.hears(published);
    }
    assert.deepEqual(await tab.heard(), numbers(published));
    assert.ok(tab.proxy.state.cuts >= 4);
    assert.ok((await tab.opens()) >= 5);
    await tab.end();
  });

  test("cut off in the middle of an event, it hears that event once", async () => {
    const name = freshName();
    const tab = await listening(name);
    let cut = false;
    tab.proxy.state.onBytes = (_, data) => {
      const at = data.indexOf("cut here");
      if (cut || at < 0) return data.length;
      cut = true;
      return at + 4;
    };
    await program.publish(name, "before");
    await program.publish(name, "cut here please");
    await program.publish(name, "after");
    await tab.hears(3);
    assert.deepEqual(await tab.heard(), ["before", "cut here please", "after"]);
    assert.ok(cut);
    await tab.end();
  });

  test("all history comes first where it is asked for, and not again after a cut", async () => {
    const name = freshName();
    for (let n = 0; n < 100; n++) await program.publish(name, String(n));
    const tab = await listening(name, "?since=0");
    await tab.hears(100);
    tab.proxy.cut();
    for (let n = 100; n < 110; n++) await program.publish(name, String(n));
    await tab.hears(110);
    assert.deepEqual(await tab.heard(), numbers(110), "Last-Event-ID beats the since that is still in the URL");
    await tab.end();
  });

  test("named events and lines arrive as they were said", async () => {
    const name = freshName();
    const tab = await listening(name, "", ["tick"]);
    await program.publish(name, "one", "?event=tick");
    await program.publish(name, "two\nlines");
    await program.publish(name, "");
    await program.publish(name, "ünïcödé \u2028 ☃");
    await tab.hears(4);
    assert.deepEqual(await tab.heard(), ["tick: one", "two\nlines", "", "ünïcödé \u2028 ☃"]);
    await tab.end();
  });

  test("a page tells a gap from a message", async () => {
    const small = await start("--history-messages", "5");
    const proxy = await startProxy(small.waitAddress);
    const tab = await listenBare(browser, site, `http://${proxy.address}/sub/a`, ["gap"]);
    await small.untilWaiting("a");
    await small.publish("a", "first");
    await tab.hears(1);
    proxy.cut();
    await small.untilWaiting("a", 0);
    for (let n = 0; n < 20; n++) await small.publish("a", String(n));
    await until(async () => (await tab.heard()).at(-1) === "19", "the last is heard");
    assert.deepEqual(await tab.heard(), ["first", 'gap: {"channels":["a"]}', "15", "16", "17", "18", "19"]);
    await tab.end();
    proxy.stop();
    await small.stop();
  });

  test("refused for now, it comes again by itself, and misses nothing", async () => {
    const small = await start("--connections-limit", "1", "--history-messages", "100");
    const proxy = await startProxy(small.waitAddress);
    const tab = await listenBare(browser, site, `http://${proxy.address}/sub/a`, ["refused"]);
    await small.untilWaiting("a");
    await small.publish("a", "before");
    await tab.hears(1);
    proxy.cut();
    await small.untilWaiting("a", 0);
    const other = await fetch(`http://${small.waitAddress}/sub/b?transport=stream`);
    await small.publish("a", "missed");
    const refusals = async () => (await tab.heard()).filter((text) => text.startsWith("refused: "));
    await until(async () => (await refusals()).length >= 2, "it was refused twice", 60_000);
    assert.equal(JSON.parse((await refusals())[0].slice("refused: ".length)).code, "connections");
    await other.body.cancel();
    await until(async () => (await tab.heard()).at(-1) === "missed", "it is let in", 60_000);
    const heard = (await tab.heard()).filter((text) => !text.startsWith("refused: "));
    assert.deepEqual(heard, ["before", "missed"]);
    await tab.end();
    proxy.stop();
    await small.stop();
  });

  test("fetch from another origin reads a poll and its headers", async () => {
    const name = freshName();
    const cursor = await program.publish(name, "raw");
    const page = await browser.newPage();
    await page.goto(site.url);
    const got = await page.evaluate(async (base) => {
      const document = await (await fetch(`${base}?since=0`)).json();
      const raw = await fetch(`${base}?since=0&raw=1`, { headers: { "X-Anything": "makes a preflight" } });
      return { document, cursor: raw.headers.get("Multiplexor-Cursor"), text: await raw.text() };
    }, `http://${program.waitAddress}/sub/${name}`);
    assert.equal(got.document.messages[0].data, "raw");
    assert.equal(got.cursor, cursor);
    assert.equal(got.text, "raw");
    await page.close();
  });

  test("a WebSocket of a page hears what is said", async () => {
    const name = freshName();
    const tab = await listenBare(browser, site, `ws://${program.waitAddress}/sub/${name}`);
    await program.untilWaiting(name);
    await program.publish(name, "hello");
    await until(async () => (await tab.heard()).some((text) => JSON.parse(text).data === "hello"), "it hears");
    await tab.page.close();
    await program.untilWaiting(name, 0);
  });
});
