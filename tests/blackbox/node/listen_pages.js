// Pages in Chromium that hear a long text over connections that are cut off at random, for test_real_input.py.
// In: {"address", "seed", "clients": [{"transport", "names", "total"}…]}. Out: what each heard, and the cuts.

import { text } from "node:stream/consumers";

import { launch, startSite } from "./browser.js";
import { until } from "./program.js";
import { startProxy } from "./proxy.js";

const PATIENCE_MS = 240_000 * Number(process.env.MULTIPLEXOR_ROUNDS || 1);
delete process.env.MULTIPLEXOR_ROUNDS; // The program would not know it.
// A page comes back a second or more after a cut, so cuts are rarer than elsewhere.
const BYTES_TO_CUT = 250_000;

/** A small generator of numbers in [0, 1), the same for the same seed (mulberry32). */
function chanceOf(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function listenInPage({ address, transport, names }) {
  window.heard = [];
  window.faults = [];
  const path = `${address}/sub/${names.map(encodeURIComponent).join(",")}`;
  if (transport === "sse" || transport === "bare") {
    const query = transport === "bare" ? "raw=1" : "envelope=1";
    const source = new EventSource(`http://${path}?since=0&${query}`);
    source.addEventListener("gap", () => window.faults.push("gap"));
    source.onerror = () => source.readyState === EventSource.CLOSED && window.faults.push("gave up");
    source.onmessage = (event) => {
      if (transport === "bare") {
        window.heard.push([event.lastEventId, null, event.data]);
        return;
      }
      const item = JSON.parse(event.data);
      window.heard.push([event.lastEventId, item.channels ?? [item.channel], item.data]);
    };
    return;
  }
  let cursor = "0";
  const connect = () => {
    const socket = new WebSocket(`ws://${path}?since=${cursor}`);
    socket.onmessage = (event) => {
      const item = JSON.parse(event.data);
      if (item.gap) window.faults.push("gap");
      if (item.cursor) cursor = item.cursor;
      if ("data" in item) window.heard.push([item.cursor, item.channels ?? [item.channel], item.data]);
    };
    socket.onclose = () => setTimeout(connect, 50);
  };
  connect();
}

async function hear(browser, site, address, client, seed) {
  const chance = chanceOf(seed);
  const proxy = await startProxy(address);
  proxy.state.onBytes = (pair, data) => {
    if (pair.limit === undefined) {
      // The head comes whole or not at all: half a head ends in headers that look complete to a browser.
      pair.limit = data.length + (chance() < 0.1 ? chance() * 300 : -Math.log(1 - chance()) * BYTES_TO_CUT);
      return chance() < 0.1 ? 0 : data.length;
    }
    return Math.max(0, Math.floor(Math.min(data.length, pair.limit - (pair.bytes - data.length))));
  };
  const page = await browser.newPage();
  await page.goto(site.url);
  await page.evaluate(listenInPage, { ...client, address: proxy.address });
  const count = () => page.evaluate(() => [window.heard.length, window.faults.length]);
  await until(
    async () => {
      const [heard, faults] = await count();
      await new Promise((resolve) => setTimeout(resolve, 250));
      return heard >= client.total || faults > 0;
    },
    `a page hears all of ${client.names} by ${client.transport}`,
    PATIENCE_MS,
  );
  const [heard, faults] = await page.evaluate(() => [window.heard, window.faults]);
  const cuts = proxy.state.cuts;
  await page.close();
  proxy.stop();
  return { heard, faults, cuts };
}

const { address, seed, clients } = JSON.parse(await text(process.stdin));
const [browser, site] = await Promise.all([launch(), startSite()]);
try {
  const results = await Promise.all(clients.map((client, n) => hear(browser, site, address, client, seed + n)));
  process.stdout.write(JSON.stringify(results));
} finally {
  await browser.close();
  site.stop();
}
