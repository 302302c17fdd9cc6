// WebSocket with Node's `ws`, which checks every frame of the server.

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";

import WebSocket from "ws";

import { start, until } from "./program.js";

let program;
let number = 0;

before(async () => {
  program = await start("--history-messages", "1000");
});

after(() => program.stop());

const freshName = () => `node.${++number}`;

/** A client that speaks JSON and keeps what it heard. */
class Client {
  constructor(path, server = program, options = {}) {
    this.socket = new WebSocket(`ws://${server.waitAddress}${path}`, { perMessageDeflate: false, ...options });
    this.heard = [];
    this.socket.on("message", (data, binary) => this.heard.push(binary ? data : data.toString()));
    this.closed = once(this.socket, "close");
    this.closed.catch(() => {});
  }

  async opened() {
    await once(this.socket, "open");
    return this;
  }

  say(words) {
    this.socket.send(JSON.stringify(words));
  }

  items(key) {
    return this.heard.map((text) => JSON.parse(text)).filter((item) => key in item);
  }

  async until(key, count = 1) {
    return until(() => {
      const items = this.items(key);
      return items.length >= count && items;
    }, `${count} with ${key}: ${this.heard}`);
  }

  async close() {
    this.socket.close(1000);
    const [code] = await this.closed;
    assert.equal(code, 1000);
  }
}

test("a message is an object in a text frame", async () => {
  const name = freshName();
  const client = await new Client(`/sub/${name}`).opened();
  await client.until("cursor");
  const cursor = await program.publish(name, "hello", "?event=tick");
  const [{ time, ...message }] = await client.until("data");
  assert.deepEqual(message, { cursor, channel: name, event: "tick", data: "hello" });
  assert.ok(time > 1.7e9);
  await client.close();
});

test("channels are added, left and pinged in place", async () => {
  const name = freshName();
  const client = await new Client("/sub/").opened();
  client.say({ subscribe: [name], id: 1 });
  const [{ cursor, ...answer }] = await client.until("subscribed");
  assert.deepEqual([typeof cursor, answer], ["string", { subscribed: [name], messages: [], id: 1 }]);
  await program.publish(name, "heard");
  await client.until("data");
  client.say({ unsubscribe: [name], id: 2 });
  assert.deepEqual(await client.until("unsubscribed"), [{ unsubscribed: [name], id: 2 }]);
  await program.publish(name, "not heard");
  client.say({ ping: "end" });
  assert.deepEqual(await client.until("pong"), [{ pong: "end" }]);
  assert.deepEqual(client.items("data").map((item) => item.data), ["heard"]);
  await client.close();
});

test("a backlog of 200 messages comes in pages, then live ones follow", async () => {
  const name = freshName();
  for (let n = 0; n < 200; n++) await program.publish(name, String(n));
  const client = await new Client("/sub/").opened();
  client.say({ subscribe: [name], since: 0 });
  const pages = await until(() => {
    const pages = client.items("subscribed");
    return pages.length > 0 && !pages.at(-1).more && pages;
  }, "the last page");
  assert.ok(pages.length > 1);
  await program.publish(name, "200");
  const live = await client.until("data");
  const all = [...pages.flatMap((page) => page.messages), ...live].map((message) => message.data);
  assert.deepEqual(all, Array.from({ length: 201 }, (_, n) => n));
  await client.close();
});

test("a client that was away resumes by its cursor", async () => {
  const name = freshName();
  const first = await new Client(`/sub/${name}`).opened();
  const [{ cursor }] = await first.until("cursor");
  first.socket.terminate();
  await program.publish(name, "one");
  await program.publish(name, "two");
  const second = await new Client(`/sub/${name}?since=${cursor}`).opened();
  const messages = await second.until("data", 2);
  assert.deepEqual(messages.map((message) => message.data), ["one", "two"]);
  await second.close();
});

test("a gap is told", async () => {
  const small = await start("--history-messages", "1");
  const name = freshName();
  const cursor = await small.publish(name, "0");
  await small.publish(name, "1");
  await small.publish(name, "2");
  const client = await new Client(`/sub/${name}?since=${cursor}`, small).opened();
  await client.until("data");
  assert.deepEqual(client.items("gap"), [{ gap: true, channel: name }]);
  await client.close();
  await small.stop();
});

test("an error repeats the id and the connection stays", async () => {
  const client = await new Client("/sub/").opened();
  client.say({ subscribe: ["a,b"], id: [1, "x"] });
  const [answer] = await client.until("error");
  assert.deepEqual(answer.id, [1, "x"]);
  assert.equal(answer.error.code, "channel-name");
  assert.equal(answer.error.status, 400);
  client.say({ ping: 1 });
  await client.until("pong");
  await client.close();
});

test("fragments with pings between make one command", async () => {
  const name = freshName();
  const client = await new Client("/sub/").opened();
  const pongs = [];
  client.socket.on("pong", (data) => pongs.push(data.toString()));
  const command = JSON.stringify({ subscribe: [name] });
  for (let at = 0; at < command.length; at += 5) {
    client.socket.send(command.slice(at, at + 5), { fin: at + 5 >= command.length });
    client.socket.ping(`at ${at}`);
  }
  await client.until("subscribed");
  await until(() => pongs.length === Math.ceil(command.length / 5), "every ping is answered");
  assert.equal(pongs[0], "at 0");
  await client.close();
});

test("raw frames are text or binary as the payload is", async () => {
  const name = freshName();
  const client = await new Client(`/sub/${name}?raw=1`).opened();
  await program.untilWaiting(name);
  await program.publish(name, "text");
  await program.publish(name, new Uint8Array([0, 255]));
  await until(() => client.heard.length === 2, "both are heard");
  assert.deepEqual(client.heard, ["text", Buffer.from([0, 255])]);
  await client.close();
});

test("a message over the limit is closed with 1009", async () => {
  const client = await new Client("/sub/").opened();
  client.socket.on("error", () => {});
  client.socket.send("x".repeat(2 << 20));
  const [code] = await client.closed;
  assert.equal(code, 1009);
});

test("text that is no UTF-8 is closed with 1007", async () => {
  const client = await new Client("/sub/").opened();
  client.socket.send(Buffer.from([0xff, 0xfe]), { binary: false });
  const [code] = await client.closed;
  assert.equal(code, 1007);
});

test("SIGTERM closes with 1001", async () => {
  const other = await start();
  const client = await new Client("/sub/a", other).opened();
  await other.untilWaiting("a");
  const stopped = other.stop();
  const [code] = await client.closed;
  assert.equal(code, 1001);
  await stopped;
});
