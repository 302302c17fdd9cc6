// The page of `multiplexor bench --html` in Chromium: alone, in both themes, on a desk and on a telephone.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";

import { launch } from "./browser.js";
import { binary } from "./program.js";

let browser, folder, file;

before(async () => {
  browser = await launch();
  folder = await fs.mkdtemp(path.join(os.tmpdir(), "bench-"));
  file = path.join(folder, "page.html");
  const words = ["bench", "join=30", "send=20@50", "send=5", "--self", "--settle", "0.2", "--html", file];
  await promisify(execFile)(binary(), words);
});

after(async () => {
  await browser.close();
  await fs.rm(folder, { recursive: true });
});

async function open(colorScheme, width) {
  const page = await browser.newPage({ colorScheme, viewport: { width, height: 900 } });
  const seen = { asked: [], said: [] };
  page.on("request", (request) => seen.asked.push(request.url()));
  page.on("console", (message) => seen.said.push(message.text()));
  await page.goto(`file://${file}`);
  return { page, seen };
}

test("it asks for nothing, and says how the run went", async () => {
  const { page, seen } = await open("light", 1200);
  assert.deepEqual(seen, { asked: [`file://${file}`], said: [] });
  assert.match(await page.textContent(".verdict"), /Nothing is missing: 750 messages/);
  assert.deepEqual(await page.locator("h2").allTextContents(), [
    "Latency by percentile",
    "Deliveries, a second",
    "Connections",
    "Memory of the server, MiB",
    "CPU of the server, cores",
    "Step by step",
  ]);
  assert.equal(await page.locator("svg path.line").count(), 6);
  await page.close();
});

test("it is dark where people like it dark, and readable in both", async () => {
  const shades = [];
  for (const scheme of ["light", "dark"]) {
    const { page } = await open(scheme, 1200);
    shades.push(
      await page.evaluate(() => {
        const brightness = (color) => {
          const [r, g, b] = color.match(/[\d.]+/g).map(Number);
          return (r * 299 + g * 587 + b * 114) / 255_000;
        };
        const { backgroundColor, color } = getComputedStyle(document.body);
        const tick = getComputedStyle(document.querySelector("svg .tick")).fill;
        return [backgroundColor, color, tick].map(brightness);
      }),
    );
    await page.close();
  }
  const [[lightGround, darkInk, darkTick], [darkGround, lightInk, lightTick]] = shades;
  assert.ok(lightGround - darkInk > 0.7 && lightInk - darkGround > 0.7, JSON.stringify(shades));
  assert.ok(lightGround - darkTick > 0.4 && lightTick - darkGround > 0.4, JSON.stringify(shades));
});

test("it fits a telephone", async () => {
  const { page } = await open("light", 390);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= 390, `it is ${wide} wide`);
  await page.close();
});
