// Signing in with an API key, in Chromium and Firefox: the demo asks for it, works by it, and says what the key may not.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { inEachBrowser, startSite } from "./browser.js";
import { startWithKeys, until } from "./program.js";

const pathOf = (page) => page.evaluate(() => location.pathname + location.search).catch(() => "");
const goesTo = (page, path) => until(async () => (await pathOf(page)) === path, `it goes to ${path}`);
const text = (page, selector) =>
  page.evaluate((selector) => document.querySelector(selector)?.textContent ?? "", selector).catch(() => "");
const count = (page, selector) => page.evaluate((selector) => document.querySelectorAll(selector).length, selector);
const says = (page, selector, words) => until(async () => words.test(await text(page, selector)), `${selector} says ${words}`);
const click = (page, selector) => page.evaluate((selector) => document.querySelector(selector).click(), selector);

async function show(page, key) {
  await until(() => page.evaluate(() => document.activeElement?.id === "key").catch(() => false), "one can type at once");
  await page.evaluate((key) => {
    document.getElementById("key").value = key;
    document.querySelector("#sign-in button").click();
  }, key);
}

inEachBrowser((launch) => {
  let program, browser, page;

  before(async () => {
    program = await startWithKeys({ boss: "", shop: 'may = ["publish"]\nmatch = ["news"]' });
    browser = await launch();
    page = await browser.newPage();
  });
  after(async () => {
    await browser?.close();
    await program?.stop();
  });

  const at = (path) => `http://${program.inAddress}${path}`;

  const stats = async () => {
    const answer = await fetch(at("/stats"), { headers: { Authorization: `Bearer ${program.keys.boss}` } });
    return answer.json();
  };

  const openDemo = async (key) => {
    await page.goto(at("/demo"));
    await goesTo(page, "/sign-in?next=/demo");
    await show(page, key);
    await goesTo(page, "/demo");
    await until(() => count(page, '[data-state="open"]').then((open) => open === 3, () => false), "three are connected");
    // One that polls is connected, and for a moment between two polls it waits on nothing.
    await until(async () => (await stats()).subscriptions === 5, "all channels are waited on");
  };

  test("a wrong key is refused in words, and whoever hears the page is told", async () => {
    await page.goto(at("/sign-in"));
    await show(page, "mpx_wrong");
    await says(page, "#fault[role=alert]", /does not know this key/);
    assert.equal(await page.evaluate(() => document.activeElement.getAttribute("aria-invalid")), "true");
    assert.equal(await page.evaluate(() => document.cookie), "");
  });

  test("the demo asks who one is, then shows what is sent and who is online, until one signs out", async () => {
    await openDemo(program.keys.boss);
    await says(page, "#who", /“boss”: .*publish.* on all channels/);
    await click(page, "#send button");
    await says(page, "#told", /^Sent to news: 2 waiting/);
    await until(async () => (await count(page, ".log li")) === 2, "both that listen show it");
    await until(async () => (await count(page, ".online")) === 3, "the lights are on");
    assert.equal(await page.evaluate(() => document.cookie), "", "no script reads the cookie");

    await page.goto(at("/sign-in?next=//evil.example/"));
    await says(page, "#words", /Signed in with the API key “boss” until .* on all channels/);
    await page.goto(at("/demo"));
    await says(page, "#who", /“boss”/);
    await click(page, "#who button");
    await goesTo(page, "/sign-in?next=/demo");
    assert.equal(await page.evaluate(() => fetch("/channels").then(({ status }) => status)), 401);
  });

  test("a key that may little says so, and does what it may", async () => {
    await openDemo(program.keys.shop);
    await says(page, "#who", /“shop”: publish on news\. It may not ask who is online.*It may not read history/);
    await click(page, "#send button");
    await says(page, "#told", /^Sent to news: 2 waiting/);
    await until(async () => (await count(page, ".log li")) === 2, "both that listen show it");
    assert.equal(await count(page, ".online"), 0);
    await click(page, '#to input[value="lobby"]');
    await click(page, "#send button");
    await says(page, "#told.bad", /"shop" has no right to publish for channel "lobby"/);
  });

  test("a page of another origin does nothing by the sign-in, though it is of the same host", async () => {
    const other = await startSite();
    const before = await stats();
    await page.goto(other.url);
    const tried = await page.evaluate(async (url) => {
      const options = { method: "POST", body: "x", credentials: "include" };
      const whole = await fetch(`${url}/pub/news`, options).then(() => "read", () => "not read");
      await fetch(`${url}/pub/news`, { ...options, mode: "no-cors" });
      await fetch(`${url}/sign-out`, { ...options, mode: "no-cors" });
      const form = Object.assign(document.createElement("form"), { method: "POST", action: `${url}/pub/news`, target: "frame" });
      const frame = Object.assign(document.createElement("iframe"), { name: "frame" });
      document.body.append(form, frame);
      form.submit();
      // Firefox refuses to go elsewhere while a frame does.
      while (frame.contentDocument) await new Promise((done) => setTimeout(done, 10));
      return whole;
    }, at(""));
    assert.equal(tried, "not read");
    await until(async () => (await stats()).in.refused.origin === (before.in.refused.origin ?? 0) + 4, "all four are refused");
    assert.equal((await stats()).published, before.published);
    await page.goto(at("/sign-in"));
    await says(page, "#words", /Signed in with the API key “shop”/);
    other.stop();
  });
});
