// What is handed out: dist is what the sources build, small enough, installs from a tarball, and does what README.md says.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";

import { launch, startSite } from "../../../tests/blackbox/node/browser.js";
import { start, until } from "../../../tests/blackbox/node/program.js";
import { HERE } from "./harness.mjs";

const SCRIPT_GZIPPED_MAX = 4_300;
const FILES = ["multiplexor", "realplexor"].flatMap((name) => ["d.ts", "js", "mjs"].map((end) => `${name}.${end}`));
const run = promisify(execFile);
const readme = readFileSync(path.join(HERE, "README.md"), "utf8");
const snippets = (kind) => [...readme.matchAll(new RegExp(`^\`\`\`${kind}\\n([^]*?)^\`\`\``, "gm"))].map((match) => match[1]);

let folder, project, program;

before(async () => {
  program = await start();
  folder = mkdtempSync(path.join(tmpdir(), "multiplexor-client-"));
  project = path.join(folder, "project");
  await run("npm", ["pack", "--silent", "--pack-destination", folder], { cwd: HERE });
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz"));
  await run("mkdir", ["-p", project]);
  writeFileSync(path.join(project, "package.json"), "{}");
  await run("npm", ["install", "--silent", "--offline", "--no-audit", "--no-fund", path.join(folder, tarball)], { cwd: project });
  symlinkSync(path.resolve(HERE, "../../tests/node_modules/ws"), path.join(project, "node_modules/ws"));
});
after(async () => {
  rmSync(folder, { recursive: true, force: true });
  await program?.stop();
});

const file = (name) => readFileSync(path.join(HERE, "dist", name), "utf8");

test("dist is what the sources build: otherwise run npm run build, and commit", async () => {
  const out = path.join(folder, "dist");
  await run(process.execPath, [path.join(HERE, "build.mjs"), out]);
  for (const name of FILES) {
    assert.equal(readFileSync(path.join(out, name), "utf8"), file(name), name);
  }
});

test("the script is about 4 KB gzipped, and says what it is", () => {
  const size = gzipSync(file("multiplexor.js"), { level: 9 }).length;
  assert.ok(size <= SCRIPT_GZIPPED_MAX, `${size} bytes`);
  const { name, version } = JSON.parse(readFileSync(path.join(HERE, "package.json"), "utf8"));
  assert.ok(file("multiplexor.js").startsWith(`/*! ${name} ${version} */`));
});

test("the package holds what is needed, and no more", () => {
  const installed = path.join(project, "node_modules/multiplexor-client");
  assert.deepEqual(readdirSync(installed).sort(), ["README.md", "dist", "package.json"]);
  assert.deepEqual(readdirSync(path.join(installed, "dist")).sort(), FILES);
});

test("the types are complete: a strict program compiles, and a wrong one does not", async () => {
  const tsc = path.join(HERE, "node_modules/typescript/bin/tsc");
  const compile = (code) => {
    writeFileSync(path.join(project, "use.ts"), `import { Multiplexor, type Message } from "multiplexor-client";\n${code}`);
    return run(process.execPath, [tsc, "--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "use.ts"], { cwd: project });
  };
  await compile(`const mx = new Multiplexor("http://x", { shared: true, token: async () => "t", retry: { max: 1 } });
    mx.subscribe<{ n: number }>("a", (message: Message<{ n: number }>) => message.data.n.toFixed());
    mx.on("state", ({ state, retryIn }) => state === "waiting" && retryIn?.toFixed());
    const off: () => void = mx.on("gap", ({ channels }) => channels?.length);`);
  await compile(`import { Dklab_Realplexor } from "multiplexor-client/realplexor";
    new Dklab_Realplexor("http://x", "ns", true).setCursor("a", 0).subscribe("a", (data, id, cursor) => id + cursor.length).execute();`);
  await assert.rejects(compile(`new Multiplexor("http://x", { transports: ["carrier pigeon"] });`));
});

test("the snippets for modules run, and so does require", async () => {
  const modules = snippets("js").filter((code) => code.includes("{ Multiplexor }"));
  assert.equal(modules.length, 2);
  modules.push('const { Multiplexor } = require("multiplexor-client");\nconst mx = new Multiplexor("http://127.0.0.1:8088");\nmx.subscribe("news", ({ data }) => console.log(data));\n');
  for (const [n, code] of modules.entries()) {
    const script = path.join(project, `snippet.${code.startsWith("import") ? "mjs" : "cjs"}`);
    const ends = 'mx.on("message", () => setTimeout(() => mx.close(), 0));\n';
    writeFileSync(script, code.replace("127.0.0.1:8088", program.waitAddress) + ends);
    const running = run(process.execPath, [script], { cwd: project });
    await program.untilWaiting("news");
    await program.publish("news", `hello ${n}`);
    const { stdout } = await running;
    assert.ok(stdout.includes(`hello ${n}`), stdout);
    await program.untilWaiting("news", 0);
  }
});

test("the snippet for a page runs", async () => {
  const [html] = snippets("html");
  const [browser, site] = await Promise.all([launch(), startSite()]);
  const page = await browser.newPage();
  const heard = [];
  page.on("console", (message) => heard.push(message.text()));
  await page.route("**/multiplexor.js", (route) => route.fulfill({ body: file("multiplexor.js"), contentType: "text/javascript" }));
  await page.goto(site.url);
  await page.setContent(html.replace("127.0.0.1:8088", program.waitAddress));
  await program.untilWaiting("news");
  await program.publish("news", "hello page");
  await until(() => heard.includes("hello page"), "the page hears");
  await browser.close();
  site.stop();
});
