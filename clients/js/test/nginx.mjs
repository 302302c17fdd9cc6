// nginx in front of the program, with rules for the location that leads to it.

import { startNginx as start } from "../../../tests/blackbox/node/nginx.js";

/** Starts nginx; `rules` stand in the location that leads to `upstream`. */
export async function startNginx(upstream, rules) {
  const { url, stop } = await start(`location / { proxy_pass http://${upstream}; proxy_http_version 1.1; ${rules} }`);
  return { address: new URL(url).host, stop };
}
