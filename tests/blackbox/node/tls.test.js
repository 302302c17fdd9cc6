// Pages over TLS: EventSource and WebSocket in Chromium, and Node, with a certificate made for the test.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import crypto from "node:crypto";
import fs from "node:fs";
import https from "node:https";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";

import WebSocket from "ws";

import { launch } from "./browser.js";
import { start, until } from "./program.js";

let browser, folder, authority, program, url;
let number = 0;

before(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "multiplexor-tls-"));
  const [certificate, key] = ["certificate.pem", "key.pem"].map((name) => path.join(folder, name));
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"];
  const names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  execFileSync("openssl", ["req", "-x509", ...curve, "-days", "30", ...names, "-keyout", key, "-out", certificate], {
    stdio: "ignore",
  });
  authority = fs.readFileSync(certificate);
  program = await start("--tls-certificate", certificate, "--tls-key", key);
  url = `https://localhost:${program.waitAddress.split(":")[1]}`;
  // Chromium trusts this one key, by its hash, and no other.
  const spki = new crypto.X509Certificate(authority).publicKey.export({ type: "spki", format: "der" });
  const hash = crypto.createHash("sha256").update(spki).digest("base64");
  browser = await launch(`--ignore-certificate-errors-spki-list=${hash}`);
});

after(async () => {
  await browser?.close();
  await program?.stop();
  fs.rmSync(folder, { recursive: true });
});

const freshName = () => `tls.${++number}`;

test("EventSource and WebSocket of a page hear over TLS", async () => {
  const name = freshName();
  const page = await browser.newPage();
  await page.goto(`${url}/`);
  await page.evaluate(
    ({ url, name }) => {
      window.heard = [];
      window.source = new EventSource(`${url}/sub/${name}`);
      window.source.onmessage = (event) => window.heard.push(`event ${event.data}`);
      window.socket = new WebSocket(`${url.replace("https", "wss")}/sub/${name}`);
      window.socket.onmessage = (event) => {
        const { data } = JSON.parse(event.data);
        if (data) window.heard.push(`socket ${data}`);
      };
    },
    { url, name },
  );
  await program.untilWaiting(name, 2);
  const long = "x".repeat(50_000);
  await program.publish(name, "hello");
  await program.publish(name, long);
  const heard = await until(async () => {
    const heard = await page.evaluate(() => window.heard);
    return heard.length === 4 && heard;
  }, "both have heard both");
  assert.deepEqual(heard.toSorted(), [`event hello`, `event ${long}`, `socket hello`, `socket ${long}`].toSorted());
  await page.close();
});

test("Node's ws and https hear over TLS", async () => {
  const name = freshName();
  const socket = new WebSocket(`${url.replace("https", "wss")}/sub/${name}`, { ca: authority });
  const told = [];
  socket.on("message", (data) => told.push(JSON.parse(data.toString()).data));
  await program.untilWaiting(name, 1);
  const polled = new Promise((resolve, reject) => {
    https
      .get(`${url}/sub/${name}`, { ca: authority }, (answer) => {
        let text = "";
        answer.on("data", (data) => (text += data));
        answer.on("end", () => resolve(JSON.parse(text)));
      })
      .on("error", reject);
  });
  await program.untilWaiting(name, 2);
  await program.publish(name, "hello");
  assert.equal((await polled).messages[0].data, "hello");
  await until(() => told.includes("hello"), "the socket has heard it");
  socket.terminate();
});
