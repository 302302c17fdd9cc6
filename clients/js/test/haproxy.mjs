// Debian's HAProxy in front of the program, with the times of its manual.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

import { freePort } from "../../../tests/blackbox/node/nginx.js";
import { until } from "../../../tests/blackbox/node/program.js";

/** Starts HAProxy; `options` stand behind the address of the server. */
export async function startHaproxy(upstream, options = "") {
  const folder = mkdtempSync(path.join(tmpdir(), "haproxy-"));
  const port = await freePort();
  const file = path.join(folder, "haproxy.cfg");
  writeFileSync(
    file,
    `defaults
  mode http
  timeout connect 5s
  timeout client 50s
  timeout server 50s
listen all
  bind 127.0.0.1:${port}
  server one ${upstream} ${options}
`,
  );
  const child = spawn("/usr/sbin/haproxy", ["-db", "-f", file], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (data) => (said += data));
  await until(() => {
    if (child.exitCode !== null) throw new Error(`HAProxy ended at once: ${said}`);
    const socket = net.connect(port, "127.0.0.1");
    return Promise.race([once(socket, "connect").then(() => true), once(socket, "error").then(() => false)])
      .catch(() => false)
      .finally(() => socket.destroy());
  }, "HAProxy listens");
  return {
    address: `127.0.0.1:${port}`,
    stop: async () => {
      child.kill("SIGTERM");
      if (child.exitCode === null) await once(child, "exit");
      rmSync(folder, { recursive: true });
    },
  };
}
