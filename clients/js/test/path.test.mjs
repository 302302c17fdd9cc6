// Behind a path: from the address of the script as well as given, with a proxy that takes the path off and with
// `wait_prefix`; and by the snippet of the front page.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { inEachBrowser, launch, startSite } from "../../../tests/blackbox/node/browser.js";
import { startNginx } from "../../../tests/blackbox/node/nginx.js";
import { start, until } from "../../../tests/blackbox/node/program.js";
import { Multiplexor } from "../dist/multiplexor.mjs";
import { TRANSPORTS, WebSocket, contextOf } from "./harness.mjs";

const WAYS = ["a proxy that takes the path off", "wait_prefix"];
const UPGRADES = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;";
let count = 0;
const fresh = () => `path.${++count}`;

let site;
/** By the name of the way: the program, nginx in front of it, and the address of the path. */
const behind = {};

before(async () => {
  site = await startSite();
  for (const way of WAYS) {
    const program = await start(...(way === "wait_prefix" ? ["--wait-prefix", "/push"] : []));
    const nginx = await startNginx(`location /push/ { proxy_pass http://${program.waitAddress}${way === "wait_prefix" ? "" : "/"}; ${UPGRADES} }`);
    behind[way] = { program, nginx, url: `${nginx.url}push/` };
  }
});
after(async () => {
  site?.stop();
  for (const { nginx, program } of Object.values(behind)) {
    await nginx.stop();
    await program.stop();
  }
});

for (const way of WAYS) {
  for (const transport of TRANSPORTS) {
    test(`${way}, ${transport}: the path is given, with a slash at its end or without, by HTTP's word or by WebSocket's`, async () => {
      const { program, url } = behind[way];
      for (const given of [url, url.slice(0, -1), url.replace("http", "ws"), `${url}?heartbeat=20#there`]) {
        const name = fresh();
        const heard = [];
        const mx = new Multiplexor(given, { WebSocket, transports: [transport] });
        mx.subscribe(name, ({ data }) => heard.push(data));
        await until(() => mx.state === "open", `${given} is open`);
        await program.untilWaiting(name);
        await program.publish(name, "1");
        await until(() => heard.length === 1, `${given} hears`);
        mx.close();
      }
    });
  }
}

/** A page that loads this script, and makes a client without an address. */
async function pageOf(page, script, name, transport, how) {
  await page.goto(site.url);
  if (how === "script") await page.addScriptTag({ url: script });
  await page.evaluate(
    async ([script, name, transport, how]) => {
      const { Multiplexor } = how === "module" ? await import(script) : window;
      window.heard = [];
      window.mx = new Multiplexor(undefined, { transports: [transport] });
      window.mx.subscribe(name, ({ data }) => window.heard.push(data));
    },
    [script, name, transport, how],
  );
  return { heard: () => page.evaluate(() => window.heard), close: () => page.evaluate(() => window.mx.close()) };
}

inEachBrowser((launch) => {
  let browser, page;
  before(async () => {
    browser = await launch();
    page = await (await contextOf(browser)).newPage();
  });
  after(() => browser?.close());

  for (const way of WAYS) {
    for (const transport of TRANSPORTS) {
      test(`${way}, ${transport}: the path is that of the script, whatever its query`, async () => {
        const { program, url } = behind[way];
        for (const query of ["", "?v=2/3"]) {
          const name = fresh();
          const client = await pageOf(page, `${url}multiplexor.js${query}`, name, transport, "script");
          await program.untilWaiting(name);
          await program.publish(name, "1");
          await until(async () => (await client.heard()).length === 1, "it hears");
          await client.close();
        }
      });
    }
  }
});

for (const way of WAYS) {
  test(`${way}: a module knows its path, too, and the snippet of the front page behind the path works as it stands`, async () => {
    const { program, url } = behind[way];
    const browser = await launch();
    const name = fresh();
    const module = await pageOf(await (await contextOf(browser)).newPage(), `${url}multiplexor.mjs`, name, "ws", "module");
    await program.untilWaiting(name);
    await module.close();

    const front = await browser.newPage();
    await front.goto(url);
    const snippet = await front.textContent("#snippet");
    assert.ok(snippet.includes(`${url}multiplexor.js`), snippet);
    const other = await startSite(`<!doctype html><title>test</title>${snippet}`);
    const visitor = await browser.newPage();
    const alerted = new Promise((resolve) => visitor.on("dialog", (dialog) => resolve(dialog.message()) ?? dialog.accept()));
    await visitor.goto(other.url);
    await program.untilWaiting("news");
    await program.publish("news", "hello");
    assert.equal(await alerted, "hello");
    other.stop();
    await browser.close();
  });
}

test("a bundle, or a copy of another name, tells the origin alone", async () => {
  const { program } = behind[WAYS[0]];
  const nginx = await startNginx(`location /sub/ { proxy_pass http://${program.waitAddress}; ${UPGRADES} }
    location /assets/app.js { proxy_pass http://${program.waitAddress}/multiplexor.js; }`);
  const browser = await launch();
  const name = fresh();
  const page = await pageOf(await (await contextOf(browser)).newPage(), `${nginx.url}assets/app.js`, name, "ws", "script");
  await program.untilWaiting(name);
  await page.close();
  await browser.close();
  await nginx.stop();
});
