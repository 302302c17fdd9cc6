// What the types refuse, which is what is refused when it runs.

import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

import { HERE } from "./harness.mjs";

test("the types know all options and events, and refuse others", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "multiplexor-types-"));
  // Each line that is to be refused stands behind a comment, which is an error itself where the line is none.
  const code = `import { Multiplexor, type Options } from ${JSON.stringify(path.join(HERE, "dist/multiplexor.mjs"))};
    const all: Required<Omit<Options, "fetch" | "WebSocket">> = {
      transports: ["ws", "sse", "poll"], since: 0, tail: 4, resume: true, shared: "name", headers: {}, token: async () => "t",
      credentials: "include", retry: { min: 1, max: 2 }, silence: 1, connectTimeout: 1, presence: true,
    };
    const mx = new Multiplexor("http://x", all);
    mx.on("presence", ({ users, joined, left }) => users.length + (joined ?? left)!.user);
    mx.on("deletedMessage", ({ channel, cursor }) => channel + cursor);
    mx.publish("a", { b: 1 }, { event: "e", ttl: 0, key: "k", echo: false }).then(({ cursor }) => cursor.length);
    mx.on("message", ({ user }) => user?.length);
    // @ts-expect-error
    mx.publish("a", 1, { tll: 0 });
    // @ts-expect-error
    mx.publish("a");
    // @ts-expect-error
    new Multiplexor("http://x", { tails: 4 });
    // @ts-expect-error
    new Multiplexor("http://x", { retry: { mim: 1 } });
    // @ts-expect-error
    new Multiplexor("http://x", { transports: ["websocket"] });
    // @ts-expect-error
    new Multiplexor("http://x", { credentials: "yes" });
    // @ts-expect-error
    new Multiplexor({ tail: 4 });
    // @ts-expect-error
    mx.on("mesage", () => {});
    // @ts-expect-error
    mx.on("message");
    // @ts-expect-error
    mx.subscribe("a", { tail: 4 });
  `;
  writeFileSync(path.join(folder, "use.ts"), code);
  const words = ["--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,dom,dom.iterable", "--moduleResolution", "bundler", "--module", "esnext"];
  await promisify(execFile)(process.execPath, [path.join(HERE, "node_modules/typescript/bin/tsc"), ...words, path.join(folder, "use.ts")])
    .catch(({ stdout }) => {
      throw new Error(stdout);
    })
    .finally(() => rmSync(folder, { recursive: true }));
});
