// nginx in front of the program, with rules for the location that leads to it.

import { startNginx as start } from "../../../tests/blackbox/node/nginx.js";

/** Starts nginx; `rules` stand in the location that leads to `upstream`, with which it speaks that version of HTTP. */
export async function startNginx(upstream, rules, version = "1.1") {
  const { url, stop } = await start(`location / { proxy_pass http://${upstream}; proxy_http_version ${version}; ${rules} }`);
  return { address: new URL(url).host, stop };
}
