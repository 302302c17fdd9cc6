// The client in Chromium and Firefox: as a script and as a module, cut off, offline, asleep, over page loads, in
// several tabs.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { inEachBrowser, launch, startSite } from "../../../tests/blackbox/node/browser.js";
import { start, until } from "../../../tests/blackbox/node/program.js";
import { startProxy } from "../../../tests/blackbox/node/proxy.js";
import { TRANSPORTS, contextOf, numbers } from "./harness.mjs";

let site, program;
let count = 0;
const fresh = () => `page.${++count}`;

before(async () => {
  [site, program] = await Promise.all([startSite(), start("--history-messages", "5000")]);
});
after(async () => {
  site?.stop();
  await program?.stop();
});

/** A page that loads the script from `address` and listens; `heard` and `told` are kept in the page. */
async function tab(context, address, channels, options = {}) {
  const page = await context.newPage();
  await page.goto(site.url);
  await listenIn(page, address, channels, options);
  return {
    page,
    state: () => page.evaluate(() => window.mx.state),
    opens: () => until(() => page.evaluate(() => window.mx.state === "open"), "it is open"),
    told: () => page.evaluate(() => window.told),
    heard: () => page.evaluate(() => window.heard),
    hears: (amount) => until(() => page.evaluate((amount) => window.heard.length >= amount, amount), `${amount} are heard`),
  };
}

async function listenIn(page, address, channels, options) {
  await page.addScriptTag({ url: `http://${address}/multiplexor.js` });
  await page.evaluate(
    ([channels, options]) => {
      window.heard = [];
      window.told = [];
      window.mx = new window.Multiplexor(undefined, { retry: { min: 20, max: 200 }, ...options });
      for (const kind of ["state", "gap", "error"]) window.mx.on(kind, (event) => window.told.push({ kind, ...event }));
      window.mx.subscribe(channels, ({ data }) => window.heard.push(data));
    },
    [channels, options],
  );
}

async function publishNumbers(name, from, to) {
  for (let n = from; n < to; n++) await program.publish(name, String(n));
}

inEachBrowser((launch) => {
  let browser;
  before(async () => (browser = await launch()));
  after(() => browser?.close());
  const newContext = () => contextOf(browser);

  for (const transport of TRANSPORTS) {
    test(`${transport}: cut off again and again, a page hears all, once and in order`, async () => {
      const name = fresh();
      const proxy = await startProxy(program.waitAddress);
      const context = await newContext();
      const client = await tab(context, proxy.address, name, { transports: [transport] });
      await client.opens();
      for (let n = 0; n < 200; n += 40) {
        await publishNumbers(name, n, n + 40);
        proxy.cut();
      }
      await client.hears(200);
      assert.deepEqual(await client.heard(), numbers(200));
      await context.close();
      proxy.stop();
    });
  }

  test("the next page load goes on where the last one was", async () => {
    const name = fresh();
    const context = await newContext();
    const client = await tab(context, program.waitAddress, name, { resume: "here" });
    await client.opens();
    await publishNumbers(name, 0, 2);
    await client.hears(2);
    await client.page.goto("about:blank");
    await program.untilWaiting(name, 0);
    await publishNumbers(name, 2, 5);
    await client.page.goto(site.url);
    await listenIn(client.page, program.waitAddress, name, { resume: "here" });
    await client.hears(3);
    assert.deepEqual(await client.heard(), [2, 3, 4]);
    await context.close();
  });

  test("two tabs share one connection, and when its tab goes the other takes over without a loss", async () => {
    const [name, other] = [fresh(), fresh()];
    const context = await newContext();
    const first = await tab(context, program.waitAddress, name, { shared: true });
    await first.opens();
    const second = await tab(context, program.waitAddress, [name, other], { shared: true });
    await second.opens();
    const third = await tab(context, program.waitAddress, name, { shared: true });
    await third.opens();
    await program.untilWaiting(other);
    assert.equal(await program.waiting(name), 1, "one connection for all");
    await publishNumbers(name, 0, 5);
    await program.publish(other, '"other"');
    await first.hears(5);
    await second.hears(6);
    const more = publishNumbers(name, 5, 100);
    await first.page.close();
    await more;
    await second.hears(101);
    await third.hears(100);
    assert.deepEqual((await second.heard()).filter((data) => data !== "other"), numbers(100));
    assert.deepEqual(await third.heard(), numbers(100));
    await until(async () => (await program.waiting(name)) === 1, "one connection again");
    await second.page.evaluate(() => window.mx.close());
    await program.publish(name, "100");
    await third.hears(101);
    await program.untilWaiting(other, 0);
    assert.deepEqual(await third.heard(), numbers(101));
    await context.close();
  });

  test("a tab that closes no longer counts, and a tab that sleeps loses the lead", async () => {
    const [name, gone] = [fresh(), fresh()];
    const context = await newContext();
    const first = await tab(context, program.waitAddress, name, { shared: "group", silence: 1000 });
    await first.opens();
    const second = await tab(context, program.waitAddress, gone, { shared: "group", silence: 1000 });
    await program.untilWaiting(gone);
    await second.page.close();
    await program.untilWaiting(gone, 0);
    const third = await tab(context, program.waitAddress, name, { shared: "group", silence: 1000 });
    await third.opens();
    // The first tab holds the lock and answers no more.
    await first.page.evaluate(() => (window.BroadcastChannel.prototype.postMessage = () => {}));
    await until(async () => (await third.told()).some(({ state }) => state === "connecting"), "the third takes the lead");
    await program.publish(name, "1");
    await third.hears(1);
    await context.close();
  });
});

describe("in Chromium", () => {
  let browser;
  before(async () => (browser = await launch()));
  after(() => browser?.close());
  const newContext = () => contextOf(browser);

  test("a script listens where it was loaded from, and so does a module", async () => {
    const name = fresh();
    const context = await newContext();
    const script = await tab(context, program.waitAddress, name, { shared: false });
    const page = await context.newPage();
    await page.goto(site.url);
    await page.evaluate(
      async ([url, name]) => {
        const { Multiplexor } = await import(url);
        window.heard = [];
        window.mx = new Multiplexor();
        window.mx.subscribe(name, ({ data }) => window.heard.push(data));
      },
      [`http://${program.waitAddress}/multiplexor.mjs`, name],
    );
    await program.untilWaiting(name, 2);
    await program.publish(name, "hello");
    await script.hears(1);
    await until(() => page.evaluate(() => window.heard.length === 1), "the module hears");
    assert.equal(await page.evaluate(() => window.mx.transport), "ws");
    await context.close();
  });

  test("headers of a page's own reach the server of another origin", async () => {
    const name = fresh();
    const context = await newContext();
    const client = await tab(context, program.waitAddress, name, { transports: ["sse"], headers: { "X-Key": "k" } });
    await client.opens();
    await context.close();
  });

  test("it says so when the browser is offline, and is back at once when it is online", async () => {
    const name = fresh();
    const context = await newContext();
    const client = await tab(context, program.waitAddress, name, { retry: { min: 600_000, max: 600_000 } });
    await client.opens();
    await context.setOffline(true);
    await until(async () => (await client.told()).find(({ reason }) => reason === "the browser is offline"), "it says so");
    assert.equal(await client.state(), "waiting");
    await program.untilWaiting(name, 0);
    await publishNumbers(name, 0, 3);
    await context.setOffline(false);
    await client.hears(3);
    assert.deepEqual(await client.heard(), numbers(3));
    await context.close();
  });

  test("a page that was put to sleep hears what it missed", async () => {
    const name = fresh();
    const proxy = await startProxy(program.waitAddress);
    const context = await newContext();
    const client = await tab(context, proxy.address, name, { transports: ["sse"] });
    await client.opens();
    const session = await context.newCDPSession(client.page);
    await session.send("Page.setWebLifecycleState", { state: "frozen" });
    proxy.cut();
    await program.untilWaiting(name, 0);
    await publishNumbers(name, 0, 3);
    await session.send("Page.setWebLifecycleState", { state: "active" });
    await client.hears(3);
    assert.deepEqual(await client.heard(), numbers(3));
    await context.close();
    proxy.stop();
  });
});
