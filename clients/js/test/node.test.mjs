// The client in Node against the real program: every transport, every option, and connections that are cut at random.

import assert from "node:assert/strict";
import http from "node:http";
import { after, before, test } from "node:test";

import { start, until } from "../../../tests/blackbox/node/program.js";
import { startProxy } from "../../../tests/blackbox/node/proxy.js";
import { Multiplexor } from "../dist/multiplexor.mjs";
import { SEED, TRANSPORTS, WebSocket, chanceOf, listen, numbers } from "./harness.mjs";

let program;
let count = 0;
const fresh = () => `js.${++count}`;

before(async () => {
  program = await start("--history-messages", "5000");
});
after(() => program.stop());

/** Publishes the numbers from `from` on, many at once, in order. */
async function publishNumbers(name, amount, from = 0, server = program) {
  const items = numbers(amount, from).map((data) => ({ channel: name, data }));
  const answer = await fetch(`http://${server.inAddress}/pub`, { method: "POST", body: JSON.stringify(items), headers: { "Content-Type": "application/json" } });
  assert.equal(answer.status, 200);
}

test("what was said before is read page by page, whatever it waits by", async () => {
  const name = `${fresh()}/ä`;
  await publishNumbers(name, 30);
  await program.publish(name, new Uint8Array([0, 255]), "?event=e");
  const mx = new Multiplexor(`http://${program.waitAddress}?since=0`);
  const last = await mx.history(name, { limit: 1 });
  assert.deepEqual([last.messages[0].data, last.messages[0].event, last.messages[0].channels], [new Uint8Array([0, 255]), "e", [name]]);
  assert.deepEqual([last.more, last.gap, last.cursor], [true, false, last.messages[0].cursor]);
  const all = await mx.history(name, { before: last.cursor });
  assert.deepEqual(all.messages.map(({ data }) => data), numbers(30));
  assert.equal(all.more, false);
  await assert.rejects(mx.history(name, { before: "yesterday" }), { code: "before", status: 400 });
  assert.equal(mx.state, "idle", "nobody waits by it");
});

test("a connection that the application ends is not made again", async () => {
  for (const transport of TRANSPORTS) {
    const name = fresh();
    const client = listen(program.waitAddress, name, { transports: [transport] });
    await client.opens(transport);
    await program.untilWaiting(name);
    const id = client.mx.connection;
    const answer = await fetch(`http://${program.inAddress}/connections/${id}?reason=${encodeURIComponent("go home")}`, { method: "DELETE" });
    assert.deepEqual(await answer.json(), { ended: 1 });
    const { code, message, fatal } = await client.tells("error");
    assert.deepEqual([code, message, fatal], ["ended", "go home", true]);
    assert.equal(client.mx.state, "closed");
    client.mx.close();
  }
});

for (const transport of TRANSPORTS) {
  const only = { transports: [transport] };

  test(`${transport}: a message has all that was said about it`, async () => {
    const name = fresh();
    const client = listen(program.waitAddress, name, only);
    const messages = [];
    client.mx.on("message", (message) => messages.push(message));
    await client.opens(transport);
    await program.untilWaiting(name);
    const cursor = await program.publish(name, '{"n":[1,null]}', "?event=tick");
    await program.publish(name, "plain ☃");
    await program.publish(name, new Uint8Array([0, 255]));
    await client.hears(3);
    assert.deepEqual(client.heard, [{ n: [1, null] }, "plain ☃", new Uint8Array([0, 255])]);
    const { time, ...first } = messages[0];
    assert.deepEqual(first, { cursor, channel: name, channels: [name], event: "tick", data: { n: [1, null] } });
    assert.ok(time instanceof Date && Math.abs(time - Date.now()) < 60_000);
    assert.equal(client.mx.cursor, messages[2].cursor);
    client.mx.close();
    assert.equal(client.mx.state, "closed");
    await program.untilWaiting(name, 0);
  });

  test(`${transport}: channels come and go while it listens`, async () => {
    const [one, two] = [fresh(), fresh()];
    const client = listen(program.waitAddress, one, only);
    await client.opens();
    const heard = [];
    const second = client.mx.subscribe([two], ({ channel, data }) => heard.push([channel, data]));
    await program.untilWaiting(two);
    await program.publish(two, "1");
    await until(() => heard.length === 1, "the new channel is heard");
    assert.deepEqual(client.mx.channels, [one, two]);
    second.unsubscribe();
    await program.untilWaiting(two, 0);
    await program.publish(two, "2");
    await program.untilWaiting(one);
    await program.publish(one, "3");
    await client.hears(1);
    assert.deepEqual([heard, client.heard], [[[two, 1]], [3]]);
    client.mx.unsubscribe(one);
    await until(() => client.mx.state === "idle", "nothing is left to listen to");
    await program.untilWaiting(one, 0);
    client.mx.close();
  });

  test(`${transport}: history comes first where it is asked for`, async () => {
    const name = fresh();
    await publishNumbers(name, 5);
    const all = listen(program.waitAddress, name, { ...only, since: 0 });
    const last = listen(program.waitAddress, name, { ...only, tail: 2 });
    await all.hears(5);
    await last.hears(2);
    const resumed = listen(program.waitAddress, name, { ...only, since: last.mx.cursor });
    await publishNumbers(name, 1, 5);
    for (const client of [all, last, resumed]) await until(() => client.heard.at(-1) === 5, "the live one is heard");
    assert.deepEqual([all.heard, last.heard, resumed.heard], [numbers(6), [3, 4, 5], [5]]);
    for (const { mx } of [all, last, resumed]) mx.close();
  });

  test(`${transport}: 1,000 messages through random cuts come once each and in order`, async () => {
    const name = fresh();
    const proxy = await startProxy(program.waitAddress);
    const chance = chanceOf(SEED);
    proxy.state.onBytes = (pair, data) => {
      pair.limit ??= 300 + chance() * 3_000;
      return Math.max(0, Math.floor(Math.min(data.length, pair.limit - (pair.bytes - data.length))));
    };
    const client = listen(proxy.address, name, only);
    await client.opens();
    for (let n = 0; n < 1000; n += 20) {
      await publishNumbers(name, 20, n);
      if (n % 200 === 0) proxy.cut();
    }
    await client.hears(1000);
    assert.deepEqual(client.heard, numbers(1000), `MULTIPLEXOR_SEED=${SEED}`);
    assert.ok(proxy.state.cuts >= 5, `${proxy.state.cuts} cuts, MULTIPLEXOR_SEED=${SEED}`);
    client.mx.close();
    proxy.stop();
  });

  test(`${transport}: the server knows the client again after a cut, and leaves it out where a publisher says so`, async () => {
    const name = fresh();
    const proxy = await startProxy(program.waitAddress);
    const client = listen(proxy.address, name, { ...only, retry: { min: 1_000, max: 1_000 } });
    const other = listen(program.waitAddress, name, only);
    await client.opens();
    await other.opens();
    await until(() => client.mx.connection?.length === 22, "it is told its id");
    const id = client.mx.connection;
    assert.notEqual(other.mx.connection, id);
    await program.untilWaiting(name, 2);
    proxy.cut();
    await until(() => client.mx.state !== "open", "the cut is noticed");
    await program.untilWaiting(name, 1);
    client.mx.reconnect();
    await client.opens();
    await program.untilWaiting(name, 2);
    assert.equal(client.mx.connection, id);
    const publish = (data, headers) => fetch(`http://${program.inAddress}/pub/${name}`, { method: "POST", body: data, headers });
    assert.equal((await publish("hidden", { "Multiplexor-Except": id })).status, 200);
    assert.equal((await publish("open")).status, 200);
    await client.hears(1);
    await other.hears(2);
    assert.deepEqual([client.heard, other.heard], [["open"], ["hidden", "open"]]);
    for (const { mx } of [client, other]) mx.close();
    proxy.stop();
  });

  test(`${transport}: a gap is told before what is left`, async () => {
    const small = await start("--history-messages", "2");
    const proxy = await startProxy(small.waitAddress);
    const client = listen(proxy.address, "a", { ...only, retry: { min: 300, max: 300 } });
    await client.opens();
    await publishNumbers("a", 1, 0, small);
    await client.hears(1);
    proxy.cut();
    await small.untilWaiting("a", 0);
    await publishNumbers("a", 9, 1, small);
    await client.hears(3);
    assert.deepEqual(client.heard, [0, 8, 9]);
    const gap = await client.tells("gap");
    if (transport !== "poll") assert.deepEqual(gap.channels, ["a"]);
    client.mx.close();
    proxy.stop();
    await small.stop();
  });

  test(`${transport}: where nobody is there it waits, and says why`, async () => {
    const name = fresh();
    const proxy = await startProxy("127.0.0.1:1");
    const client = listen(proxy.address, name, only);
    await until(() => client.mx.state === "waiting", "it waits");
    const { reason, retryIn } = client.told.find(({ state }) => state === "waiting");
    assert.ok(reason && retryIn >= 0 && retryIn <= 100);
    proxy.stop();
    client.mx.close();
  });

  test(`${transport}: a token goes along, asked for before every connection`, async () => {
    const name = fresh();
    const proxy = await startProxy(program.waitAddress);
    let asked = 0;
    const client = listen(proxy.address, name, { ...only, connectTimeout: 500, token: async () => `t${++asked}` });
    await client.opens();
    assert.match(proxy.state.requests[0], /[?&]token=t1[& ]/);
    client.mx.reconnect();
    await until(() => asked === 2, "it is asked for again");
    await client.opens();
    client.mx.close();
    proxy.stop();
  });
}

for (const transport of ["sse", "poll"]) {
  test(`${transport}: headers go along, and a refusal is told in the server's words and ends it`, async () => {
    const seen = [];
    const server = http.createServer((request, response) => {
      seen.push(request.headers["x-key"]);
      response.writeHead(403, { "Content-Type": "application/problem+json" });
      response.end('{"status":403,"code":"grant","detail":"you may not listen to a"}');
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    const client = listen(`127.0.0.1:${server.address().port}`, "a", { transports: [transport], headers: async () => ({ "X-Key": "k" }) });
    const error = await client.tells("error");
    assert.deepEqual(error, { kind: "error", code: "grant", message: "you may not listen to a", status: 403, fatal: true });
    assert.equal(client.mx.state, "closed");
    assert.deepEqual(seen, ["k"]);
    client.mx.reconnect();
    await until(() => seen.length === 2, "it tries again when told to");
    client.mx.close();
    server.close();
  });

  test(`${transport}: a busy server is left alone as long as it says`, async () => {
    const server = http.createServer((request, response) => {
      response.writeHead(503, { "Retry-After": "7" });
      response.end();
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    const client = listen(`127.0.0.1:${server.address().port}`, "a", { transports: [transport] });
    await until(() => client.mx.state === "waiting", "it waits");
    const { retryIn } = client.told.at(-1);
    assert.ok(retryIn >= 7000 && retryIn <= 7100, `${retryIn}`);
    client.mx.close();
    server.close();
  });
}

test("advice that is a date, as proxies may give it, leaves the wait to the client", async () => {
  const date = new Date(Date.now() + 3_600_000).toUTCString();
  const server = http.createServer((request, response) => response.writeHead(503, { "Retry-After": date }).end());
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { random } = Math;
  Math.random = () => 0.5;
  const client = listen(`127.0.0.1:${server.address().port}`, "a", { transports: ["sse"], retry: { min: 9_000, max: 9_000 } });
  await until(() => client.mx.state === "waiting", "it waits");
  Math.random = random;
  assert.equal(client.told.at(-1).retryIn, 4_500);
  client.mx.close();
  server.close();
});

test("the event stream's advice is obeyed, up to the bound that is set", async () => {
  const name = fresh();
  const proxy = await startProxy(program.waitAddress);
  const client = listen(proxy.address, name, { transports: ["sse"], retry: { min: 1, max: 60_000 } });
  await client.opens();
  proxy.cut();
  await until(() => client.mx.state === "waiting", "it waits");
  const { retryIn } = client.told.at(-1);
  assert.ok(retryIn >= 1000 && retryIn <= 3000, `${retryIn}`);
  client.mx.close();
  proxy.stop();
});

test("a poll that missed nothing says so at once", async () => {
  const patient = await start("--poll-timeout", "1h");
  const since = await patient.publish("a", "1");
  const client = listen(patient.waitAddress, "a", { transports: ["poll"], since, connectTimeout: 600_000 });
  await client.opens("poll");
  await patient.untilWaiting("a");
  await patient.publish("a", "2");
  await client.hears(1);
  assert.deepEqual(client.heard, [2]);
  client.mx.close();
  await patient.stop();
});

test("a server that goes down is waited for, and no transport is blamed", async () => {
  const other = await start();
  const client = listen(other.waitAddress, "a");
  await client.opens("ws");
  await other.stop();
  await until(() => client.told.find(({ state }) => state === "waiting"), "it waits");
  assert.equal(client.told.find(({ state }) => state === "waiting").reason, "the server is going down");
  client.mx.close();
});

test("a deleted channel is told and listened to no longer", async () => {
  for (const transport of TRANSPORTS) {
    const [gone, stays] = [fresh(), fresh()];
    const client = listen(program.waitAddress, [gone, stays], { transports: [transport] });
    await client.opens();
    await program.untilWaiting(gone);
    await fetch(`http://${program.inAddress}/channels/${gone}`, { method: "DELETE" });
    assert.equal((await client.tells("deleted")).channel, gone);
    assert.deepEqual(client.mx.channels, [stays]);
    await program.untilWaiting(stays);
    await fetch(`http://${program.inAddress}/channels/${stays}`, { method: "DELETE" });
    await until(() => client.mx.state === "idle", "nothing is left");
    client.mx.close();
  }
});

test("a message that was taken back is told by every transport, and told to those who come back", async () => {
  const takeBack = (name, cursor) => fetch(`http://${program.inAddress}/channels/${name}/history/${cursor}`, { method: "DELETE" });
  for (const transport of TRANSPORTS) {
    const name = fresh();
    const client = listen(program.waitAddress, name, { transports: [transport] });
    await client.opens();
    await program.untilWaiting(name);
    const cursor = await program.publish(name, "typo");
    await client.hears(1);
    assert.equal((await takeBack(name, cursor)).status, 200);
    const told = await client.tells("deletedMessage");
    assert.deepEqual([told.channel, told.cursor], [name, cursor], transport);
    await program.publish(name, "right");
    await client.hears(2);
    assert.deepEqual(client.mx.channels, [name], "it listens on");
    client.mx.close();
    const again = listen(program.waitAddress, name, { transports: [transport], since: cursor });
    assert.equal((await again.tells("deletedMessage")).cursor, cursor, transport);
    await again.hears(1);
    again.mx.close();
  }
});

test("a listener that throws is told of and stops nothing", async () => {
  const name = fresh();
  const client = listen(program.waitAddress, name);
  client.mx.subscribe(name, () => {
    throw new Error("on purpose");
  });
  const heard = [];
  client.mx.subscribe(name, ({ data }) => heard.push(data));
  await client.opens();
  const { error } = console;
  console.error = () => {};
  await publishNumbers(name, 2);
  await until(() => heard.length === 2, "the others hear");
  console.error = error;
  assert.match((await client.tells("error")).message, /on purpose/);
  client.mx.close();
});

test("a message to several channels is heard once by each listener", async () => {
  const [a, b] = [fresh(), fresh()];
  const client = listen(program.waitAddress, [a, b]);
  await client.opens();
  const messages = [];
  client.mx.on("message", ({ channels }) => messages.push(channels));
  await fetch(`http://${program.inAddress}/pub/${a},${b}`, { method: "POST", body: "x" });
  await client.hears(1);
  assert.deepEqual([client.heard, messages], [["x"], [[a, b]]]);
  client.mx.close();
});

const LONG = numbers(900).map((n) => `${"long".repeat(20)}.${n}`);

for (const transport of TRANSPORTS) {
  test(`${transport}: 900 channels with long names are listened to`, async () => {
    const client = listen(program.waitAddress, LONG, { transports: [transport] });
    await client.opens(transport);
    await program.publish(LONG[899], "heard");
    await client.hears(1);
    client.mx.close();
  });
}

test("where all transports may be used, 900 long names are listened to by WebSocket, and come and go there", async () => {
  const client = listen(program.waitAddress, LONG);
  await client.opens();
  const more = fresh();
  client.mx.subscribe(more);
  client.mx.unsubscribe(LONG[0]);
  await program.untilWaiting(more);
  await program.untilWaiting(LONG[0], 0);
  await program.publish(LONG[899], "heard");
  await client.hears(1);
  assert.deepEqual(client.states(), ["connecting ws", "open ws"]);
  client.mx.close();
});

test("900 long names: what was missed comes in pages, once each and in order, through cuts in the middle of them", async () => {
  const names = LONG.map((name) => `${name}.${fresh()}`);
  const client = listen(program.waitAddress, names, { transports: ["ws"] });
  await client.opens();
  const start = client.mx.cursor;
  client.mx.close();
  for (let n = 0; n < 600; n += 100) {
    const items = numbers(100, n).map((data) => ({ channel: names[(data * 7) % 900], data }));
    await fetch(`http://${program.inAddress}/pub`, { method: "POST", body: JSON.stringify(items), headers: { "Content-Type": "application/json" } });
  }
  const proxy = await startProxy(program.waitAddress);
  const chance = chanceOf(SEED);
  proxy.state.onBytes = (pair, data) => {
    // More than the list of names that an answer repeats once, less than all that was missed.
    pair.limit ??= 120_000 + chance() * 30_000;
    return Math.max(0, Math.floor(Math.min(data.length, pair.limit - (pair.bytes - data.length))));
  };
  const back = listen(proxy.address, names, { transports: ["ws"], since: start });
  await back.hears(600);
  assert.deepEqual(back.heard, numbers(600), `MULTIPLEXOR_SEED=${SEED}`);
  assert.ok(proxy.state.cuts >= 1, `${proxy.state.cuts} cuts, MULTIPLEXOR_SEED=${SEED}`);
  back.mx.close();
  proxy.stop();
});

test("a command's refusal of what a connection is for ends it, as a status would", async () => {
  const small = await start("--channels-limit", "100");
  const client = listen(small.waitAddress, LONG, { transports: ["ws"] });
  const { code, status, fatal } = await client.tells("error");
  assert.deepEqual([code, status, fatal, client.mx.state], ["channel-count", 400, true, "closed"]);
  client.mx.close();
  await small.stop();
});

test("a command that is refused as one too many at this moment is tried again later", async () => {
  // The handshake is the one request of this second, and such a name goes in a command.
  const strict = await start("--address-requests", "1");
  const client = listen(strict.waitAddress, "user/7", { transports: ["ws"] });
  const { status, fatal } = await client.tells("error");
  await until(() => client.states().includes("waiting"), "it waits");
  assert.deepEqual([status, fatal, client.states().includes("closed")], [429, false, false]);
  client.mx.close();
  await strict.stop();
});

test("a bad name is refused at once", () => {
  const mx = new Multiplexor("http://127.0.0.1:1");
  for (const name of ["", "a,b", "$a", "a\nb", ".", ".."]) assert.throws(() => mx.subscribe(name), TypeError, name);
});

test("options and events that there are not are refused at once, by a sentence with the near one", () => {
  const address = "http://127.0.0.1:1";
  const refused = (make, ...words) =>
    assert.throws(make, (error) => error instanceof TypeError && words.every((word) => error.message.includes(word)) ? true : assert.fail(error));
  refused(() => new Multiplexor(address, { tails: 4 }), '"tails"', 'did you mean "tail"?');
  refused(() => new Multiplexor(address, { Token: "t" }), 'did you mean "token"?');
  refused(() => new Multiplexor(address, { websocket: WebSocket }), 'did you mean "WebSocket"?');
  refused(() => new Multiplexor(address, { heartbeat: 5 }), '"heartbeat"', "token, shared, transports");
  refused(() => new Multiplexor(address, { retry: { mim: 1 } }), '"mim"', 'did you mean "min"?');
  refused(() => new Multiplexor(address, { transports: ["websocket"] }), '"websocket"', "ws, sse, poll");
  refused(() => new Multiplexor({ tail: 4 }), "first comes the address");
  const mx = new Multiplexor(address);
  refused(() => mx.on("mesage", () => {}), '"mesage"', 'did you mean "message"?');
  refused(() => mx.on("deletedmessage", () => {}), 'did you mean "deletedMessage"?');
  refused(() => mx.on("open", () => {}), '"open"', "message, state, gap");
  refused(() => mx.subscribe("a", { tail: 4 }), "listener");
  refused(() => mx.on("message"), "listener");
  assert.equal(mx.state, "idle");
  assert.deepEqual(mx.channels, []);
  new Multiplexor(new URL(address), { tail: 4, since: 0, retry: { min: 1, max: 2 }, credentials: "include", shared: false });
});

test("one name too many is told, and the others stay", async () => {
  const small = await start("--channels-limit", "2");
  const client = listen(small.waitAddress, ["a", "b"], { transports: ["ws"] });
  await client.opens();
  client.mx.subscribe("c");
  const error = await client.tells("error");
  assert.deepEqual([error.code, error.fatal, error.channels], ["channel-count", false, ["c"]]);
  assert.deepEqual(client.mx.channels, ["a", "b"]);
  client.mx.close();
  await small.stop();
});

test("what falls silent counts as broken, whatever the socket says", async () => {
  const name = fresh();
  const proxy = await startProxy(program.waitAddress);
  const client = listen(proxy.address, name, { transports: ["ws"], silence: 1000 });
  await client.opens();
  await until(() => client.told.find(({ reason }) => reason === "the connection fell silent"), "it says so");
  await client.opens();
  client.mx.close();
  proxy.stop();
});

test("without a WebSocket, the next transport is taken; fetch can be given", async () => {
  const name = fresh();
  let fetched = 0;
  const options = { fetch: (...request) => (fetched++, fetch(...request)), WebSocket: undefined };
  const client = listen(program.waitAddress, name, options);
  if (globalThis.WebSocket) await client.opens("ws");
  else {
    await client.opens("sse");
    assert.equal(fetched, 1);
  }
  client.mx.close();
});

test("after close, a subscription begins anew", async () => {
  const name = fresh();
  const mx = new Multiplexor(`http://${program.waitAddress}`, { WebSocket });
  mx.subscribe(name);
  mx.close();
  assert.deepEqual(mx.channels, []);
  mx.subscribe(name);
  await until(() => mx.state === "open", "it is open");
  mx.close();
});
