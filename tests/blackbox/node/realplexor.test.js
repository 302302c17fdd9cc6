// The library that the server gives at ?identifier=SCRIPT, in Chromium, in a page on another port than the server.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";

import { launch, startSite } from "./browser.js";
import { startBare, until } from "./program.js";

const TIMES = 1_000;

let browser, site, folder;

before(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "multiplexor-realplexor-"));
  browser = await launch();
  site = await startSite();
});
after(async () => {
  await browser?.close();
  site?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** The program with listeners of Realplexor; on these ports, where they are given. */
function realplexor({ wait = "127.0.0.1:0", inLine = "127.0.0.1:0" } = {}, ...flags) {
  const file = path.join(folder, "realplexor.toml");
  const listener = (address) => `[{ address = "${address}", dialect = "realplexor" }]`;
  writeFileSync(file, `wait = ${listener(wait)}\nin = ${listener(inLine)}\nrealplexor_max_bounces = 100000\n`);
  return startBare("--config", file, ...flags);
}

/** Publishes as scripts of old do: raw bytes, and the end. */
function say(program, list, data) {
  const [host, port] = program.inAddress.split(":");
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, host, () => socket.end(`X-Realplexor: identifier=${list}\r\n\r\n${data}`));
    socket.on("error", reject).on("close", resolve).resume();
  });
}

/** A page with the library, and in it `heard`: what the callback `hear` was given. */
async function open(program) {
  const page = await browser.newPage();
  const requests = [];
  page.on("request", (request) => requests.push(request));
  await page.goto(site.url);
  await page.addScriptTag({ url: `http://${program.waitAddress}/?identifier=SCRIPT` });
  await page.evaluate((url) => {
    window.heard = [];
    window.hear = (...all) => heard.push(all);
    window.realplexor = new Dklab_Realplexor(url, "ns_");
  }, `http://${program.waitAddress}/`);
  return { page, requests, heard: () => page.evaluate(() => heard) };
}

const untilListening = (program, id) => program.untilWaiting(`ns_${id}`);

test("a page subscribes and is called back, with the id as it knows it", async () => {
  const program = await realplexor();
  const { page, heard } = await open(program);
  await page.evaluate(() => {
    window.twice = [];
    const both = (data, id) => twice.push([data, id]);
    realplexor.setCursor("a", 0).setCursor("b", 0).subscribe("a", hear).subscribe("a", hear).subscribe("a", both).subscribe("b", both).execute();
  });
  await untilListening(program, "b");
  await say(program, "10:ns_a,ns_b,other", '{"n": "ü"}');
  await until(async () => (await heard())[0], "it was called");
  assert.deepEqual(await heard(), [[{ n: "ü" }, "a", "10"]]);
  assert.deepEqual(await page.evaluate(() => twice), [[{ n: "ü" }, "a"], [{ n: "ü" }, "b"]]);
  await untilListening(program, "a");
  await say(program, "ns_a", "[1, null]");
  await until(async () => (await heard())[1], "it was called again");
  const [, [data, id, cursor]] = await heard();
  assert.deepEqual([data, id], [[1, null], "a"]);
  assert.match(cursor, /^\d{5,}\.\d{2,}$/);
  assert.equal(await page.evaluate(() => realplexor.version), "1.32");
  await program.stop();
});

test("a page gets what is held, from the cursor it sets, and nobody is called who does not want to be", async () => {
  const program = await realplexor();
  for (const n of [1, 2, 3]) await say(program, `${n}:ns_a`, n);
  const { page, heard } = await open(program);
  await page.evaluate(() => {
    window.other = [];
    const unwanted = () => other.push(1);
    const throwing = () => { throw new Error("of the page's own"); };
    const leaving = () => realplexor.unsubscribe("a", unwanted);
    realplexor.setCursor("a", 1).subscribe("a", throwing).subscribe("a", leaving).subscribe("a", unwanted).subscribe("a", hear).execute();
  });
  await until(async () => (await heard()).length === 2, "both are there");
  assert.deepEqual(await heard(), [[2, "a", "2"], [3, "a", "3"]]);
  assert.deepEqual(await page.evaluate(() => other), []);
  await page.evaluate(() => realplexor.unsubscribe("a", null).execute());
  await until(async () => (await program.waiting("ns_a")) === 0, "the page has left");
  await program.stop();
});

test("a login is part of the ids; what makes no id is refused by a text", async () => {
  const program = await realplexor();
  const { page, heard } = await open(program);
  await page.evaluate(() => {
    realplexor.logon("joe");
    realplexor.setCursor("a", 0).subscribe("a", hear).execute();
  });
  await program.untilWaiting("joe_ns_a");
  await say(program, "5:joe_ns_a", '"for joe"');
  await until(async () => (await heard())[0], "it was called");
  assert.deepEqual(await heard(), [["for joe", "a", "5"]]);
  const thrown = (code) => page.evaluate(`try { ${code} } catch (e) { typeof e === "string" ? e : "no text" }`);
  assert.match(await thrown("realplexor.subscribe('a-b', hear)"), /must be alphanumeric, "a-b" given/);
  assert.match(await thrown("new Dklab_Realplexor('/realplexor')"), /absolute URL/);
  await program.stop();
});

test("a page goes on where it was when the server was away", async () => {
  let program = await realplexor();
  const { page, heard } = await open(program);
  await page.evaluate(() => realplexor.setCursor("a", 0).subscribe("a", hear).execute());
  await untilListening(program, "a");
  await say(program, "10:ns_a", "1");
  await until(async () => (await heard()).length === 1, "the first is there");
  const addresses = { wait: program.waitAddress, inLine: program.inAddress };
  await program.stop();
  program = await realplexor(addresses);
  await say(program, "20:ns_a", "2");
  await until(async () => (await heard()).length === 2, "what was said before it was back is there");
  assert.deepEqual((await heard()).map(([data]) => data), [1, 2]);
  await program.stop();
});

test("a long list goes by POST, and every id of it is listened to", async () => {
  const program = await realplexor();
  const { page, requests, heard } = await open(program);
  await page.evaluate(() => {
    for (let n = 0; n < 400; n++) realplexor.setCursor(`a_long_id_number_${n}`, 0).subscribe(`a_long_id_number_${n}`, hear);
    realplexor.execute();
  });
  await untilListening(program, "a_long_id_number_399");
  await say(program, "1:ns_a_long_id_number_0,2:ns_a_long_id_number_399", "7");
  await until(async () => (await heard()).length === 2, "both are there");
  await untilListening(program, "a_long_id_number_7");
  await say(program, "3:ns_a_long_id_number_7", "8");
  await until(async () => (await heard()).length === 3, "the third is there");
  const asked = requests.filter((request) => request.url().startsWith(`http://${program.waitAddress}/`));
  assert.ok(asked.filter((request) => request.method() === "POST").length >= 2);
  assert.ok(!asked.some((request) => request.method() === "OPTIONS"));
  assert.deepEqual((await heard()).map(([data]) => data), [7, 7, 8]);
  await program.stop();
});

test("of two publishes back to back to two ids without a cursor, a thousand times, none is lost", async () => {
  const program = await realplexor();
  const { page, heard } = await open(program);
  await page.evaluate(() => realplexor.subscribe("a", hear).subscribe("b", hear).execute());
  await untilListening(program, "b");
  for (let n = 0; n < TIMES; n++) {
    await say(program, "ns_a", `"a${n}"`);
    await say(program, "ns_b", `"b${n}"`);
    // Every tenth time it is waited until both are there, so that the page waits anew when the next come.
    if (n % 10 === 9) await until(() => page.evaluate((count) => heard.length >= count, 2 * (n + 1)), `${2 * (n + 1)} are there`);
  }
  const said = (await heard()).map(([data]) => data);
  for (const id of ["a", "b"]) {
    const expected = Array.from({ length: TIMES }, (_, n) => id + n);
    assert.deepEqual(said.filter((data) => data[0] === id), expected);
  }
  await program.stop();
});

test("the page for frames can be read from any path, and says what it is no longer needed for", async () => {
  const program = await realplexor();
  const answer = await fetch(`http://${program.waitAddress}/any/path?identifier=IFRAME&HOST=example.com&version=1.32`);
  assert.match(answer.headers.get("content-type"), /^text\/html; charset=utf-8/);
  const text = await answer.text();
  assert.ok(text.includes("identifier=SCRIPT") && !text.includes("undefined-") && !/\$[A-Z]/.test(text), text);
  const library = await (await fetch(`http://${program.waitAddress}/any/path?identifier=SCRIPT`)).text();
  assert.ok(!library.includes("undefined-") && !/\$[A-Z]/.test(library));
  await program.stop();
});
