// Builds dist: the plain script; each module for `import` and for `require`, and its types for both. `node build.mjs FOLDER`
// builds elsewhere.

import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";
import { minify } from "terser";

const here = path.dirname(fileURLToPath(import.meta.url));
const out = path.resolve(process.argv[2] ?? path.join(here, "dist"));
const { name, version } = JSON.parse(readFileSync(path.join(here, "package.json"), "utf8"));

const banner = `/*! ${name} ${version} */\n`;

/** One file of an entry point; names that begin with an underscore are nobody else's business. */
async function bundle(entry, define, before, after) {
  const { outputFiles } = await build({
    absWorkingDir: here,
    entryPoints: [entry],
    bundle: true,
    write: false,
    minify: true,
    mangleProps: /^_/,
    format: "esm",
    target: "es2021",
    charset: "utf8",
    define,
  });
  const { code } = await minify(before + outputFiles[0].text + after, {
    module: true,
    ecma: 2020,
    format: { wrap_func_args: false },
    compress: { passes: 3, unsafe_arrows: true },
  });
  return banner + code + "\n";
}

/** A module as `require` takes it: what it exports, by name, in a way that Node and TypeScript see without running it. */
function required(module) {
  const [exported, names] = /export\{(.*)\};\s*$/.exec(module);
  const lines = names.split(",").map((one) => one.split(" as ")).map(([inside, name = inside]) => `exports.${name}=${inside};`);
  const code = module.slice(banner.length, -exported.length);
  return `${banner}"use strict";Object.defineProperty(exports,"__esModule",{value:!0});${code}${lines.join("")}\n`;
}

const script = await bundle(
  "src/script.ts",
  { "import.meta.url": "undefined" },
  "(give=>{",
  '})(it=>typeof module=="object"?module.exports=it:Object.assign(globalThis,it))',
);
mkdirSync(out, { recursive: true });
writeFileSync(path.join(out, "multiplexor.js"), script);
for (const name of ["multiplexor", "realplexor"]) {
  writeFileSync(path.join(out, `${name}.mjs`), await bundle(`src/${name}.ts`, {}, "", ""));
  const module = await bundle(`src/${name}.ts`, { "import.meta.url": "undefined" }, "", "");
  writeFileSync(path.join(out, `${name}.cjs`), required(module));
}

// The server replaces $NAME by what it is set to, when it gives the library: so these texts stay outside of what is made short.
const library = await bundle("src/realplexor_script.ts", {}, "", "");
if (/\$\w/.test(library)) throw new Error("the library has a $ in its code, which the server would replace");
const told = `{
  identifier: "$IDENTIFIER", waitUri: "$JS_WAIT_URI", waitTimeout: "$WAIT_TIMEOUT",
  reconnectDelay: "$JS_WAIT_RECONNECT_DELAY", maxBounces: "$JS_MAX_BOUNCES", debug: "$JS_DEBUG"
}`;
writeFileSync(path.join(out, "realplexor.js"), library.replace("\n", "\n(told=>{").trimEnd() + `})(${told});\n`);

const types = mkdtempSync(path.join(tmpdir(), "multiplexor-types-"));
execFileSync(process.execPath, [path.join(here, "node_modules/typescript/bin/tsc"), "-p", here, "--outDir", types], { stdio: "inherit" });
for (const name of ["multiplexor", "realplexor"]) {
  for (const end of ["d.mts", "d.cts"]) copyFileSync(path.join(types, `${name}.d.ts`), path.join(out, `${name}.${end}`));
}
rmSync(types, { recursive: true });
