// The application in Express: who somebody is, the token that says so, and the moderator's button.

const { createHmac, timingSafeEqual } = require("node:crypto");
const path = require("node:path");

const express = require("express");

const CHANNEL = "room.1";
const SECRET = process.env.MULTIPLEXOR_TOKEN_SECRET;
const LINE = process.env.MULTIPLEXOR ?? "http://127.0.0.1:10010";
const [host, port] = (process.argv[2] ?? "127.0.0.1:8000").split(":");

const base64url = (text) => Buffer.from(text).toString("base64url");
const sign = (text) => createHmac("sha256", SECRET).update(text).digest("base64url");

function token(user) {
  const now = Math.floor(Date.now() / 1000);
  const claims = { sub: user, listen: [CHANNEL], publish: [CHANNEL], info: { name: user }, iat: now, exp: now + 600 };
  const signed = `${base64url('{"alg":"HS256"}')}.${base64url(JSON.stringify(claims))}`;
  return `${signed}.${sign(signed)}`;
}

/** Who it is, by a cookie of this application alone. */
function userOf(request) {
  const [name = "", mark = ""] = /(?:^|; )me=([\w-]+)\.([\w-]+)/.exec(request.get("Cookie") ?? "")?.slice(1) ?? [];
  const right = Buffer.from(sign(`cookie ${name}`));
  const isOurs = mark.length === right.length && timingSafeEqual(Buffer.from(mark), right);
  return isOurs ? Buffer.from(name, "base64url").toString() : undefined;
}

const site = express();
site.use(express.urlencoded({ extended: false }));

site.post("/session", async (request, response) => {
  let me = userOf(request);
  const { me: wanted = "", end } = request.body ?? {};
  if (wanted.trim()) {
    // Stands for your sign-in: whoever comes is who he says, and Mo moderates.
    me = wanted.trim().slice(0, 40);
    response.cookie("me", `${base64url(me)}.${sign(`cookie ${base64url(me)}`)}`, { httpOnly: true, sameSite: "lax" });
  }
  if (!me || (end && me !== "Mo")) return response.sendStatus(403);
  if (end) {
    const how = new URLSearchParams({ reason: "The moderator has shown you out.", for: 60 });
    const answer = await fetch(`${LINE}/users/${encodeURIComponent(end)}?${how}`, { method: "DELETE" }).catch(() => undefined);
    return answer?.ok ? response.json(await answer.json()) : response.sendStatus(502);
  }
  response.json({ me, moderates: me === "Mo", channel: CHANNEL, token: token(me) });
});

site.get("/", (_, response) => response.sendFile(path.join(__dirname, "index.html")));

site.listen(port, host);
