// Makes a token: who somebody is, which channels he may listen (subscribe) to, and for how many seconds. Node alone.

import { createHmac } from "node:crypto";
import { fileURLToPath } from "node:url";

export function make_token(secret, user, channels, seconds) {
  if (!secret) throw new Error("The secret is empty: MULTIPLEXOR_TOKEN_SECRET does not reach this program.");
  const base64url = (text) => Buffer.from(text).toString("base64url");
  const now = Math.floor(Date.now() / 1000);
  const claims = { sub: user, listen: channels, iat: now, exp: now + seconds };
  const signed = base64url('{"alg":"HS256","typ":"JWT"}') + "." + base64url(JSON.stringify(claims));
  return signed + "." + createHmac("sha256", secret).update(signed).digest("base64url");
}

// MULTIPLEXOR_TOKEN_SECRET=… node token.mjs ann user.ann 'room.*'
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log(make_token(process.env.MULTIPLEXOR_TOKEN_SECRET, process.argv[2], process.argv.slice(3), 3600));
}
