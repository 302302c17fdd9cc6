// Who is on a channel, by each transport: the list, who comes and goes, what happened while one was away, a channel more.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";

import { start, until } from "../../../tests/blackbox/node/program.js";
import { startProxy } from "../../../tests/blackbox/node/proxy.js";
import { TRANSPORTS, listen, source } from "./harness.mjs";

const SECRET = "a-secret-for-tests-of-32-letters-or-more";
let folder, program;
let count = 0;
const fresh = () => `room.js${++count}`;

before(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "multiplexor-presence-"));
  const file = path.join(folder, "presence.toml");
  const room = '[[channel]]\nmatch = "room.*"\npresence = "open"\n';
  writeFileSync(file, `token_secret = "${SECRET}"\npresence_grace = "1s"\n${room}`);
  program = await start("--config", file);
});
after(async () => {
  await program?.stop();
  rmSync(folder, { recursive: true, force: true });
});

function tokenOf(sub) {
  const base64 = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${base64({ alg: "HS256" })}.${base64({ sub, listen: ["room.*"], info: { name: sub.toUpperCase() }, exp: 2 ** 32 })}`;
  return `${text}.${createHmac("sha256", SECRET).update(text).digest("base64url")}`;
}

/** A client of this user that keeps what it hears of others. */
function come(user, rooms, transport, options) {
  const client = listen(program.waitAddress, rooms, { transports: [transport], token: tokenOf(user), ...options });
  client.people = [];
  client.mx.on("presence", (told) => client.people.push(told));
  client.last = (room) => client.people.findLast(({ channel }) => channel === room);
  client.sees = (room, names) =>
    until(() => client.last(room)?.users.map(({ user }) => user).join() === names, `${names} are seen: ${JSON.stringify(client.people)}`);
  return client;
}

for (const transport of TRANSPORTS) {
  test(`${transport}: who is here is told first, and then who comes and goes`, async () => {
    const room = fresh();
    const bob = come("bob", room, "sse");
    await bob.opens();
    const ann = come("ann", room, transport, { presence: true });
    await ann.sees(room, "ann,bob");
    const first = ann.last(room);
    assert.deepEqual([first.count, first.anonymous, first.users[1].info], [2, 0, { name: "BOB" }]);
    assert.ok(Math.abs(first.users[1].since - Date.now()) < 60_000);
    const cid = come("cid", room, "ws");
    await ann.sees(room, "ann,bob,cid");
    assert.deepEqual([ann.last(room).joined.user, ann.last(room).left], ["cid", undefined]);
    bob.mx.close();
    await ann.sees(room, "ann,cid");
    assert.deepEqual([ann.last(room).left.user, ann.last(room).count], ["bob", 2]);
    assert.equal(ann.heard.length, 0, "none of that is a message");
    ann.mx.close();
    cid.mx.close();
  });

  test(`${transport}: a channel that is added has its list`, async () => {
    const [room, other] = [fresh(), fresh()];
    const bob = come("bob", [room, other], "sse");
    const ann = come("ann", room, transport, { presence: true });
    await ann.sees(room, "ann,bob");
    ann.mx.subscribe(other);
    await ann.sees(other, "ann,bob");
    await ann.sees(room, "ann,bob");
    bob.mx.close();
    await ann.sees(other, "ann");
    await ann.sees(room, "ann");
    ann.mx.close();
  });

  test(`${transport}: what happened while it was cut off is told when it comes back`, async () => {
    const room = fresh();
    const proxy = await startProxy(program.waitAddress);
    const bob = come("bob", room, "sse");
    const ann = listen(proxy.address, room, { transports: [transport], token: tokenOf("ann"), presence: true });
    const names = [];
    ann.mx.on("presence", ({ users, joined, left }) => names.push([users.map(({ user }) => user).join(), joined?.user, left?.user]));
    await until(() => names.at(-1)?.[0] === "ann,bob", "both are seen");
    // Nothing comes through.
    proxy.state.onBytes = () => 0;
    proxy.cut();
    const cid = come("cid", room, "sse");
    await cid.opens();
    bob.mx.close();
    await until(async () => !JSON.stringify(await (await fetch(`http://${program.inAddress}/channels/${room}/users`)).json()).includes("bob"), "he left");
    proxy.state.onBytes = null;
    await until(() => names.at(-1)?.[0].endsWith("cid") && !names.at(-1)[0].includes("bob"), JSON.stringify(names));
    assert.deepEqual(names.filter(([, joined]) => joined === "cid").length, 1, JSON.stringify(names));
    ann.mx.close();
    cid.mx.close();
    proxy.stop();
  });
}

test("a channel without presence refuses it by name", async () => {
  const ann = come("ann", "plain", "ws", { presence: true });
  const { code, message } = await ann.tells("error");
  assert.equal(code, "presence");
  assert.match(message, /plain/);
  ann.mx.close();
});

test("lists come in pages, and what was told twice is one change", async () => {
  const { roster } = await source("presence");
  const told = [];
  const people = roster((fact) => told.push(fact));
  const page = (users, more) => people._item({ present: { channel: "a", users: users.map((user) => ({ user, since: 1 })), count: 3, anonymous: 1, ...(more && { more }) } });
  page(["x", "y"], true);
  assert.equal(told.length, 0);
  page(["z"]);
  assert.deepEqual(told[0].users.map(({ user }) => user), ["x", "y", "z"]);
  for (const _ of [1, 2]) people._item({ left: { channel: "a", user: "y", time: 2 } });
  for (const _ of [1, 2]) people._item({ changes: [{ joined: { channel: "a", user: "b", time: 2 } }] });
  people._item({ joined: { channel: "unknown", user: "b", time: 2 } });
  assert.deepEqual(told.map(({ count, joined, left }) => [count, joined?.user ?? left?.user]), [[3, undefined], [2, "y"], [3, "b"]]);
  people._keep([]);
  assert.deepEqual([people._users("a"), people._knows(["a"]), people._knows([])], [[], false, true]);
});
