// Debian's nginx in front of the program, with the lines a test is about.

import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";

import { endsWithTests, until } from "./program.js";

const EXECUTABLE = process.env.NGINX ?? "/usr/sbin/nginx";

/** A port that was free a moment ago. */
export async function freePort() {
  const probe = net.createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}

/** Starts nginx with these lines inside its server block, and those beside it. */
export async function startNginx(inside, beside = "") {
  const [folder, port] = await Promise.all([fs.mkdtemp(path.join(os.tmpdir(), "nginx-")), freePort()]);
  const kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  const config = `
    daemon off;
    pid nginx.pid;
    error_log stderr;
    events {}
    http {
      access_log off;
      ${kinds.map((kind) => `${kind}_temp_path ${kind};`).join("\n")}
      ${beside}
      server { listen 127.0.0.1:${port}; ${inside} }
    }`;
  await fs.writeFile(path.join(folder, "nginx.conf"), config);
  // As root it would leave to another user, who may not enter the folder.
  const child = spawn(EXECUTABLE, ["-p", folder, "-c", "nginx.conf", "-g", process.getuid() ? "" : "user root;"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  endsWithTests(child);
  let said = "";
  child.stderr.on("data", (data) => (said += data));
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`nginx ended at once: ${said}`);
    const socket = net.connect(port, "127.0.0.1");
    return Promise.race([once(socket, "connect").then(() => true), once(socket, "error").then(() => false)])
      .catch(() => false)
      .finally(() => socket.destroy());
  }, "nginx listens");
  return {
    url: `http://127.0.0.1:${port}/`,
    stop: async () => {
      child.kill("SIGTERM");
      if (child.exitCode === null) await once(child, "exit");
      await fs.rm(folder, { recursive: true });
    },
  };
}
