// The plain script: a global `Multiplexor`, and what `require` gives.

import { Multiplexor } from "./multiplexor";

declare const module: { exports: unknown } | undefined;

if (typeof module === "object") module.exports = { Multiplexor };
else (globalThis as { Multiplexor?: unknown }).Multiplexor = Multiplexor;
