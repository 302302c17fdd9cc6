// A bare EventSource behind nginx, while the program is restarted: the lines of docs/proxies.md keep it alive.

import assert from "node:assert/strict";
import fs from "node:fs/promises";
import { after, before, test } from "node:test";

import { inEachBrowser, listenBare, startSite } from "./browser.js";
import { freePort, startNginx } from "./nginx.js";
import { startBare, until } from "./program.js";

const page = await fs.readFile(new URL("../../../docs/proxies.md", import.meta.url), "utf8");
const [, lines] = /```nginx\n(error_page[^`]*)```/.exec(page);

inEachBrowser((launch) => {
  let browser, site, address, program;
  const begin = () => startBare("--wait", address, "--in", "127.0.0.1:0");

  before(async () => {
    [browser, site] = await Promise.all([launch(), startSite()]);
    address = `127.0.0.1:${await freePort()}`;
    program = await begin();
  });

  after(async () => {
    await browser?.close();
    site?.stop();
    await program?.stop();
  });

  const location = () => `location / { proxy_pass http://${address}; proxy_http_version 1.1; }`;

  /** Restarts the program while a page listens; `meanwhile` is waited for while nobody is there. */
  async function restart(nginx, name, meanwhile) {
    const tab = await listenBare(browser, site, `${nginx.url}sub/${name}`);
    await program.untilWaiting(name);
    await program.stop();
    await meanwhile(tab);
    program = await begin();
    return tab;
  }

  test("it comes back by itself, and hears what is said", async () => {
    const nginx = await startNginx(`${location()} ${lines}`);
    // That it was open once more while nobody was there shows that it met the proxy's own answer.
    const tab = await restart(nginx, "restart.kept", (tab) => until(async () => (await tab.opens()) >= 2, "it was told to come again"));
    await program.untilWaiting("restart.kept");
    await program.publish("restart.kept", "0");
    await tab.hears(1);
    await tab.end();
    await nginx.stop();
  });

  test("without the lines a 502 is the end of it", async () => {
    const nginx = await startNginx(location());
    const tab = await restart(nginx, "restart.lost", (tab) => until(async () => (await tab.page.evaluate(() => window.source.readyState)) === 2, "it gave up"));
    await tab.end();
    await nginx.stop();
  });
});
