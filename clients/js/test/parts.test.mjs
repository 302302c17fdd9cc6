// The parts of the client that know no network: the event stream at every cut, waiting times, the choice of transport.

import assert from "node:assert/strict";
import { test } from "node:test";

import { source } from "./harness.mjs";

const { sseReader } = await source("sse");
const { checkWords } = await source("checks");
const { BAN_MS, STABLE_MS, backoff, chooser } = await source("choice");

const STREAM =
  'retry: 1500\nevent: cursor\nid: aA\ndata: {"cursor":"aA"}\n\nid: aB\ndata: {"cursor":"aB","channel":"n","data":"ü: ☃","time":1}\n\n' +
  'id: aC\nevent: gap\ndata: {"cursor":"aC","channel":"n","event":"gap","data":1,"time":1}\n\n' +
  'event: gap\ndata: {"channels":["n"]}\n\nevent: expired\ndata: {}\n\nevent: deleted\ndata: {"channel":"n"}\n\n' +
  'id: aC1\nevent: deleted-message\ndata: {"channel":"n","cursor":"aB"}\n\n' +
  'id: aC2\nevent: joined\ndata: {"channel":"n","user":"u","time":2}\n\nevent: of-tomorrow\ndata: {"channel":"n"}\n\nevent: cursor\nid: aD\ndata: {"cursor":"aD"}\n\n';

const FACTS = [
  1500,
  { cursor: "aA" },
  { cursor: "aB", channel: "n", data: "ü: ☃", time: 1 },
  { cursor: "aC", channel: "n", event: "gap", data: 1, time: 1 },
  { gap: true, channels: ["n"] },
  { expired: true },
  { deleted: "n" },
  { cursor: "aC1", deleted_message: { channel: "n", cursor: "aB" } },
  { cursor: "aC2", joined: { channel: "n", user: "u", time: 2 } },
  { cursor: "aD" },
];

function read(pieces) {
  const facts = [];
  const reader = sseReader((item) => facts.push(item), (ms) => facts.push(ms));
  pieces.forEach(reader);
  return facts;
}

test("an event stream says the same however it was cut", () => {
  assert.deepEqual(read([STREAM]), FACTS);
  assert.deepEqual(read([...STREAM]), FACTS);
  for (let at = 0; at <= STREAM.length; at++) {
    assert.deepEqual(read([STREAM.slice(0, at), STREAM.slice(at)]), FACTS, `cut at ${at}`);
  }
});

test("an event that is not whole is not told", () => {
  const whole = STREAM.lastIndexOf("event: cursor");
  for (let at = whole; at < STREAM.length - 1; at++) assert.deepEqual(read([STREAM.slice(0, at)]), FACTS.slice(0, -1));
});

test("waiting times double up to their bound, and chance takes a share of them", () => {
  assert.deepEqual([0, 1, 2, 3, 4, 99].map((n) => backoff(n, 100, 1000, 1)), [100, 200, 400, 800, 1000, 1000]);
  assert.equal(backoff(3, 100, 1000, 0), 0);
  assert.equal(backoff(3, 100, 1000, 0.25), 200);
});

const ORDER = ["ws", "sse", "poll"];

test("a transport that never opened gives way at once, and has its turn again later", () => {
  const choice = chooser(ORDER);
  assert.equal(choice._pick(0), "ws");
  assert.equal(choice._lost("ws", undefined, {}, 0), true);
  assert.equal(choice._pick(0), "sse");
  assert.equal(choice._pick(BAN_MS - 1), "sse");
  assert.equal(choice._pick(BAN_MS), "ws");
});

test("when none is left all are tried anew, after a wait", () => {
  const choice = chooser(ORDER);
  assert.equal(choice._lost("ws", undefined, {}, 0), true);
  assert.equal(choice._lost("sse", undefined, {}, 0), true);
  assert.equal(choice._lost("poll", undefined, {}, 0), false);
  assert.equal(choice._pick(0), "ws");
});

test("a transport that dies soon gives way the third time running", () => {
  const choice = chooser(ORDER);
  assert.equal(choice._lost("ws", 10, {}, 0), false);
  assert.equal(choice._lost("ws", 10, {}, 0), false);
  assert.equal(choice._lost("ws", 10, {}, 0), true);
  assert.equal(choice._pick(0), "sse");
});

test("one good connection makes up for what was lost before", () => {
  const choice = chooser(ORDER);
  choice._lost("ws", 10, {}, 0);
  choice._lost("ws", 10, {}, 0);
  assert.equal(choice._lost("ws", STABLE_MS, {}, 0), false);
  assert.equal(choice._lost("ws", 10, {}, 0), false);
  assert.equal(choice._pick(0), "ws");
});

test("a transport that once lived is not blamed for a handshake that fails, whatever lived since", () => {
  const choice = chooser(ORDER);
  choice._lost("ws", 10 * STABLE_MS, { _served: true }, 0);
  choice._lost("sse", 10 * STABLE_MS, {}, 0);
  assert.equal(choice._lost("ws", undefined, {}, 0), false);
  assert.equal(choice._lost("ws", undefined, {}, 0), false);
  assert.equal(choice._pick(0), "ws");
  assert.equal(choice._lost("ws", undefined, {}, 0), true);
  assert.equal(choice._pick(0), "sse");
});

test("what the server asked for counts against no transport", () => {
  const choice = chooser(ORDER);
  for (let n = 0; n < 10; n++) assert.equal(choice._lost("ws", undefined, { _served: true }, 0), false);
  assert.equal(choice._pick(0), "ws");
});

test("where nobody answers no transport is to blame", () => {
  const choice = chooser(ORDER);
  choice._lost("ws", undefined, {}, 0);
  assert.equal(choice._lost("sse", undefined, { _unreachable: true }, 0), false);
  assert.equal(choice._pick(0), "ws");
});

test("another network gives all of them a chance", () => {
  const choice = chooser(ORDER);
  choice._lost("ws", undefined, {}, 0);
  choice._reset();
  assert.equal(choice._pick(0), "ws");
});

test("a word that there is not is told with the one that was meant, or with all that there are", () => {
  const known = ["tail", "since", "deletedMessage", "ws"];
  const check = (word, expected) => assert.throws(() => checkWords("thing", [word], known), new TypeError(`there is no thing "${word}"; ${expected}`));
  for (const word of ["tails", "tial", "Tail", "ail", "tale", "TAIL"]) check(word, 'did you mean "tail"?');
  for (const word of ["deletedmessage", "deleted-message", "deletedMessages"]) check(word, 'did you mean "deletedMessage"?');
  check("wss", 'did you mean "ws"?');
  for (const word of ["", "x", "heartbeat", "__proto__", "tail since"]) check(word, "there are: tail, since, deletedMessage, ws");
  checkWords("thing", known, known);
  checkWords("thing", [], known);
});
