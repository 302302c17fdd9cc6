// What a page says to others, in Node against the real program: over the WebSocket that is open, else by requests.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";

import { start, until } from "../../../tests/blackbox/node/program.js";
import { Multiplexor } from "../dist/multiplexor.mjs";
import { TRANSPORTS, WebSocket, listen } from "./harness.mjs";

const SECRET = "an-example-secret-of-more-than-32-characters";
const folder = mkdtempSync(path.join(tmpdir(), "multiplexor-publish-"));
let program;

before(async () => {
  const file = path.join(folder, "multiplexor.toml");
  writeFileSync(file, `token_secret = "${SECRET}"\n[[channel]]\nmatch = "room.*"\npublish = "open"\n[[channel]]\nmatch = "team.*"\npublish = "token"\n`);
  program = await start("--config", file);
});
after(async () => {
  await program.stop();
  rmSync(folder, { recursive: true });
});

/** Too long, and of no kind that becomes a hundred times shorter on its way. */
const LONG = Array.from({ length: 4_000 }, (_, n) => n * n).join();

const coded = (text) => Buffer.from(text).toString("base64url");
const tokenOf = (claims) => {
  const text = coded('{"alg":"HS256","typ":"JWT"}') + "." + coded(JSON.stringify({ exp: Date.now() / 1000 + 60, ...claims }));
  return text + "." + createHmac("sha256", SECRET).update(text).digest("base64url");
};

/** How many requests a client made that publish; `fetch` is that of Node. */
const counted = () => {
  const count = { posts: 0 };
  count.fetch = (url, init) => {
    count.posts += /\/pub\//.test(url) ? 1 : 0;
    return fetch(url, init);
  };
  return count;
};

for (const transport of TRANSPORTS) {
  test(`${transport}: what it says is heard by others, with the user`, async () => {
    const name = `room.${transport}/ä`;
    const other = listen(program.waitAddress, name);
    const count = counted();
    const one = listen(program.waitAddress, name, { transports: [transport], token: tokenOf({ sub: "ann" }), fetch: count.fetch });
    const messages = [];
    other.mx.on("message", (message) => messages.push(message));
    await Promise.all([other.opens(), one.opens(transport)]);
    const said = [{ a: [1] }, "text", null, new Uint8Array([0, 255]), "{}"];
    for (const data of said) {
      const { cursor } = await one.mx.publish(name, data, { event: "e", ttl: 5 });
      assert.match(cursor, /^\w+$/);
    }
    await other.hears(said.length);
    await one.hears(said.length);
    assert.deepEqual([other.heard, one.heard], [said, said]);
    assert.ok(messages.every(({ user, event, channel }) => user === "ann" && event === "e" && channel === name));
    assert.equal(count.posts, transport === "ws" ? 1 : said.length, "bytes go by a request always");
    other.mx.close();
    one.mx.close();
  });

  test(`${transport}: it need not hear itself, and a repeat publishes nothing`, async () => {
    const name = `room.echo.${transport}`;
    const one = listen(program.waitAddress, name, { transports: [transport] });
    const other = listen(program.waitAddress, name);
    await Promise.all([other.opens(), one.opens(transport)]);
    await one.mx.publish(name, 1, { echo: false });
    const first = await one.mx.publish(name, 2, { key: "k", echo: false });
    assert.deepEqual(await one.mx.publish(name, 2, { key: "k", echo: false }), first);
    await one.mx.publish(name, 3);
    await other.hears(3);
    await one.hears(1);
    assert.deepEqual([other.heard, one.heard], [[1, 2, 3], [3]]);
    await assert.rejects(one.mx.publish(name, 4, { key: "k", echo: false }), { code: "key-reused", status: 422 });
    other.mx.close();
    one.mx.close();
  });

  test(`${transport}: what is refused is thrown, and ends nothing`, async () => {
    const name = `room.refused.${transport}`;
    const one = listen(program.waitAddress, name, { transports: [transport] });
    await one.opens(transport);
    await assert.rejects(one.mx.publish("elsewhere", 1), { code: "publish", status: 403 });
    await assert.rejects(one.mx.publish("team.a", 1), { code: "credentials", status: 401 });
    await assert.rejects(one.mx.publish(name, 1, { event: "gap" }), { code: "event", status: 400 });
    await assert.rejects(one.mx.publish(name, LONG), { code: "payload", status: 413 });
    await assert.rejects(one.mx.publish(name, 1, { tll: 1 }), /did you mean "ttl"/);
    one.mx.subscribe(`${name}.more`);
    await one.mx.publish(name, "still");
    await one.hears(1);
    assert.ok(!one.told.some(({ kind }) => kind === "error"), JSON.stringify(one.told));
    one.mx.close();
  });
}

test("who waits for nothing says something by a request, with its token", async () => {
  const mx = new Multiplexor(`http://${program.waitAddress}`, { token: async () => tokenOf({ sub: "ann", publish: "team.*" }) });
  const { cursor } = await mx.publish("team.a", { x: 1 });
  const { messages } = await mx.history("team.a");
  assert.deepEqual([messages[0].cursor, messages[0].user, messages[0].data, mx.state], [cursor, "ann", { x: 1 }, "idle"]);
});

test("many at once are answered each, in order, while channels change", async () => {
  const one = listen(program.waitAddress, "room.many", { transports: ["ws"] });
  await one.opens("ws");
  const said = Array.from({ length: 20 }, (_, n) => n);
  const answers = said.map((n) => {
    if (n % 5 === 0) one.mx.subscribe(`room.other.${n}`);
    return one.mx.publish("room.many", n);
  });
  const cursors = (await Promise.all(answers)).map(({ cursor }) => cursor);
  await one.hears(said.length);
  assert.deepEqual(one.heard, said);
  assert.equal(new Set(cursors).size, said.length);
  one.mx.close();
});

test("who is cut off before the answer is told that it may have been said", async () => {
  // A server that takes everything and answers nothing.
  class Silent extends WebSocket {
    send(text) {
      if (!/publish/.test(text)) return super.send(text);
      setTimeout(() => this.terminate(), 10);
    }
  }
  const one = listen(program.waitAddress, "room.lost", { transports: ["ws"], WebSocket: Silent });
  await one.opens("ws");
  await assert.rejects(one.mx.publish("room.lost", 1), { code: "lost" });
  await until(() => one.mx.state === "open", "it comes back");
  const closed = one.mx.publish("room.lost", 2);
  one.mx.close();
  await assert.rejects(closed, { code: "lost" });
});
