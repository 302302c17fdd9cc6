// What the tests start ends with them, however they end.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";

import { until } from "./program.js";

function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"]) {
  test(`${signal} to the tests leaves no process behind`, async () => {
    const code = `import { spawn } from "node:child_process";
      import { endsWithTests } from ${JSON.stringify(new URL("program.js", import.meta.url))};
      console.log(endsWithTests(spawn("sleep", ["60"], { stdio: "ignore" })).pid);`;
    const tests = spawn(process.execPath, ["--input-type=module", "-e", code], { stdio: ["ignore", "pipe", "inherit"] });
    const pid = Number((await once(tests.stdout, "data"))[0]);
    assert.ok(isAlive(pid));
    tests.kill(signal);
    await once(tests, "exit");
    await until(() => !isAlive(pid), "it is gone", 5_000);
  });
}
