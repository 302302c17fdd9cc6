// Who a page is: signed URLs, tokens that end, sessions by cookie; and the reason where it is refused.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";

import { inEachBrowser, startSite } from "../../../tests/blackbox/node/browser.js";
import { start, until } from "../../../tests/blackbox/node/program.js";
import { startProxy } from "../../../tests/blackbox/node/proxy.js";
import { TRANSPORTS, contextOf, listen, source } from "./harness.mjs";

const SECRET = "a-secret-for-tests-of-32-letters-or-more";
const CLOSED = '[[channel]]\nmatch = "user.*"\nlisten = "token"\n';
const { renewIn } = await source("token");

let folder, program, hook, site, listed, strict;
let count = 0;
const fresh = () => `user.js${++count}`;

const settings = (name, lines) => {
  const file = path.join(folder, `${name}.toml`);
  writeFileSync(file, `${lines}\n${CLOSED}`);
  return ["--config", file];
};

before(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "multiplexor-credentials-"));
  // The application: whoever has a session is let in.
  hook = http.createServer((request, response) => {
    const isAnn = /\bsession=ann\b/.test(request.headers.cookie ?? "");
    response.writeHead(isAnn ? 200 : 403, { "Content-Type": "application/json" });
    response.end(isAnn ? '{"user":"ann","listen":"user.*"}' : "");
  });
  await new Promise((resolve) => hook.listen(0, "127.0.0.1", resolve));
  site = await startSite();
  const asks = `hook = "http://127.0.0.1:${hook.address().port}/"\nhook_cookies = ["session"]\n`;
  [program, listed, strict] = await Promise.all([
    start(...settings("tokens", `token_secret = "${SECRET}"`)),
    start(...settings("listed", `${asks}origins = ["${new URL(site.url).origin}"]`)),
    start(...settings("strict", asks)),
  ]);
});
after(async () => {
  site?.stop();
  hook?.close();
  for (const each of [program, listed, strict]) await each?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const seconds = () => Math.floor(Date.now() / 1000);
const base64 = (text) => Buffer.from(text).toString("base64url");
const sign = (text) => createHmac("sha256", SECRET).update(text).digest("base64url");

function jwt(claims) {
  const text = `${base64('{"alg":"HS256"}')}.${base64(JSON.stringify(claims))}`;
  return `${text}.${sign(text)}`;
}

/** What an application makes for these channels, as docs/access.md shows it. */
function signed(names, expires = seconds() + 600) {
  const signature = `v2.${sign(["multiplexor-url-2", "GET", names.join(","), expires, "", ""].join("\n"))}`;
  return `?${new URLSearchParams({ expires, signature })}`;
}

for (const transport of TRANSPORTS) {
  const only = { transports: [transport] };

  test(`${transport}: a signed URL lets one in, after a cut, too, and what else stands in the address goes along`, async () => {
    const name = `${fresh()}/ü`;
    const proxy = await startProxy(program.waitAddress);
    const client = listen(`${proxy.address}${signed([name])}&heartbeat=7&tail=1`, name, only);
    await client.opens(transport);
    await program.untilWaiting(name);
    await program.publish(name, "1");
    await client.hears(1);
    proxy.cut();
    await program.publish(name, "2");
    await client.hears(2);
    assert.deepEqual(client.heard, [1, 2]);
    const asked = proxy.state.requests.map((request) => new URL(/ (\S+) HTTP/.exec(request)[1], "http://x").searchParams);
    assert.ok(asked.length >= 2 && asked.every((query) => query.get("heartbeat") === "7" && query.get("transport") === transport));
    assert.equal(asked[0].get("tail"), "1");
    assert.equal(asked.at(-1).get("tail"), null, "who has a cursor begins there");
    assert.deepEqual(client.told.filter(({ kind }) => kind === "error"), []);
    client.mx.close();
    proxy.stop();
  });

  test(`${transport}: where it begins may stand in the address, and holds for the first connection`, async () => {
    const name = `open.${fresh()}`;
    await program.publish(name, "1");
    const client = listen(`${program.waitAddress}/?since=0`, name, only);
    await client.hears(1);
    client.mx.reconnect();
    await client.opens();
    await program.publish(name, "2");
    await client.hears(2);
    assert.deepEqual(client.heard, [1, 2]);
    client.mx.close();
  });

  test(`${transport}: the server's sentence says what is wrong with what was shown`, async () => {
    const name = fresh();
    const forged = jwt({ exp: seconds() + 60, listen: name }).slice(0, -6) + "AAAAAA";
    const cases = [
      ["", {}, 401, "credentials", /show a token/],
      ["", { token: forged }, 401, "token-signature", /signature/],
      ["", { token: jwt({ exp: seconds() - 600, listen: name }) }, 401, "token-expired", /ended|expired/],
      ["", { token: jwt({ exp: seconds() + 60, listen: "user.other" }) }, 403, "grant", /does not|do not grant/],
      [signed([name], seconds() - 5), {}, 401, "url-expired", /./],
      [signed(["user.other"]), {}, 401, "url-signature", /./],
    ];
    for (const [query, options, status, code, words] of cases) {
      const client = listen(`${program.waitAddress}${query}`, name, { ...only, ...options });
      const error = await client.tells("error");
      assert.deepEqual([error.status, error.code, error.fatal, client.mx.state], [status, code, true, "closed"]);
      assert.match(error.message, words);
      client.mx.close();
    }
  });
}

/** Tokens that end 8 s after they were made, and how many were asked for. */
function short(name, more = {}) {
  const asked = { count: 0, first: 0 };
  asked.token = async () => {
    const exp = seconds() + 8;
    asked.first ||= exp;
    asked.count += 1;
    return jwt({ exp, sub: "ann", listen: name, ...more });
  };
  return asked;
}

test("with tokens of 8 seconds nobody sees that they end: on the live WebSocket, and by all else", async () => {
  // A token that was made in an hour, by the clock of a client that is late, does not say when to ask for the next one.
  const clients = await Promise.all([...TRANSPORTS, ...TRANSPORTS].map(async (transport, n) => {
    const isBlind = n >= TRANSPORTS.length;
    const [name, proxy] = [fresh(), await startProxy(program.waitAddress)];
    const asked = short(name, isBlind ? { iat: seconds() + 3_600 } : {});
    return { name, asked, transport, isBlind, proxy, ...listen(proxy.address, name, { transports: [transport], token: asked.token }) };
  }));
  await Promise.all(clients.map(async ({ name, asked, heard, opens, hears, told, states, transport, isBlind, proxy, mx }) => {
    await opens(transport);
    await program.untilWaiting(name);
    await program.publish(name, "1");
    await until(() => seconds() > asked.first && asked.count >= 2, "it outlives its first token");
    await program.publish(name, "2");
    await hears(2);
    assert.deepEqual(heard, [1, 2]);
    assert.deepEqual(states(), [`connecting ${transport}`, `open ${transport}`]);
    assert.deepEqual(told.filter(({ kind }) => kind !== "state"), []);
    if (transport === "ws") assert.equal(proxy.state.accepted, isBlind ? 2 : 1, "a WebSocket goes on as it is, where it can");
    mx.close();
    proxy.stop();
  }));
});

test("a token that is the same still is not shown anew, and a function that fails is asked again in time", async (t) => {
  t.mock.method(Math, "random", () => 0);
  const kinds = ["cached", "failing"].flatMap((kind) => ["ws", "sse"].map((transport) => [kind, transport]));
  await Promise.all(kinds.map(async ([kind, transport]) => {
    const [name, proxy, exp] = [fresh(), await startProxy(program.waitAddress), seconds() + 8];
    const asked = [];
    const token = () => {
      asked.push(Date.now());
      if (kind === "failing" && asked.length === 2) throw new Error("not now");
      return jwt({ exp: kind === "failing" && asked.length > 2 ? exp + 600 : exp, sub: "ann", listen: name });
    };
    const client = listen(proxy.address, name, { transports: [transport], token });
    await client.opens();
    await until(() => asked.length >= 3 || seconds() >= exp, "it asks");
    assert.ok(asked.length >= 3 && asked[2] < exp * 1000, "it is asked again before the end");
    assert.ok(asked.every((at, n) => !n || at - asked[n - 1] >= 1_000), `no sooner than after a second: ${asked}`);
    if (kind === "failing") await until(() => seconds() > exp, "it outlives its first token");
    assert.equal(proxy.state.requests.length, transport === "sse" && kind === "failing" ? 2 : 1);
    assert.equal(client.mx.state, "open");
    client.mx.close();
    proxy.stop();
  }));
});

test("where the next token is of somebody else, a live WebSocket gives way to a new one, unseen", async () => {
  const name = fresh();
  let asked = 0;
  const token = () => jwt({ exp: seconds() + 4, sub: `user ${++asked}`, listen: name });
  const proxy = await startProxy(program.waitAddress);
  const client = listen(proxy.address, name, { transports: ["ws"], token });
  await client.opens();
  await until(() => proxy.state.accepted >= 2, "it comes anew");
  await program.untilWaiting(name);
  await program.publish(name, "1");
  await client.hears(1);
  assert.deepEqual(client.states(), ["connecting ws", "open ws"]);
  client.mx.close();
  proxy.stop();
});

test("a user that the application ends does not come back, by whatever it waits, with what it was given before", async () => {
  const name = fresh();
  const token = jwt({ exp: seconds() + 600, iat: 1, sub: `ann.${name}`, listen: name });
  const clients = new Map();
  for (const transport of TRANSPORTS) {
    const client = listen(program.waitAddress, name, { transports: [transport], token: () => token });
    await client.opens(transport);
    clients.set(transport, client);
  }
  await program.untilWaiting(name, clients.size);
  const answer = await fetch(`http://${program.inAddress}/users/ann.${name}?reason=${encodeURIComponent("go home")}`, { method: "DELETE" });
  assert.deepEqual(await answer.json(), { ended: clients.size });
  for (const [transport, client] of clients) {
    const { code, message, fatal } = await client.tells("error");
    assert.deepEqual([code, message, fatal, client.mx.state], ["ended", "go home", true, "closed"]);
    client.mx.close();
    const again = listen(program.waitAddress, name, { transports: [transport], token: () => token });
    const refused = await again.tells("error");
    assert.deepEqual([refused.code, refused.fatal, again.mx.state], ["user-ended", true, "closed"]);
    again.mx.close();
  }
});

test("what is said to a user, or to everybody, is heard whatever it listens to and waits by", async () => {
  for (const transport of TRANSPORTS) {
    const name = fresh();
    const client = listen(program.waitAddress, name, { transports: [transport], token: jwt({ exp: seconds() + 600, sub: name, listen: name }) });
    const own = [];
    const all = [];
    client.mx.subscribe("$user", ({ channel, data }) => own.push([channel, data]));
    client.mx.on("message", ({ channel, data }) => all.push([channel, data]));
    assert.throws(() => client.mx.subscribe("$other"), TypeError);
    await client.opens(transport);
    await program.untilWaiting(name);
    const said = [
      [`users/${name}/pub`, ["$user", "for you"]],
      ["pub/$all", ["$all", "for all"]],
      [`pub/${name}`, [name, "for the channel"]],
    ];
    for (const [path, [, body]] of said) {
      const { status } = await fetch(`http://${program.inAddress}/${path}`, { method: "POST", body });
      assert.equal(status, 200);
    }
    await until(() => all.length >= 3, "all are heard");
    assert.deepEqual(all, said.map(([, told]) => told));
    assert.deepEqual([own, client.heard], [[["$user", "for you"]], ["for the channel"]]);
    client.mx.close();
  }
});

test("what comes on channels that the application joins is heard, whatever it waits by", async () => {
  for (const transport of TRANSPORTS) {
    const name = fresh();
    const token = jwt({ exp: seconds() + 600, sub: name, listen: name, join: `${name}.own` });
    const client = listen(program.waitAddress, name, { transports: [transport], token });
    const all = [];
    client.mx.on("message", ({ channel, data }) => all.push([channel, data]));
    await client.opens(transport);
    await program.untilWaiting(`${name}.own`);
    await program.publish(`${name}.own`, "joined");
    await until(() => all.length === 1, "it is heard");
    // A poll that waits again is joined by its token.
    await program.untilWaiting(name);
    await program.publish(name, "asked for");
    await until(() => all.length === 2, "so is what was asked for");
    assert.deepEqual([all, client.heard], [[[`${name}.own`, "joined"], [name, "asked for"]], ["asked for"]]);
    client.mx.close();
  }
});

test("a function whose tokens have ended already is asked again and again, but not in a loop", async () => {
  const name = fresh();
  let asked = 0;
  const token = () => (asked++, jwt({ exp: seconds() - 600, listen: name }));
  const client = listen(program.waitAddress, name, { transports: ["sse"], token, retry: { min: 600_000, max: 600_000 } });
  const { status, code, fatal } = await client.tells("error");
  assert.deepEqual([status, code, fatal], [401, "token-expired", false]);
  await until(() => client.mx.state === "waiting", "it waits");
  assert.equal(asked, 1);
  client.mx.close();
});

test("a token is renewed when most of its time is over, at a random moment, and never too late for a timer", () => {
  const now = 1_800_000_000_000;
  const at = (claims, chance = 0) => renewIn(jwt(claims), now, chance);
  const exp = now / 1000 + 100;
  assert.equal(at({ exp }), 60_000);
  assert.equal(Math.round(at({ exp }, 1)), 85_000);
  assert.equal(at({ exp, iat: exp - 10 }), 6_000, "a clock that is late");
  assert.equal(at({ exp, iat: exp - 1_000 }), 60_000, "a token that is old");
  assert.equal(at({ exp: now / 1000 - 1 }), undefined);
  assert.equal(at({ exp: exp + 1e9 }), 2 ** 31 - 1);
  for (const none of [undefined, "", "a.b.c", jwt({}), jwt({ exp: "soon" }), "no.e30", `${base64("{}")}.${base64("null")}.`]) {
    assert.equal(renewIn(none, now, 0), undefined, none);
  }
});

/** A page that listens; with this cookie, if any. */
async function pageOf(page, address, name, options, cookie = "session=; max-age=0") {
  await page.goto(site.url);
  await page.evaluate((cookie) => void (document.cookie = cookie), cookie);
  await page.addScriptTag({ url: `http://${address}/multiplexor.js` });
  await page.evaluate(
    ([name, options]) => {
      window.heard = [];
      window.errors = [];
      window.mx = new window.Multiplexor(undefined, { retry: { min: 20, max: 200 }, ...options });
      window.mx.on("error", (error) => window.errors.push({ ...error, state: window.mx.state }));
      window.mx.subscribe(name, ({ data }) => window.heard.push(data));
    },
    [name, options],
  );
  return {
    heard: () => page.evaluate(() => window.heard),
    fatal: () => until(() => page.evaluate(() => window.mx.state === "closed" && window.errors.find(({ fatal }) => fatal)), "it is refused"),
    close: () => page.evaluate(() => window.mx.close()),
  };
}

inEachBrowser((launch) => {
  let browser, page;
  before(async () => {
    browser = await launch();
    page = await (await contextOf(browser)).newPage();
  });
  after(() => browser?.close());
  const ways = [...TRANSPORTS.map((transport) => ({ transports: [transport] })), {}];

  for (const options of ways) {
    const way = options.transports ?? "any transport";

    test(`${way}: a session of the page's lets it in, and needs no option`, async () => {
      const name = fresh();
      const client = await pageOf(page, listed.waitAddress, name, options, "session=ann");
      await listed.untilWaiting(name);
      await listed.publish(name, "1");
      await until(async () => (await client.heard()).length === 1, "it hears");
      await client.close();
    });

    test(`${way}: without a session it is told to sign in, and nothing of tokens`, async () => {
      const client = await pageOf(page, listed.waitAddress, fresh(), options);
      const { status, code, message } = await client.fatal();
      assert.deepEqual([status, code], [401, "credentials"]);
      assert.match(message, /sign in at the application/);
      assert.doesNotMatch(message, /token/);
      await client.close();
    });

    test(`${way}: a session that the application does not know is told as that`, async () => {
      const client = await pageOf(page, listed.waitAddress, fresh(), options, "session=bob");
      const { status, code, message } = await client.fatal();
      assert.deepEqual([status, code], [403, "hook-refused"]);
      assert.match(message, /cookies/);
      await client.close();
    });

    test(`${way}: a page of an origin that is not listed is told that, and of which`, async () => {
      const client = await pageOf(page, strict.waitAddress, fresh(), options, "session=ann");
      const { status, code, message } = await client.fatal();
      assert.deepEqual([status, code], [403, "origin"]);
      assert.ok(message.includes(new URL(site.url).origin) && message.includes("origins"), message);
      await client.close();
    });
  }

  test("credentials: include is told the same; omit sends no cookie", async () => {
    for (const transport of ["sse", "poll"]) {
      const included = await pageOf(page, strict.waitAddress, fresh(), { transports: [transport], credentials: "include" }, "session=ann");
      assert.equal((await included.fatal()).code, "origin");
      await included.close();
      const omitted = await pageOf(page, listed.waitAddress, fresh(), { transports: [transport], credentials: "omit" }, "session=ann");
      assert.equal((await omitted.fatal()).code, "credentials");
      await omitted.close();
    }
  });

  test("an open channel is for pages of any origin, with a cookie or without", async () => {
    for (const cookie of [undefined, "session=ann"]) {
      for (const options of ways) {
        const name = `open.${fresh()}`;
        const client = await pageOf(page, strict.waitAddress, name, options, cookie);
        await strict.untilWaiting(name);
        await client.close();
      }
    }
  });
});
