// Builds dist: the plain script, the module and their types. `node build.mjs FOLDER` builds elsewhere.

import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const here = path.dirname(fileURLToPath(import.meta.url));
const out = path.resolve(process.argv[2] ?? path.join(here, "dist"));
const { name, version } = JSON.parse(readFileSync(path.join(here, "package.json"), "utf8"));

const options = {
  absWorkingDir: here,
  bundle: true,
  minify: true,
  target: "es2020",
  charset: "utf8",
  // Names that begin with an underscore are nobody else's business.
  mangleProps: /^_/,
  banner: { js: `/*! ${name} ${version}, MIT or Apache-2.0 */` },
  legalComments: "none",
};
await build({ ...options, entryPoints: ["src/script.ts"], format: "iife", define: { "import.meta.url": "undefined" }, outfile: path.join(out, "multiplexor.js") });
await build({ ...options, entryPoints: ["src/multiplexor.ts"], format: "esm", outfile: path.join(out, "multiplexor.mjs") });

const types = mkdtempSync(path.join(tmpdir(), "multiplexor-types-"));
execFileSync(process.execPath, [path.join(here, "node_modules/typescript/bin/tsc"), "-p", here, "--outDir", types], { stdio: "inherit" });
mkdirSync(out, { recursive: true });
copyFileSync(path.join(types, "multiplexor.d.ts"), path.join(out, "multiplexor.d.ts"));
rmSync(types, { recursive: true });
