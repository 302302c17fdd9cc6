// The examples, each with the command of its README, in Chromium.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs/promises";
import net from "node:net";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { after, before, test } from "node:test";

import { launch } from "./browser.js";
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

for (const by of ["php", "python3", "node"]) test(`in the room all see who is there, who types, and who is shown out; a reload is no event (${by})`, async () => {
  const MULTIPLEXOR_TOKEN_SECRET = "a-secret-for-tests-of-32-letters-or-more";
  process.env.MULTIPLEXOR_TOKEN_SECRET = MULTIPLEXOR_TOKEN_SECRET;
  const settings = path.join(ROOT, "examples/room/multiplexor.toml");
  const PORT = await freePort();
  const flags = ["--config", settings, "--presence-grace", "2s", "--origins", `http://127.0.0.1:${PORT}`];
  const server = await start(...flags).finally(() => delete process.env.MULTIPLEXOR_TOKEN_SECRET);
  const site = await run("room", server, { MULTIPLEXOR_TOKEN_SECRET, PORT, by });
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
