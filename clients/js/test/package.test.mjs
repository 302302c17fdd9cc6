// What is handed out: dist is what the sources build, small enough, installs from a tarball, is found by Node, TypeScript and Vite
// alike, and does what README.md says.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";

import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { build } from "vite";

import { launch, startSite } from "../../../tests/blackbox/node/browser.js";
import { start, until } from "../../../tests/blackbox/node/program.js";
import { HERE } from "./harness.mjs";

const SCRIPT_GZIPPED_MAX = 8_200;
const FILES = ["multiplexor", "realplexor"].flatMap((name) => ["cjs", "d.cts", "d.mts", "js", "mjs"].map((end) => `${name}.${end}`));
const run = promisify(execFile);
const readme = readFileSync(path.join(HERE, "README.md"), "utf8");
const snippets = (kind) => [...readme.matchAll(new RegExp(`^\`\`\`${kind}\\n([^]*?)^\`\`\``, "gm"))].map((match) => match[1]);

let folder, project, program, tarball;

before(async () => {
  program = await start();
  folder = mkdtempSync(path.join(tmpdir(), "multiplexor-client-"));
  project = path.join(folder, "project");
  await run("npm", ["pack", "--silent", "--pack-destination", folder], { cwd: HERE });
  tarball = path.join(folder, readdirSync(folder).find((name) => name.endsWith(".tgz")));
  await run("mkdir", ["-p", project]);
  writeFileSync(path.join(project, "package.json"), "{}");
  await run("npm", ["install", "--silent", "--offline", "--no-audit", "--no-fund", tarball], { cwd: project });
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

test("the script is at most 8.2 KB gzipped, and says what it is", () => {
  const size = gzipSync(file("multiplexor.js"), { level: 9 }).length;
  assert.ok(size <= SCRIPT_GZIPPED_MAX, `${size} bytes`);
  const { name, version } = JSON.parse(readFileSync(path.join(HERE, "package.json"), "utf8"));
  assert.ok(file("multiplexor.js").startsWith(`/*! ${name} ${version} */`));
});

test("the package holds what is needed, and no more", () => {
  const installed = path.join(project, "node_modules/multiplexor-client");
  assert.deepEqual(readdirSync(installed).sort(), ["LICENSE-APACHE", "LICENSE-MIT", "README.md", "dist", "package.json"]);
  assert.deepEqual(readdirSync(path.join(installed, "dist")).sort(), FILES);
  for (const name of ["LICENSE-APACHE", "LICENSE-MIT"]) {
    assert.equal(readFileSync(path.join(installed, name), "utf8"), readFileSync(path.join(HERE, "../..", name), "utf8"));
  }
});

test("the package says where it lives, as the rest does", () => {
  const said = JSON.parse(readFileSync(path.join(HERE, "package.json"), "utf8"));
  const [, home] = /^repository = "(.*)"$/m.exec(readFileSync(path.join(HERE, "../../Cargo.toml"), "utf8"));
  assert.deepEqual(said.repository, { type: "git", url: `git+${home}.git`, directory: "clients/js" });
  assert.equal(said.homepage, `${home}/tree/main/clients/js#readme`);
  assert.equal(said.bugs, `${home}/issues`);
});

test("publint and arethetypeswrong have nothing to say", async () => {
  const { messages, pkg } = await publint({ pkgDir: HERE, strict: true, pack: "npm" });
  assert.deepEqual(messages.map((message) => formatMessage(message, pkg)), []);
  // The plain scripts are for pages, and no modules: they have no types.
  const scripts = ["--exclude-entrypoints", "multiplexor.js", "realplexor.js"];
  const attw = path.join(HERE, "node_modules/@arethetypeswrong/cli/dist/index.js");
  await run(process.execPath, [attw, tarball, ...scripts]).catch(({ stdout }) => assert.fail(stdout));
});

const BOTH = `import Multiplexor, { Multiplexor as Named, type Message } from "multiplexor-client";
import { Dklab_Realplexor } from "multiplexor-client/realplexor";
const told = (message: Message<number>): string => message.data.toFixed();
if (Multiplexor !== Named || !Dklab_Realplexor.settings) throw new Error("not the same");
const mx: Named = new Multiplexor("http://127.0.0.1:1");
mx.subscribe("a", told);
mx.close();
console.log(mx.state);
`;

test("TypeScript for nodenext compiles both kinds of import, in modules and in CommonJS, and what it makes runs", async () => {
  for (const end of ["mts", "cts"]) writeFileSync(path.join(project, `both.${end}`), BOTH);
  const tsc = path.join(HERE, "node_modules/typescript/bin/tsc");
  const words = [tsc, "--strict", "--target", "es2022", "--module", "nodenext", "both.mts", "both.cts"];
  await run(process.execPath, words, { cwd: project }).catch(({ stdout }) => assert.fail(stdout));
  for (const end of ["mjs", "cjs"]) {
    const { stdout } = await run(process.execPath, [`both.${end}`], { cwd: project });
    assert.match(stdout, /^(idle|closed)\n$/);
  }
});

test("plain CommonJS has the class by its name, the old one too", async () => {
  const code = `const { Multiplexor, default: same } = require("multiplexor-client");
    const { Dklab_Realplexor } = require("multiplexor-client/realplexor");
    console.log(same === Multiplexor, typeof Dklab_Realplexor, require("multiplexor-client/multiplexor.js").Multiplexor.name !== undefined);`;
  const { stdout } = await run(process.execPath, ["-e", code], { cwd: project });
  assert.equal(stdout, "true function true\n");
});

test("what Vite builds of it hears in a browser", async () => {
  const root = path.join(project, "vite");
  await run("mkdir", ["-p", root]);
  writeFileSync(path.join(root, "index.html"), '<!doctype html><script type="module" src="./main.js"></script>');
  writeFileSync(path.join(root, "main.js"), `import Multiplexor from "multiplexor-client";
    new Multiplexor("http://${program.waitAddress}").subscribe("vite", ({ data }) => console.log(data));`);
  const { output } = await build({ root, configFile: false, logLevel: "error", build: { write: false } });
  const { code } = output.find(({ type }) => type === "chunk");
  const [browser, site] = await Promise.all([launch(), startSite(`<!doctype html><script type="module">${code}</script>`)]);
  const page = await browser.newPage();
  const heard = [];
  page.on("console", (message) => heard.push(message.text()));
  await page.goto(site.url);
  await program.untilWaiting("vite");
  await program.publish("vite", "hello vite");
  await until(() => heard.includes("hello vite"), "the page hears");
  await browser.close();
  site.stop();
});

test("a bundle keeps the plain scripts, which are imported for what they do", async () => {
  const root = path.join(project, "scripts");
  await run("mkdir", ["-p", root]);
  // By name: what each of them says.
  const scripts = { multiplexor: "the listener is no function", realplexor: "Dklab_Realplexor must be given" };
  const entry = path.join(root, "main.js");
  writeFileSync(entry, Object.keys(scripts).map((name) => `import "multiplexor-client/${name}.js";\n`).join(""));
  const rollupOptions = { input: entry, preserveEntrySignatures: false };
  const { output } = await build({ root, configFile: false, logLevel: "error", build: { write: false, minify: false, rollupOptions } });
  const code = output.map(({ code }) => code).join("");
  for (const [name, said] of Object.entries(scripts)) {
    assert.ok(code.includes(said), `${name}.js is not in it`);
  }
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
