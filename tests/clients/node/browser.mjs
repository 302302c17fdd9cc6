// Browsers, and libraries made for them, in Debian's browsers. `browser.mjs BROWSER LIBRARY URL COMMAND…`; a library is
// `EventSource`, `WebSocket` or a script of a package.

import { createServer } from "node:http";
import { createRequire } from "node:module";
import path from "node:path";

import puppeteer from "puppeteer-core";

import { say } from "./say.mjs";

const PATHS = { chrome: "/usr/bin/chromium", firefox: "/usr/bin/firefox-esr" };
const SCRIPTS = {
  "sse.js": "sse.js/lib/sse.js",
  "event-source-polyfill": "event-source-polyfill/src/eventsource.js",
  "reconnecting-eventsource": "reconnecting-eventsource/dist/ReconnectingEventSource.min.js",
};
const [name, library, url, ...commands] = process.argv.slice(2);

/** In the page: listens, and tells by the console what it hears. */
function listen(library, url, commands) {
  const say = (...words) => console.log("said", words.map((word) => String(word ?? "").replace(/[\t\r\n]+/g, " ")).join("\t"));
  if (library === "WebSocket") {
    const socket = new WebSocket(url);
    socket.onopen = () => say("open");
    socket.onerror = () => say("error");
    socket.onmessage = ({ data }) => {
      say("message", data.length, data.slice(0, 300));
      commands.forEach((command, n) => data.includes(`say-${n + 1}`) && socket.send(command));
    };
    socket.onclose = ({ code, reason }) => (say("close", code, reason), say("end"));
    return;
  }
  const kinds = { "sse.js": "SSE", "event-source-polyfill": "EventSourcePolyfill", "reconnecting-eventsource": "ReconnectingEventSource" };
  const source = new window[kinds[library] ?? "EventSource"](url);
  source.addEventListener("open", () => say("open"));
  source.addEventListener("message", ({ lastEventId, id, data }) => say("event", "message", lastEventId ?? id, data.length, data.slice(0, 300)));
  source.addEventListener("error", () => {
    say("error");
    // Its state follows the event. What makes a new EventSource is never at its end.
    setTimeout(() => source.readyState === 2 && library !== "reconnecting-eventsource" && say("end"), 100);
  });
}

const site = createServer((request, response) => response.setHeader("Content-Type", "text/html").end("<!doctype html><title>client</title>"));
await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));
const browser = await puppeteer.launch({ browser: name, executablePath: PATHS[name], args: name === "chrome" ? ["--no-sandbox"] : [] });
const end = async () => (await browser.close(), process.exit());
process.on("SIGTERM", end);
const page = await browser.newPage();
page.on("console", (told) => told.text().startsWith("said ") && console.log(told.text().slice(5)));
page.on("pageerror", (thrown) => say("thrown", thrown.message));
await page.goto(`http://127.0.0.1:${site.address().port}/`);
if (SCRIPTS[library]) {
  const file = path.join(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), "node_modules", SCRIPTS[library]);
  // sse.js is a module, which gives its class.
  if (library === "sse.js") {
    const { readFileSync } = createRequire(import.meta.url)("node:fs");
    await page.addScriptTag({ type: "module", content: readFileSync(file, "utf8") + ";window.SSE = SSE; window.isThere = true;" });
    await page.waitForFunction("window.isThere");
  } else await page.addScriptTag({ path: file });
}
await page.evaluate(listen, library, url, commands);
