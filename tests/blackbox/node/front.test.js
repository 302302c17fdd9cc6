// The front page of the WAIT line in Chromium: all four ways work, or it says what stands in the way.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { launch, startSite } from "./browser.js";
import { startNginx } from "./nginx.js";
import { PATIENCE_MS, start } from "./program.js";

let browser, program, page;

before(async () => {
  [browser, program] = await Promise.all([launch(), start()]);
  page = await browser.newPage();
  page.on("pageerror", (error) => assert.fail(error));
});

after(async () => {
  await browser?.close();
  await program?.stop();
});

const upgrade = `
  proxy_http_version 1.1;
  proxy_set_header Upgrade $http_upgrade;
  proxy_set_header Connection $connection_upgrade;`;
const map = "map $http_upgrade $connection_upgrade { default upgrade; '' ''; }";

/** What the page says of each way when its check is over, and its verdict. */
async function verdict(url) {
  await page.goto(url);
  return finished();
}

async function checkAddress(address) {
  await page.fill("#address", address);
  await page.click("#check button");
  return finished();
}

async function finished() {
  await page.waitForFunction(() => / way/.test(document.getElementById("verdict").textContent), null, {
    timeout: PATIENCE_MS,
  });
  const ways = await page.evaluate(() =>
    [...document.querySelectorAll("#ways li")].map((item) => [
      item.id.slice(4),
      item.className === "works" ? "works" : item.querySelector(".words").textContent,
    ]),
  );
  return { ...Object.fromEntries(ways), verdict: await page.textContent("#verdict") };
}

const allWork = { poll: "works", sse: "works", stream: "works", ws: "works", verdict: "All four ways work from here" };

async function advice(words) {
  assert.match(await page.textContent("#causes"), words);
}

test("all four ways work where nothing is between", async () => {
  assert.deepEqual(await verdict(`http://${program.waitAddress}/`), allWork);
  assert.ok(await page.isHidden("#advice"));
});

test("behind nginx all four work with the lines that the page shows", async () => {
  await page.goto(`http://${program.waitAddress}/`);
  await finished();
  await checkAddress(`http://${program.waitAddress}/push/`);
  const [beside, inside] = (await page.textContent("#lines")).split("# inside it");
  assert.match(inside, /location \/push\/ \{/);
  const nginx = await startNginx(inside.replace("127.0.0.1:8088", program.waitAddress), beside);
  assert.deepEqual(await verdict(`${nginx.url}push/`), allWork);
  // Names stay what they are.
  for (const name of ["a//b", "https://ex.example/../d", "50%", "a/./b c"]) {
    await program.publish(name, `for ${name}`);
    const heard = await fetch(`${nginx.url}push/sub/${encodeURIComponent(name)}?since=0`);
    assert.deepEqual((await heard.json()).messages.map((message) => message.data), [`for ${name}`]);
  }
  await nginx.stop();
});

test("a proxy that buffers is told from one that is in order", async () => {
  // Chunks pass it, so what is no WebSocket is asked for in HTTP/1.0.
  const nginx = await startNginx(
    `location / { if ($http_upgrade = "") { return 418; } error_page 418 = @plain; proxy_pass http://${program.waitAddress}; ${upgrade} }
     location @plain { proxy_pass http://${program.waitAddress}; proxy_http_version 1.0; proxy_ignore_headers X-Accel-Buffering; }`,
    map,
  );
  const said = await verdict(nginx.url);
  assert.match(said.sse, /first bytes do not come within 5 seconds/);
  assert.match(said.stream, /first bytes do not come within 5 seconds/);
  assert.deepEqual([said.poll, said.ws, said.verdict], ["works", "works", "2 of 4 ways work from here"]);
  await advice(/proxy_buffering/);
  assert.ok(await page.evaluate(() => document.getElementById("nginx").open));
  await nginx.stop();
});

test("nginx that buffers by default is in order, since the program says that it must not", async () => {
  const nginx = await startNginx(`location / { proxy_pass http://${program.waitAddress}; ${upgrade} }`, map);
  assert.deepEqual(await verdict(nginx.url), allWork);
  await nginx.stop();
});

test("a proxy that keeps the upgrade to itself is told", async () => {
  const nginx = await startNginx(`location / { proxy_pass http://${program.waitAddress}; }`);
  const said = await verdict(nginx.url);
  assert.match(said.ws, /the upgrade to WebSocket does not/);
  assert.deepEqual([said.poll, said.sse, said.stream], ["works", "works", "works"]);
  await advice(/HTTP\/1\.1/);
  await nginx.stop();
});

test("a CORS header that is lost on the way is told, and a WebSocket does without", async () => {
  const nginx = await startNginx(
    `location / { proxy_pass http://${program.waitAddress}; proxy_hide_header Access-Control-Allow-Origin; ${upgrade} }`,
    map,
  );
  await verdict(`http://${program.waitAddress}/`);
  const said = await checkAddress(nginx.url);
  for (const way of ["poll", "sse", "stream"]) assert.match(said[way], /CORS/);
  assert.equal(said.ws, "works");
  await advice(/Access-Control-Allow-Origin/);
  await nginx.stop();
});

test("a proxy without the program behind it, another site and nobody at all are told apart", async () => {
  const nginx = await startNginx(`location / { proxy_pass http://127.0.0.1:1; add_header Access-Control-Allow-Origin * always; }`);
  await verdict(`http://${program.waitAddress}/`);
  let said = await checkAddress(nginx.url);
  for (const way of ["poll", "sse", "stream", "ws"]) assert.match(said[way], /does not reach the program \(status 502\)/);
  assert.equal(said.verdict, "None of the four ways works from here");
  await nginx.stop();

  said = await checkAddress(nginx.url);
  for (const way of ["poll", "sse", "stream", "ws"]) assert.match(said[way], /^Nothing answers at http:/);
  await advice(/Is the program running/);

  said = await checkAddress(`http://${program.waitAddress}/elsewhere/`);
  for (const way of ["poll", "sse", "stream"]) assert.match(said[way], /there is nothing at \/elsewhere\/sub\//);
  assert.deepEqual(await checkAddress(`http://${program.waitAddress}/`), allWork);
});

test("the client is loaded from the address that the page shows", async () => {
  await verdict(`http://${program.waitAddress}/`);
  const snippet = await page.textContent("#snippet");
  const site = await startSite(`<!doctype html><title>test</title>${snippet}`);
  const visitor = await browser.newPage();
  const alerted = new Promise((resolve) => visitor.on("dialog", (dialog) => resolve(dialog.message()) ?? dialog.accept()));
  await visitor.goto(site.url);
  await program.untilWaiting("news");
  await program.publish("news", "hello");
  assert.equal(await alerted, "hello");
  await visitor.close();
  site.stop();
});
