// Tabs in Chromium and Firefox that share one connection by themselves: what each hears, who shares with whom, and that what
// happens to one does not happen to the others.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";

import { inEachBrowser, launchFirefox } from "../../../tests/blackbox/node/browser.js";
import { start, until } from "../../../tests/blackbox/node/program.js";
import { startProxy } from "../../../tests/blackbox/node/proxy.js";
import { HERE, TRANSPORTS, contextOf, numbers } from "./harness.mjs";

const SECRET = "a-secret-for-tests-of-32-letters-or-more";
let folder, program, closed, site;
let count = 0;
const fresh = () => `tab.${++count}`;

/** A site with the client in its page, and a frame of no origin. */
function startPages() {
  const script = readFileSync(path.join(HERE, "dist/multiplexor.js"), "utf8");
  const asleep = [];
  const server = http.createServer((request, response) => {
    if (request.url === "/sleep") return asleep.push(response);
    if (request.url.startsWith("/publish?")) return program.publish(request.url.split("?")[1], String(site.published++)).then(() => response.end());
    response.setHeader("Content-Type", request.url === "/multiplexor.js" ? "text/javascript" : "text/html; charset=utf-8");
    response.end(request.url === "/multiplexor.js" ? script : '<!doctype html><meta charset=utf-8><title>test</title><script src="/multiplexor.js"></script>');
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve({ url: `http://127.0.0.1:${server.address().port}/`, asleep, published: 0, stop: () => (server.closeAllConnections(), server.close()) })));
}

before(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "multiplexor-tabs-"));
  const file = path.join(folder, "closed.toml");
  writeFileSync(file, `token_secret = "${SECRET}"\n[[channel]]\nmatch = "user.*"\nlisten = "token"\n`);
  [site, program, closed] = await Promise.all([startPages(), start("--history-messages", "5000"), start("--config", file)]);
});
after(async () => {
  site?.stop();
  await program?.stop();
  await closed?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const base64 = (text) => Buffer.from(text).toString("base64url");
function jwt(claims) {
  const text = `${base64('{"alg":"HS256"}')}.${base64(JSON.stringify({ exp: Math.floor(Date.now() / 1000) + 600, ...claims }))}`;
  return `${text}.${createHmac("sha256", SECRET).update(text).digest("base64url")}`;
}

/** Listens in a page. `options` are a text where they have functions. */
async function listenIn(page, address, names, options = {}) {
  await page.evaluate(
    ([address, names, options]) => {
      window.heard = [];
      window.told = [];
      const given = typeof options === "string" ? window.eval(`(${options})`) : options;
      window.mx = new window.Multiplexor(`http://${address}`, { retry: { min: 20, max: 200 }, ...given });
      for (const kind of ["state", "gap", "error"]) window.mx.on(kind, (event) => window.told.push({ kind, ...event }));
      window.mx.subscribe(names, ({ data }) => window.heard.push(data));
    },
    [address, names, options],
  );
}

/** A tab that listens; one of those that were left before, if there is one, since a browser takes its time for a new one. */
async function tab({ context, left }, address, names, options) {
  const page = left.pop() ?? (await context.newPage());
  if (page.url() !== site.url) await page.goto(site.url);
  await listenIn(page, address, names, options);
  const told = () => page.evaluate(() => window.told);
  const state = () => page.evaluate(() => window.mx.state);
  return {
    page,
    told,
    state,
    heard: () => page.evaluate(() => window.heard),
    is: (wanted) => until(async () => (await state()) === wanted, `it is ${wanted}`).catch(async (error) => assert.fail(`${error.message}: ${JSON.stringify(await told())}`)),
    hears: (amount) => until(() => page.evaluate((amount) => window.heard.length >= amount, amount), `${amount} are heard`),
  };
}

async function publishNumbers(name, from, to) {
  for (let n = from; n < to; n++) await program.publish(name, String(n));
}

inEachBrowser((launch) => {
  let browser, context;
  const all = { left: [] };
  before(async () => {
    browser = await launch();
    all.context = context = await contextOf(browser);
  });
  after(async () => {
    await context?.close();
    await browser?.close();
  });
  const open = async (...args) => {
    const opened = await tab(all, ...args);
    await opened.is("open");
    return opened;
  };
  const leave = async ({ page }) => {
    await page.evaluate(() => window.mx.close());
    all.left.push(page);
  };
  const leaveAll = (tabs) => Promise.all(tabs.map(leave));

  test("nine tabs with event streams all hear, by one connection, and need no option for it", async () => {
    const name = fresh();
    const tabs = [];
    for (let n = 0; n < 9; n++) tabs.push(await open(program.waitAddress, [name, `${name}.${n}`], { transports: ["sse"] }));
    assert.equal(await program.waiting(name), 1);
    await program.publish(name, "0");
    for (const [n, each] of tabs.entries()) {
      await program.publish(`${name}.${n}`, "1");
      await each.hears(2);
      assert.deepEqual(await each.heard(), [0, 1]);
    }
    await leaveAll(tabs);
    await program.untilWaiting(name, 0);
  });

  test("what the application ends stays so in all tabs, until one tries again", async () => {
    const name = fresh();
    const tabs = [];
    for (let n = 0; n < 3; n++) tabs.push(await open(program.waitAddress, name));
    const id = await tabs[1].page.evaluate(() => window.mx.connection);
    const answer = await fetch(`http://${program.inAddress}/connections/${id}?reason=enough`, { method: "DELETE" });
    assert.deepEqual(await answer.json(), { ended: 1 });
    for (const each of tabs) {
      await each.is("closed");
      const { code, message } = (await each.told()).find(({ kind }) => kind === "error");
      assert.deepEqual([code, message], ["ended", "enough"]);
    }
    assert.equal(await program.waiting(name), 0);
    await tabs[2].page.evaluate(() => window.mx.reconnect());
    for (const each of tabs) await each.is("open");
    await leaveAll(tabs);
  });

  for (const transport of TRANSPORTS) {
    test(`${transport}: each tab begins where it wants to, whenever it came, and then hears all in order`, async () => {
      const name = fresh();
      const other = fresh();
      await publishNumbers(name, 0, 200);
      const only = { transports: [transport] };
      const tabs = [];
      for (const options of [{ tail: 3 }, { since: 0 }]) {
        // The first one holds the connection and knows nothing of the name.
        tabs.push(await open(program.waitAddress, other, { ...only, ...options }));
        tabs.push(await open(program.waitAddress, name, { ...only, ...options }));
        tabs.push(await open(program.waitAddress, name, { ...only, ...options }));
      }
      assert.equal(await program.waiting(name), 2, "those who want the same share");
      await publishNumbers(name, 200, 220);
      for (const [n, each] of tabs.entries()) {
        const expected = n % 3 === 0 ? [] : n < 3 ? numbers(23, 197) : numbers(220);
        await each.hears(expected.length);
        assert.deepEqual(await each.heard(), expected, `tab ${n}`);
      }
      await leaveAll(tabs);
    });
  }

  test("a page that is loaded again goes on where it was, while another tab holds the connection", async () => {
    const name = fresh();
    const options = { resume: "here" };
    const first = await open(program.waitAddress, fresh(), options);
    const second = await open(program.waitAddress, name, options);
    await program.publish(name, "0");
    await second.hears(1);
    await second.page.goto("about:blank");
    await program.untilWaiting(name, 0);
    await publishNumbers(name, 1, 4);
    await second.page.goto(site.url);
    await listenIn(second.page, program.waitAddress, name, options);
    await second.hears(3);
    await second.is("open");
    await program.publish(name, "4");
    await second.hears(4);
    assert.deepEqual(await second.heard(), [1, 2, 3, 4]);
    await leaveAll([first, second]);
  });

  test("a tab that wants what was before opens though each of its polls finds a message, and hears all of them once", async () => {
    for (const begin of ["tail: 3", "since: 0"]) {
      const name = fresh();
      const from = site.published;
      const options = `{ ${begin}, shared: "${name}", fetch: async (...args) => (await fetch("/publish?${name}"), await fetch("/publish?${name}"), fetch(...args)) }`;
      const tabs = [await open(program.waitAddress, name, options), await open(program.waitAddress, name, options), await open(program.waitAddress, name, options)];
      assert.equal(await program.waiting(name), 1);
      await program.publish(name, String(site.published++));
      const last = site.published - 1;
      for (const { page, heard } of tabs) {
        await until(() => page.evaluate((last) => window.heard.includes(last), last), "it hears the last");
        const all = await heard();
        assert.deepEqual(all, numbers(all.length, last + 1 - all.length), "in order, each once");
      }
      if (begin === "since: 0") for (const each of tabs.slice(1)) assert.equal((await each.heard())[0], from);
      await leaveAll(tabs);
    }
  });

  test("open means that a tab's own channels are listened to, whoever holds the connection", async () => {
    const first = await open(program.waitAddress, fresh());
    for (let n = 0; n < 10; n++) {
      const name = fresh();
      const second = await open(program.waitAddress, name);
      await program.publish(name, "1");
      await second.hears(1);
      await leave(second);
    }
    await leave(first);
  });

  test("who holds the connection keeps it, though nobody answered when it asked who does", async () => {
    const name = fresh();
    const proxy = await startProxy(program.waitAddress);
    const first = await open(proxy.address, name);
    await first.page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 4_000)));
    assert.equal(proxy.state.accepted, 1);
    await program.publish(name, "1");
    await first.hears(1);
    await leave(first);
    proxy.stop();
  });

  // Firefox goes on with a page's messages while its script waits for an answer.
  test("tabs that slept while one that knew nothing of them took over hear what they missed", { skip: launch === launchFirefox }, async () => {
    const name = fresh();
    const proxy = await startProxy(program.waitAddress);
    const tabs = [await open(proxy.address, name), await open(proxy.address, name)];
    await program.publish(name, "0");
    for (const each of tabs) await each.hears(1);
    for (const { page } of tabs) {
      await page.evaluate(() => {
        setTimeout(() => {
          const request = new XMLHttpRequest();
          request.open("GET", "/sleep", false);
          request.send();
        });
      });
    }
    await until(() => site.asleep.length === 2, "they sleep");
    proxy.cut();
    await publishNumbers(name, 1, 4);
    const third = await open(proxy.address, name);
    await program.publish(name, "4");
    await third.hears(1);
    site.asleep.splice(0).forEach((response) => response.end());
    for (const each of tabs) await each.hears(5);
    await program.publish(name, "5");
    for (const each of tabs) {
      await each.hears(6);
      assert.deepEqual(await each.heard(), numbers(6));
    }
    assert.deepEqual(await third.heard(), [4, 5]);
    assert.equal(await program.waiting(name), 1);
    await leaveAll([...tabs, third]);
    proxy.stop();
  });

  test("a tab that listens to nothing is idle, and hears again when it wants to", async () => {
    const [name, other] = [fresh(), fresh()];
    const tabs = [await open(program.waitAddress, other), await open(program.waitAddress, name)];
    await tabs[1].page.evaluate((name) => window.mx.unsubscribe(name), name);
    await tabs[1].is("idle");
    await program.untilWaiting(name, 0);
    await tabs[1].page.evaluate((name) => void window.mx.subscribe(name, ({ data }) => window.heard.push(data)), name);
    await tabs[1].is("open");
    await program.publish(name, "1");
    await tabs[1].hears(1);
    await leaveAll(tabs);
  });

  test("tabs share with those of the same address, options and user, and functions where they are named", async () => {
    const cases = [
      [1, {}, {}],
      [1, {}, { shared: true }],
      [2, {}, { shared: false }],
      [2, {}, { silence: 50_000 }],
      [2, {}, { shared: "name" }],
      [1, { shared: "name" }, { shared: "name" }],
      [2, { shared: "name" }, { shared: "other" }],
      [2, {}, {}, "?heartbeat=20"],
      [1, { token: jwt({ sub: "ann", listen: "user.*" }) }, { token: jwt({ sub: "ann", listen: "user.*", aud: undefined, nbf: 0 }) }],
      [2, { token: jwt({ sub: "ann", listen: "user.*" }) }, { token: jwt({ sub: "bob", listen: "user.*" }) }],
      [2, { token: jwt({ listen: "user.*" }) }, { token: jwt({ listen: ["user.*"] }) }],
      [2, "{ token: () => '' }", "{ token: () => '' }"],
      [1, "{ token: () => '', shared: 'ann' }", "{ token: () => '', shared: 'ann' }"],
      [2, "{ headers: () => ({}) }", "{ headers: () => ({}) }"],
    ];
    for (const [n, [connections, one, two, query = ""]] of cases.entries()) {
      const name = fresh();
      const tabs = [await open(closed.waitAddress, name, one), await open(closed.waitAddress + query, name, two)];
      assert.equal(await closed.waiting(name), connections, `case ${n}`);
      await closed.publish(name, "1");
      for (const each of tabs) await each.hears(1);
      await leaveAll(tabs);
    }
  });

  for (const transport of ["ws", "sse"]) {
    test(`${transport}: what one tab may not hear takes nothing from the others, and it alone is told`, async () => {
      const name = fresh();
      const options = { transports: [transport] };
      const tabs = [await open(closed.waitAddress, name, options), await open(closed.waitAddress, [name], options)];
      const refused = await tab(all, closed.waitAddress, "user.x", options);
      await until(async () => (await refused.told()).find(({ code }) => code === "credentials"), "it is told");
      await closed.publish(name, "1");
      for (const each of tabs) {
        await each.hears(1);
        await each.is("open");
        assert.deepEqual((await each.told()).filter(({ kind, state }) => kind === "error" || state === "closed"), []);
      }
      assert.equal(await closed.waiting(name), 1, "the others share on");
      await leaveAll([...tabs, refused]);
    });
  }

  test("sse: who may not hear is found out, also where all came at once, and the others share on", async () => {
    const name = fresh();
    const options = { transports: ["sse"] };
    const names = [name, "user.x", name, [name, fresh()], "user.y", name];
    const tabs = await Promise.all(names.map((names) => tab(all, closed.waitAddress, names, options)));
    for (const [n, each] of tabs.entries()) await each.is(/user/.test(names[n]) ? "closed" : "open");
    await until(async () => (await closed.waiting(name)) === 1, "they share", 5_000);
    await closed.publish(name, "1");
    for (const [n, each] of tabs.entries()) {
      if (/user/.test(names[n])) continue;
      await each.hears(1);
      assert.deepEqual((await each.told()).filter(({ kind, state }) => kind === "error" || state === "closed"), []);
    }
    await leaveAll(tabs);
  });

  test("where the token of the one that holds the connection ends, those with newer ones share on", async () => {
    const name = `user.${fresh()}`;
    const options = (seconds) => ({ transports: ["sse"], token: jwt({ sub: name, listen: name, exp: Math.floor(Date.now() / 1000) + seconds }) });
    const tabs = [];
    for (const seconds of [4, 600, 700]) tabs.push(await open(closed.waitAddress, name, options(seconds)));
    assert.equal(await closed.waiting(name), 1);
    await tabs[0].is("closed");
    await closed.untilWaiting(name, 1);
    await closed.publish(name, "1");
    for (const each of tabs.slice(1)) await each.hears(1);
    assert.equal(await closed.waiting(name), 1);
    assert.deepEqual((await tabs[1].told()).filter(({ kind }) => kind === "error"), []);
    await leaveAll(tabs);
  });

  test("a tab with a token that is good for more hears what the one that holds the connection may not", async () => {
    const [own, other] = [`user.${fresh()}`, `user.${fresh()}`];
    const tabs = [
      await open(closed.waitAddress, own, { token: jwt({ sub: "ann", listen: own }) }),
      await open(closed.waitAddress, other, { token: jwt({ sub: "ann", listen: other }) }),
    ];
    for (const [n, name] of [own, other].entries()) {
      await closed.publish(name, String(n));
      await tabs[n].hears(1);
      assert.deepEqual((await tabs[n].told()).filter(({ kind }) => kind === "error"), []);
    }
    await leaveAll(tabs);
  });

  test("a tab that was refused for good does not keep the door shut for one that comes later", async () => {
    const name = `user.${fresh()}`;
    const first = await tab(all, closed.waitAddress, name, { token: jwt({ sub: "cleo", listen: name, exp: 1 }) });
    await first.is("closed");
    const second = await open(closed.waitAddress, name, { token: jwt({ sub: "cleo", listen: name }) });
    await closed.publish(name, "1");
    await second.hears(1);
    await leaveAll([first, second]);
  });

  test("where the network is cut, all tabs are told, and hear what they missed", async () => {
    const name = fresh();
    const proxy = await startProxy(program.waitAddress);
    const tabs = [];
    for (let n = 0; n < 3; n++) tabs.push(await open(proxy.address, name));
    assert.equal(await program.waiting(name), 1);
    proxy.cut();
    await publishNumbers(name, 0, 50);
    for (const each of tabs) {
      await each.hears(50);
      assert.deepEqual(await each.heard(), numbers(50));
      assert.ok((await each.told()).some(({ state }) => state === "waiting"));
    }
    await leaveAll(tabs);
    proxy.stop();
  });

  test("in a frame without an origin, which may share nothing, it has a connection of its own", async () => {
    const name = fresh();
    const page = await context.newPage();
    await page.goto(site.url);
    await page.evaluate(
      ([script, address, name]) => {
        window.heard = [];
        window.addEventListener("message", ({ data }) => window.heard.push(data));
        const frame = document.createElement("iframe");
        frame.sandbox = "allow-scripts";
        frame.srcdoc = `<script src="${script}"><\/script><script>
          new Multiplexor("http://${address}").subscribe("${name}", ({ data }) => parent.postMessage(data, "*"));<\/script>`;
        document.body.append(frame);
      },
      [`${site.url}multiplexor.js`, program.waitAddress, name],
    );
    await program.untilWaiting(name);
    await program.publish(name, "1");
    await until(() => page.evaluate(() => window.heard.length === 1), "the frame hears");
    await page.close();
  });
});
