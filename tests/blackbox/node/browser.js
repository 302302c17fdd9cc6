// Debian's browsers, and a page on a port of its own, so that reading the server is cross-origin.

import http from "node:http";
import { describe } from "node:test";

import { chromium } from "playwright-core";
import puppeteer from "puppeteer-core";

import { until } from "./program.js";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const FIREFOX = process.env.FIREFOX ?? "/usr/bin/firefox-esr";

export const launch = (...args) => chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", ...args] });

/** By WebDriver BiDi; of pages both libraries know `goto`, `evaluate`, `addScriptTag` and `close`. */
export const launchFirefox = () => puppeteer.launch({ browser: "firefox", executablePath: FIREFOX });

/** Declares the same tests for each browser; they run side by side, since they mostly wait. */
export function inEachBrowser(declare) {
  describe("in each browser", { concurrency: 2 }, () => {
    describe("Chromium", { concurrency: 1 }, () => declare(launch));
    describe("Firefox", { concurrency: 1 }, () => declare(launchFirefox));
  });
}

const EMPTY = "<!doctype html><meta charset=utf-8><title>test</title><p>test";

/** Serves one page. */
export function startSite(page = EMPTY) {
  const server = http.createServer((request, response) => {
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    response.end(page);
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      resolve({
        url: `http://127.0.0.1:${server.address().port}/`,
        stop: () => {
          server.closeAllConnections();
          server.close();
        },
      });
    });
  });
}

/**
 * A page that listens to a URL: by a bare WebSocket, or a bare EventSource and these events besides. What it hears
 * stands in its `heard`, what it hears by in its `source`.
 */
export async function listenBare(browser, site, url, events = []) {
  const page = await browser.newPage();
  await page.goto(site.url);
  await page.evaluate(
    ({ url, events }) => {
      window.heard = [];
      window.opens = 0;
      window.source = url.startsWith("ws") ? new WebSocket(url) : new EventSource(url);
      window.source.onopen = () => (window.opens += 1);
      window.source.onmessage = ({ data }) => window.heard.push(data);
      for (const kind of events) window.source.addEventListener(kind, ({ data }) => window.heard.push(`${kind}: ${data}`));
    },
    { url, events },
  );
  const opens = () => page.evaluate(() => window.opens);
  await until(async () => (await opens()) === 1, "the page listens");
  return {
    page,
    opens,
    heard: () => page.evaluate(() => window.heard),
    hears: (count) => until(async () => (await page.evaluate(() => window.heard.length)) >= count, `${count} are heard`, 60_000),
    end: async () => {
      await page.evaluate(() => window.source.close());
      await page.close();
    },
  };
}
