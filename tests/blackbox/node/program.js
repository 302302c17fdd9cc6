// The real program for tests in Node: started with free ports, ended by SIGTERM, which must be a clean end.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

export const PATIENCE_MS = 30_000;

// The program refuses variables that are named like its own and are none.
const NAMED = process.env.MULTIPLEXOR_BIN;
delete process.env.MULTIPLEXOR_BIN;

export function binary() {
  const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");
  const target = process.env.CARGO_TARGET_DIR ?? path.join(root, "target");
  return NAMED ?? path.join(target, "release", "multiplexor");
}

/** What was started and has not ended: a test that fails leaves no process behind. */
const running = new Set();
process.on("exit", () => running.forEach((child) => child.kill()));
// A signal ends a process without that event.
for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

/** Has a process end with this one, at the latest. */
export function endsWithTests(child) {
  running.add(child);
  child.once("exit", () => running.delete(child));
  return child;
}

/** Waits until `condition()` gives something true, and gives that. */
export async function until(condition, what, patienceMs = PATIENCE_MS) {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    assert.ok(Date.now() < deadline, `still not so after ${patienceMs} ms: ${what}`);
    await sleep(20);
  }
}

export const start = (...flags) => startBare("--wait", "127.0.0.1:0", "--in", "127.0.0.1:0", ...flags);

/** The same with API keys: lines of settings by the name of each key. The keys themselves stand in its `keys`. */
export async function startWithKeys(settings, ...flags) {
  const folder = mkdtempSync(path.join(tmpdir(), "multiplexor-keys-"));
  const keys = {};
  const entries = Object.entries(settings).map(([name, lines]) => {
    const made = JSON.parse(execFileSync(binary(), ["key", "make", "--json"]));
    keys[name] = made.key;
    return `[[key]]\nname = "${name}"\nhash = "${made.hash}"\n${lines}\n`;
  });
  const file = path.join(folder, "multiplexor.toml");
  writeFileSync(file, entries.join(""));
  const program = await start("--config", file, ...flags).finally(() => rmSync(folder, { recursive: true }));
  return Object.assign(program, { keys });
}

/** The same where a file among the flags says where to listen. */
export async function startBare(...flags) {
  const child = endsWithTests(spawn(binary(), ["--drain", "200ms", ...flags], { stdio: ["ignore", "pipe", "pipe"] }));
  const said = { out: "", err: "" };
  child.stdout.on("data", (data) => (said.out += data));
  child.stderr.on("data", (data) => (said.err += data));
  const found = await until(() => {
    assert.equal(child.exitCode, null, `ended at once: ${said.out}${said.err}`);
    const wait = /^\s*WAIT line\s+https?:\/\/(\S+)/m.exec(said.out);
    const inLine = /^\s*IN line\s+https?:\/\/(\S+)/m.exec(said.out);
    return wait && inLine && said.out.endsWith("\n") && [wait[1], inLine[1]];
  }, "it says where it listens");
  return new Program(child, said, ...found);
}

class Program {
  constructor(child, said, wait, inLine) {
    this.child = child;
    this.said = said;
    this.waitAddress = wait;
    this.inAddress = inLine;
  }

  async publish(channel, data, query = "") {
    const url = `http://${this.inAddress}/pub/${encodeURIComponent(channel)}${query}`;
    // As curl -d says it: fetch would say text/plain, and what is JSON would reach clients as text.
    const headers = { "Content-Type": "application/x-www-form-urlencoded" };
    const answer = await fetch(url, { method: "POST", body: data, headers });
    assert.equal(answer.status, 200);
    return (await answer.json()).cursor;
  }

  async waiting(channel) {
    const answer = await fetch(`http://${this.inAddress}/channels/${encodeURIComponent(channel)}`);
    return answer.status === 404 ? 0 : (await answer.json()).waiting;
  }

  untilWaiting(channel, count = 1) {
    return until(async () => (await this.waiting(channel)) === count, `${count} wait on ${channel}`);
  }

  async stop() {
    if (this.child.exitCode === null) {
      this.child.kill("SIGTERM");
      await once(this.child, "exit");
    }
    assert.ok(!this.said.err.includes("panicked"), this.said.err);
    assert.equal(this.child.exitCode, 0, this.said.err);
  }
}
