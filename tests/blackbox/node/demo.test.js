// The demo of the IN line in Chromium: send, listen, change the way, cut off, catch up, lights.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { launch } from "./browser.js";
import { start, until } from "./program.js";

let browser, program, page, faults;

before(async () => {
  [browser, program] = await Promise.all([launch(), start("--grace", "300ms", "--history-messages", "20")]);
});

after(async () => {
  await browser?.close();
  await program?.stop();
});

beforeEach(async () => {
  page = await browser.newPage();
  faults = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
  await page.goto(`http://${program.inAddress}/demo`);
  for (const number of [1, 2, 3]) await isOpen(number);
});

afterEach(async () => {
  await page.close();
  assert.deepEqual(faults, []);
  // The next page begins where nobody waits any more.
  await until(async () => {
    const { channels } = await (await fetch(`http://${program.inAddress}/channels`)).json();
    return channels.length === 0;
  }, "nobody is online");
});

const of = (number) => page.getByRole("region", { name: `Browser ${number}`, exact: true });

const isOpen = (number) => until(() => of(number).getByText("connected").isVisible(), `Browser ${number} is connected`);

/** What a window shows, without the times. */
const shown = (number) =>
  of(number)
    .locator(".log li")
    .evaluateAll((lines) => lines.map((line) => [...line.querySelectorAll("span")].map((part) => part.textContent).join(": ") || line.textContent));

async function shows(number, expected) {
  let said;
  const isSo = async () => JSON.stringify((said = await shown(number))) === JSON.stringify(expected);
  await until(isSo, `Browser ${number} shows ${expected}`).catch(() => assert.deepEqual(said, expected));
}

async function send(text, names, times = "1") {
  for (const box of await page.locator("#to input[type=checkbox]").all()) {
    await box.setChecked(names.includes(await box.inputValue()));
  }
  await page.getByLabel("Message", { exact: true }).fill(text);
  await page.getByLabel("How often").selectOption(times);
  await page.evaluate(() => (document.getElementById("told").textContent = ""));
  await page.getByRole("button", { name: "Send" }).click();
  await until(() => page.locator("#told").textContent(), "it says what became of it");
  return page.locator("#told").textContent();
}

const isOnline = (name, online) =>
  until(
    async () => (await page.locator("#to label", { hasText: name }).getAttribute("class")).includes("online") === online,
    `${name} is ${online ? "online" : "offline"}`,
  );

test("what is sent to one channel or several is at once where somebody listens, once", async () => {
  assert.equal(await send("one", ["news"]), "Sent to news: 2 waiting");
  await send("two", ["lobby"]);
  await send("three", ["news", "lobby"]);
  await shows(1, ["news: one", "lobby: two", "news, lobby: three"]);
  await shows(2, ["lobby: two", "lobby: three"]);
  await shows(3, ["news: one", "news: three"]);
  assert.equal(await send("four", []), "Choose a channel to send to");
  await send("<b>bold</b> & ünïcödé", ["prices"]);
  await shows(3, ["news: one", "news: three", "prices: <b>bold</b> & ünïcödé"]);
});

test("what somebody else publishes is shown, too", async () => {
  await program.publish("prices", '{"EUR": 17}', "");
  await shows(3, ['prices: {"EUR":17}']);
});

test("channels are added and taken away while it is connected, by any transport", async () => {
  for (const number of [1, 2, 3]) {
    const field = of(number).getByLabel(`Add a channel to Browser ${number}`);
    await field.fill("extra one");
    await field.press("Enter");
    await program.untilWaiting("extra one", number);
  }
  await send("hello", ["extra one"]);
  for (const number of [1, 2, 3]) await shows(number, ["extra one: hello"]);
  for (const number of [1, 2, 3]) {
    await of(number).getByLabel(`Browser ${number}: stop listening to extra one`).click();
    await program.untilWaiting("extra one", 3 - number);
  }
  assert.equal(await send("nobody hears it", ["extra one"]), "Sent to extra one: nobody waiting");
  await send("still here", ["news"]);
  await shows(1, ["extra one: hello", "news: still here"]);
});

test("a name that cannot be is refused where it is typed", async () => {
  const field = of(1).getByLabel("Add a channel to Browser 1");
  await field.fill("$secret");
  await field.press("Enter");
  assert.ok(await field.evaluate((input) => !input.validity.valid));
  assert.equal(await of(1).locator(".chip").count(), 2);
});

test("the transport changes without a loss", async () => {
  await send("before", ["lobby"]);
  await shows(2, ["lobby: before"]);
  for (const [n, way] of ["Long poll", "WebSocket", "SSE"].entries()) {
    await of(2).getByRole("radio", { name: way }).check();
    await send(`by ${way}`, ["lobby"]);
    await isOpen(2);
    await shows(2, ["lobby: before", "lobby: by Long poll", "lobby: by WebSocket", "lobby: by SSE"].slice(0, n + 2));
  }
});

test("one that was cut off comes back and catches up, by any transport", async () => {
  for (const [number, name] of [[1, "news"], [2, "lobby"], [3, "prices"]]) {
    await send("heard", [name]);
    await until(async () => (await shown(number)).at(-1) === `${name}: heard`, "it is heard");
    await of(number).getByRole("button", { name: "Cut off" }).click();
    assert.ok(await of(number).getByText("cut off").isVisible());
    await send("missed", [name]);
    await send("missed, too", [name]);
    await of(number).getByRole("button", { name: "Come back" }).click();
    await until(() => of(number).getByText("Caught up on 2 messages").isVisible(), "it tells what it caught up");
    await send("live", [name]);
    await until(async () => (await shown(number)).at(-1) === `${name}: live`, "it hears what is live");
    const caught = await of(number).locator(".caught span:last-of-type").allTextContents();
    assert.deepEqual(caught, ["missed", "missed, too"]);
    const own = (await shown(number)).filter((line) => line.startsWith(name));
    assert.deepEqual(own.slice(-4), ["heard", "missed", "missed, too", "live"].map((text) => `${name}: ${text}`));
  }
});

test("one that missed more than history holds is told so", async () => {
  await send("heard", ["news"]);
  await shows(1, ["news: heard"]);
  await of(1).getByRole("button", { name: "Cut off" }).click();
  // The other browser polls: at the last message it may be between two polls.
  assert.match(await send("much", ["news"], "50"), /^Sent 50 times to news: (1|nobody) waiting$/);
  await of(1).getByRole("button", { name: "Come back" }).click();
  await until(async () => (await shown(1)).length === 22, "history comes");
  assert.deepEqual((await shown(1)).slice(0, 3), ["news: heard", "Some messages are gone from history", "news: much 31"]);
  assert.ok(await of(1).getByText("Caught up on 20 messages").isVisible());
});

test("lights tell who is online", async () => {
  for (const name of ["news", "lobby", "prices"]) await isOnline(name, true);
  await of(3).getByRole("button", { name: "Cut off" }).click();
  await isOnline("prices", false);
  await isOnline("news", true);
  await of(3).getByRole("button", { name: "Come back" }).click();
  await isOnline("prices", true);
});

test("browsers are added and removed, as many as a browser can hold", async () => {
  const more = page.getByRole("button", { name: "Add a browser" });
  for (const number of [4, 5, 6]) {
    await more.click();
    await isOpen(number);
  }
  assert.ok(await more.isDisabled());
  await page.getByRole("button", { name: "Remove Browser 1" }).click();
  await program.untilWaiting("news", 4);
  assert.ok(await more.isEnabled());
  await send("hello", ["news"]);
  for (const number of [3, 4, 5, 6]) await shows(number, ["news: hello"]);
});

test("all can be done with the keyboard alone", async () => {
  await page.getByLabel("Message", { exact: true }).focus();
  await page.keyboard.press("End");
  await page.keyboard.type(" there");
  await page.keyboard.press("Enter");
  await shows(1, ["news: Hello there"]);
  await of(2).getByRole("radio", { name: "SSE" }).focus();
  await page.keyboard.press("ArrowRight");
  assert.ok(await of(2).getByRole("radio", { name: "Long poll" }).isChecked());
  await send("by poll", ["lobby"]);
  await shows(2, ["lobby: by poll"]);
  await of(2).getByRole("button", { name: "Cut off" }).focus();
  await page.keyboard.press("Enter");
  await until(() => of(2).getByText("cut off").isVisible(), "it is cut off");
});

test("it needs nothing from outside, and fits a phone", async () => {
  const asked = new Set();
  page.on("request", (request) => asked.add(new URL(request.url()).host));
  await page.setViewportSize({ width: 360, height: 740 });
  await page.reload();
  for (const number of [1, 2, 3]) await isOpen(number);
  assert.deepEqual([...asked].sort(), [program.inAddress, program.waitAddress].sort());
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
});
