// nginx in front of the program, as an ordinary process with a configuration of its own.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

import { until } from "../../../tests/blackbox/node/program.js";

const EXECUTABLE = process.env.NGINX ?? "/usr/sbin/nginx";

async function freePort() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

function answers(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    socket.on("connect", () => resolve(true)).on("error", () => resolve(false));
    socket.on("connect", () => socket.destroy());
  });
}

/** Starts nginx; `rules` stand in the location that leads to `upstream`. */
export async function startNginx(upstream, rules) {
  const folder = mkdtempSync(path.join(tmpdir(), "multiplexor-nginx-"));
  const port = await freePort();
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/${name};`);
  writeFileSync(
    path.join(folder, "nginx.conf"),
    `daemon off; worker_processes 1; pid ${folder}/pid; error_log stderr;
    events { worker_connections 64; }
    http {
      access_log off; ${temporary.join(" ")}
      server { listen 127.0.0.1:${port}; location / { proxy_pass http://${upstream}; proxy_http_version 1.1; ${rules} } }
    }`,
  );
  const child = spawn(EXECUTABLE, ["-p", folder, "-e", "stderr", "-c", path.join(folder, "nginx.conf")], { stdio: "ignore" });
  await until(() => answers(port), "nginx answers");
  const stop = async () => {
    child.kill("SIGTERM");
    if (child.exitCode === null) await once(child, "exit");
    rmSync(folder, { recursive: true });
  };
  return { address: `127.0.0.1:${port}`, stop };
}
