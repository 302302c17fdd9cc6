// Debian's Chromium, and a page on a port of its own, so that reading the server is cross-origin.

import http from "node:http";

import { chromium } from "playwright-core";

const EXECUTABLE = process.env.CHROMIUM ?? "/usr/bin/chromium";

export const launch = (...args) => chromium.launch({ executablePath: EXECUTABLE, args: ["--no-sandbox", ...args] });

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
