// The pages for everybody: contrast, names and roles on a phone and a wide screen, light and dark, by axe; and in Firefox.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";

import { launch, launchFirefox } from "./browser.js";
import { start, startWithKeys, until } from "./program.js";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

let program, keyed;
before(async () => {
  [program, keyed] = await Promise.all([start(), startWithKeys({ shop: 'may = ["publish"]' })]);
});
after(async () => {
  await program?.stop();
  await keyed?.stop();
});

const text = (page, id) => page.evaluate((id) => document.getElementById(id).textContent, id);
const verdict = (page, words) => until(async () => words.test(await text(page, "verdict")), `the verdict is ${words}`);
const connected = (page, count) =>
  until(
    async () => (await page.evaluate(() => document.querySelectorAll('[data-state="open"]').length)) === count,
    `${count} are connected`,
  );

/** What axe finds on the page as it is. */
async function faults(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate((values) => window.axe.run({ runOnly: values }), RULES);
  return violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id} ${target}: ${failureSummary}`));
}

describe("for everybody", () => {
  let browser;
  before(async () => (browser = await launch()));
  after(() => browser?.close());

  for (const colorScheme of ["light", "dark"]) {
    for (const width of [390, 1280]) {
      test(`${colorScheme}, ${width} wide: axe finds no fault`, async () => {
        const context = await browser.newContext({
          viewport: { width, height: 900 },
          colorScheme,
          reducedMotion: "reduce",
          bypassCSP: true,
        });
        const page = await context.newPage();
        await page.goto(`http://${program.waitAddress}/`);
        await verdict(page, /^All four/);
        assert.deepEqual(await faults(page), [], "the front page, where all work");
        await page.fill("#address", "http://127.0.0.1:1/");
        await page.click("#check button");
        await verdict(page, /^None/);
        assert.deepEqual(await faults(page), [], "where none works");

        await page.goto(`http://${program.inAddress}/`);
        assert.deepEqual(await faults(page), [], "the front page of the IN line");

        await page.goto(`http://${program.inAddress}/demo`);
        await connected(page, 3);
        await page.getByRole("button", { name: "Send" }).click();
        await until(async () => /^Sent/.test(await text(page, "told")), "it is sent");
        await page.getByRole("button", { name: "Cut off" }).last().click();
        await connected(page, 2);
        assert.deepEqual(await faults(page), [], "the demo, with one cut off");

        await page.goto(`http://${keyed.inAddress}/sign-in`);
        await page.fill("#key", "wrong");
        await page.keyboard.press("Enter");
        await until(() => text(page, "fault"), "the key is refused");
        assert.deepEqual(await faults(page), [], "where one signs in, refused");
        await page.fill("#key", keyed.keys.shop);
        await page.keyboard.press("Enter");
        await until(() => page.locator("#sign-out").isVisible(), "it says who is signed in");
        assert.deepEqual(await faults(page), [], "where one signs in, signed in");
        await page.goto(`http://${keyed.inAddress}/demo`);
        await connected(page, 3);
        assert.deepEqual(await faults(page), [], "the demo of somebody who signed in");
        await context.close();
      });
    }
  }
});

test("in Firefox all four ways work, and the demo shows what is sent", async () => {
  const browser = await launchFirefox();
  const page = await browser.newPage();
  await page.goto(`http://${program.waitAddress}/`);
  await verdict(page, /^All four/);
  await page.goto(`http://${program.inAddress}/demo`);
  await connected(page, 3);
  await page.evaluate(() => document.querySelector("#send button").click());
  const shown = () => page.evaluate(() => [...document.querySelectorAll(".log li span:last-of-type")].map((span) => span.textContent));
  await until(async () => (await shown()).length === 2, "both that listen to news show it");
  assert.deepEqual(await shown(), ["Hello", "Hello"]);
  await until(() => page.evaluate(() => document.querySelectorAll(".online").length === 3), "the lights are on");
  await browser.close();
});
