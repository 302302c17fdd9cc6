// The examples, each with the command of its README, in Chromium; the room in Firefox, too.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs/promises";
import http from "node:http";
import net from "node:net";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { after, before, test } from "node:test";

import { launch, launchFirefox } from "./browser.js";
import { freePort } from "./nginx.js";
import { start, until } from "./program.js";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");
let browser, program;

before(async () => {
  program = await start("--grace", "100ms");
  // The examples name the port of the WAIT line that everybody has.
  browser = await launch(`--host-resolver-rules=MAP localhost:8088 ${program.waitAddress}`);
});

after(async () => {
  await browser?.close();
  await program?.stop();
});

/** Runs the command that the README gives, at another port and with another IN line. */
async function run(name, { inAddress } = program, more) {
  const readme = await fs.readFile(path.join(ROOT, "examples", name, "README.md"), "utf8");
  const port = more?.PORT ?? (await freePort());
  const commands = [...readme.matchAll(/```sh\n(.*)\n```/g)].map(([, command]) => command);
  const command = commands.find((command) => command.startsWith(more?.by ?? "")).replace("127.0.0.1:8000", `127.0.0.1:${port}`);
  const [program_, ...args] = command.split(" ");
  const env = { ...process.env, MULTIPLEXOR: `http://${inAddress}`, PORT: String(port), ...more };
  // What the tests have installed, as a visitor has installed it where its README says so.
  env.PATH = `${path.join(ROOT, "tests/.venv/bin")}:${env.PATH}`;
  env.NODE_PATH = path.join(ROOT, "tests/node_modules");
  const child = spawn(program_, args, { cwd: ROOT, env, stdio: "ignore" });
  await until(async () => {
    assert.equal(child.exitCode, null, `${command} ended at once`);
    const socket = net.connect(port, "127.0.0.1");
    return Promise.race([once(socket, "connect").then(() => true), once(socket, "error").then(() => false)])
      .catch(() => false)
      .finally(() => socket.destroy());
  }, `${command} listens`);
  const stop = async () => {
    child.kill();
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  };
  return { url: `http://127.0.0.1:${port}/`, stop };
}

async function open(url) {
  const page = await browser.newPage();
  page.on("pageerror", (error) => assert.fail(error));
  await page.goto(url);
  return page;
}

test("in the chat everybody reads what one says, and who comes later reads the last lines", async () => {
  const site = await run("chat");
  const [ann, bob] = [await open(site.url), await open(site.url)];
  await program.untilWaiting("chat", 2);
  await ann.getByLabel("Say something").fill('Hello <b>Bob</b> & "all" ☃');
  await ann.getByLabel("Say something").press("Enter");
  for (const page of [ann, bob]) await page.getByText('Hello <b>Bob</b> & "all" ☃').waitFor();
  const late = await open(site.url);
  await late.getByText("Hello <b>Bob</b>").waitFor();
  for (const page of [ann, bob, late]) await page.close();
  await site.stop();
});

test("a visitor is notified of what another writes, with a badge, also of what came meanwhile", async () => {
  const site = await run("notifications");
  const [ann, bob] = [await open(`${site.url}?me=Ann`), await open(`${site.url}?me=Bob`)];
  await ann.getByLabel("To").selectOption("Bob");
  const write = async (text) => {
    await ann.getByLabel("Message").fill(text);
    await ann.getByRole("button", { name: "Send" }).click();
  };
  await write("one");
  await bob.locator("#popups").getByText("Ann one").waitFor();
  await write("two");
  await bob.getByRole("button", { name: "Inbox, 2 unread" }).waitFor();
  assert.equal(await bob.title(), "(2) Notifications");
  await bob.getByRole("button", { name: "Inbox" }).click();
  assert.deepEqual(await bob.locator("#inbox li").allTextContents(), ["Ann two", "Ann one"]);
  assert.equal(await bob.title(), "Notifications");

  const url = bob.url();
  await bob.goto("about:blank");
  await program.untilWaiting("user.Bob", 0);
  await program.publish("user.Bob", '{"from": "Cleo", "text": "while you were away"}');
  await bob.goto(url);
  await bob.getByRole("button", { name: "Inbox, 1 unread" }).waitFor();
  for (const page of [ann, bob]) await page.close();
  await site.stop();
});

test("prices of the ticker are there at once, and move", async () => {
  const site = await run("ticker");
  await until(async () => (await (await fetch(`http://${program.inAddress}/channels/price.ACME`)).json()).history.messages, "a price is published");
  const page = await open(site.url);
  const cell = page.locator("td").first();
  const price = () => cell.textContent();
  await until(async () => Number(await price()) > 0, "there is a price");
  const first = await price();
  await until(async () => (await price()) !== first, "it moves");
  await page.close();
  await site.stop();
});

test("on the wall the application has the last word, and who is refused reads why", async () => {
  const PORT = await freePort();
  const flags = ["--config", path.join(ROOT, "examples/moderated/multiplexor.toml"), "--origins", `http://127.0.0.1:${PORT}`];
  const server = await start(...flags, "--publish-hook-url", `http://127.0.0.1:${PORT}/judge`);
  const site = await run("moderated", server, { PORT, by: "php" });
  const chromium = await launch(`--host-resolver-rules=MAP localhost:8088 ${server.waitAddress}`);
  const [ann, bob] = [await chromium.newPage(), await chromium.newPage()];
  for (const page of [ann, bob]) await page.goto(site.url);
  await server.untilWaiting("wall", 2);
  const write = async (text) => {
    await ann.getByLabel("Write on the wall").fill(text);
    await ann.getByLabel("Write on the wall").press("Enter");
  };
  const refused = (why) => ann.getByRole("alert").getByText(why).waitFor();
  // Two messages a second are let through.
  const aSecond = () => new Promise((done) => setTimeout(done, 1100));

  await write("hello");
  for (const page of [ann, bob]) await page.getByText("hello", { exact: true }).waitFor();
  await write("see https://example.com/");
  await refused("No links on this wall, please.");
  assert.equal(await ann.getByLabel("Write on the wall").inputValue(), "see https://example.com/");
  await aSecond();
  await write("what the heck");
  for (const page of [ann, bob]) await page.getByText("what the h***", { exact: true }).waitFor();
  await until(async () => (await ann.getByRole("alert").textContent()) === "", "what was refused is forgotten");

  // Faster than any hand: the server itself says that this is too much.
  await ann.evaluate(() => Promise.all(Array.from({ length: 6 }, (_, n) => mx.publish("wall", `fast ${n}`).catch((error) => (why.textContent = error.message)))));
  await refused(/more than 2 messages a second/);
  await site.stop();
  await aSecond();
  await write("is anybody there?");
  await refused("the application was asked about the message");
  const said = await bob.locator("#lines p").allTextContents();
  assert.deepEqual(said.slice(0, 2), ["hello", "what the h***"]);
  assert.ok(said.length < 8 && said.every((text) => !/example|anybody/.test(text)), said.join());
  await chromium.close();
  await server.stop();
});

/** The application of the room by this language, and a server beside it whose pages these may be, too. */
async function openRoom(by, ...origins) {
  const MULTIPLEXOR_TOKEN_SECRET = "a-secret-for-tests-of-32-letters-or-more";
  process.env.MULTIPLEXOR_TOKEN_SECRET = MULTIPLEXOR_TOKEN_SECRET;
  const settings = path.join(ROOT, "examples/room/multiplexor.toml");
  const PORT = await freePort();
  const flags = ["--config", settings, "--presence-grace", "2s", "--origins", [`http://127.0.0.1:${PORT}`, ...origins].join()];
  const server = await start(...flags).finally(() => delete process.env.MULTIPLEXOR_TOKEN_SECRET);
  const site = await run("room", server, { MULTIPLEXOR_TOKEN_SECRET, PORT, by });
  return { server, site };
}

for (const by of ["php", "python3", "node"]) test(`in the room all see who is there, who types, and who is shown out; a reload is no event (${by})`, async () => {
  const { server, site } = await openRoom(by);
  const chromium = await launch(`--host-resolver-rules=MAP localhost:8088 ${server.waitAddress}`);
  const enter = async (name) => {
    const page = await (await chromium.newContext()).newPage();
    page.on("pageerror", (error) => assert.fail(error));
    await page.goto(site.url);
    await page.getByLabel("Your name").fill(name);
    await page.getByLabel("Your name").press("Enter");
    await page.getByLabel("Who is here").getByText(name).waitFor();
    return page;
  };
  const say = async (page, text) => {
    await page.getByLabel("Say something").pressSequentially(text);
    await page.getByLabel("Say something").press("Enter");
  };
  const [mo, ann] = [await enter("Mo"), await enter("Ann")];
  for (const page of [mo, ann]) await page.getByText("Ann").first().waitFor();
  await mo.getByText("Ann came").waitFor();
  await ann.getByLabel("Say something").pressSequentially("hel");
  await mo.getByText("Ann is typing").waitFor();
  assert.equal(await ann.getByText("is typing").count(), 0);
  await say(ann, "lo <b>");
  for (const page of [mo, ann]) await page.getByText("Ann: hello <b>").waitFor();

  // What she is told of herself is no event for others, however she comes back.
  for (let n = 0; n < 3; n++) {
    await ann.reload();
    await ann.getByLabel("Who is here").getByText("Mo").waitFor();
    await ann.getByText("Ann: hello <b>").waitFor();
  }
  await say(ann, "here again");
  await mo.getByText("Ann: here again").waitFor();
  assert.deepEqual(await mo.locator(".note", { hasText: /came|left/ }).allTextContents(), ["Ann came"]);

  for (let n = 0; n < 30; n++) await server.publish("room.1", `"line ${n}"`);
  await mo.getByText("line 29").waitFor();
  await mo.reload();
  await mo.getByText("line 29").waitFor();
  assert.equal(await mo.getByText("Ann: hello <b>").count(), 0, "only the last twenty");
  await mo.getByRole("button", { name: "Older" }).click();
  await mo.getByText("Ann: hello <b>").waitFor();

  await mo.getByRole("button", { name: "Show Ann out" }).click();
  await mo.getByText("Ann left").waitFor();
  await ann.getByText("The moderator has shown you out.").waitFor();
  await until(async () => !(await (await fetch(`http://${server.inAddress}/users/Ann`)).json()).online, "she is gone");
  await chromium.close();
  await site.stop();
  await server.stop();
});

/** The page as its application serves it, but that it finds the WAIT line where that is. */
async function startFront(port) {
  const front = http.createServer((request, response) => {
    const { method, url, headers } = request;
    const pass = http.request({ host: "127.0.0.1", port: front.site, method, path: url, headers: { ...headers, "accept-encoding": "identity" } }, async (answer) => {
      const text = (await answer.setEncoding("utf8").toArray()).join("").replaceAll("localhost:8088", front.line);
      const { "content-length": _, "transfer-encoding": __, ...kept } = answer.headers;
      response.writeHead(answer.statusCode, kept).end(text);
    });
    request.pipe(pass);
  });
  front.listen(port, "127.0.0.1");
  await once(front, "listening");
  return front;
}

test("in Firefox two tabs are one visitor, a reload is no event, and one kick ends both", async () => {
  const port = await freePort();
  const { server, site } = await openRoom("php", `http://127.0.0.1:${port}`);
  const front = Object.assign(await startFront(port), { site: new URL(site.url).port, line: server.waitAddress });
  const firefox = await launchFirefox();
  const open = async (context, name) => {
    const page = await context.newPage();
    await page.goto(`http://127.0.0.1:${port}/`);
    if (name) await page.evaluate((name) => ((enter.elements.me.value = name), enter.requestSubmit()), name);
    return page;
  };
  const people = (page) => page.evaluate(() => [...document.querySelectorAll("#people li")].map((item) => item.firstChild.textContent.trim()));
  const sees = (page, names) => until(async () => String(await people(page)) === String(names), `${names} are there`);
  const notes = (page) => page.evaluate(() => [...document.querySelectorAll("#lines .note")].map((note) => note.textContent));

  const mo = await open(await firefox.createBrowserContext(), "Mo");
  await sees(mo, ["Mo"]);
  const anns = await firefox.createBrowserContext();
  const first = await open(anns, "Ann");
  await sees(first, ["Ann", "Mo"]);
  const second = await open(anns);
  for (const page of [mo, first, second]) await sees(page, ["Ann", "Mo"]);
  await second.evaluate(() => ((say.elements.text.value = "from the second tab"), say.requestSubmit()));
  await until(async () => (await mo.evaluate(() => lines.textContent)).includes("Ann: from the second tab"), "it is said");
  await first.reload();
  await sees(first, ["Ann", "Mo"]);
  await second.close();
  // The grace of what was closed is over, and the first tab is there still.
  await new Promise((done) => setTimeout(done, 2500));
  assert.deepEqual(await notes(mo), ["Ann came"]);

  const third = await open(anns);
  await sees(third, ["Ann", "Mo"]);
  await mo.evaluate(() => document.querySelector("#people button").click());
  for (const page of [first, third]) await until(async () => (await notes(page)).includes("The moderator has shown you out."), "she reads why");
  await sees(mo, ["Mo"]);
  assert.deepEqual(await notes(mo), ["Ann came", "Ann left"]);
  await firefox.close();
  front.close();
  await site.stop();
  await server.stop();
});
