// What the client's tests share: the client from dist, its sources one by one, a WebSocket for Node, what it heard.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

import { until } from "../../../tests/blackbox/node/program.js";
import { Multiplexor } from "../dist/multiplexor.mjs";

export const HERE = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
export const WebSocket = createRequire(path.resolve(HERE, "../../tests/package.json"))("ws");
export const TRANSPORTS = ["ws", "sse", "poll"];

export const SEED = Number(process.env.MULTIPLEXOR_SEED ?? Math.floor(Math.random() * 2 ** 32));
// The program refuses variables that are named like its own and are none.
delete process.env.MULTIPLEXOR_SEED;

/** A small generator of numbers in [0, 1), the same for the same seed. */
export function chanceOf(seed) {
  let n = seed % 65_536;
  return () => {
    const x = Math.sin(++n) * 10_000;
    return x - Math.floor(x);
  };
}

/** One of the sources, as a module. */
export async function source(name) {
  const { outputFiles } = await build({ entryPoints: [path.join(HERE, "src", `${name}.ts`)], bundle: true, write: false, format: "esm" });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);
}

/** A client that keeps what it hears: `heard` is data, `told` everything else in order. */
export function listen(address, channels, options = {}) {
  const mx = new Multiplexor(`http://${address}`, { WebSocket, retry: { min: 20, max: 100 }, ...options });
  const heard = [];
  const told = [];
  for (const kind of ["state", "gap", "deleted", "deletedMessage", "error"]) mx.on(kind, (event) => told.push({ kind, ...event }));
  mx.subscribe(channels, (message) => heard.push(message.data));
  return {
    mx,
    heard,
    told,
    states: () => told.filter(({ kind }) => kind === "state").map(({ state, transport }) => (transport ? `${state} ${transport}` : state)),
    opens: (transport) => until(() => mx.state === "open" && (!transport || mx.transport === transport), `${transport ?? "it"} is open: ${JSON.stringify(told)}`),
    hears: (count) => until(() => heard.length >= count, `${count} are heard, not ${heard.length}: ${JSON.stringify(told.slice(-5))}`),
    tells: (kind) => until(() => told.find((event) => event.kind === kind), `${kind} is told: ${JSON.stringify(told)}`),
  };
}

export const numbers = (count, from = 0) => Array.from({ length: count }, (_, n) => n + from);

/** Pages that know nothing of others. Chromium's find the files of dist beside the WAIT line, wherever they ask. */
export async function contextOf(browser) {
  if (browser.createBrowserContext) return browser.createBrowserContext();
  const context = await browser.newContext();
  await context.route(/\/multiplexor\.m?js(\?.*)?$/, (route) =>
    route.fulfill({
      body: readFileSync(path.join(HERE, "dist", path.basename(new URL(route.request().url()).pathname))),
      contentType: "text/javascript",
      headers: { "Access-Control-Allow-Origin": "*" },
    }),
  );
  return context;
}
