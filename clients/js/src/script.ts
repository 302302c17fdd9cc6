// The plain script: a global `Multiplexor`, and what `require` gives. build.mjs says how it is given.

import { Multiplexor } from "./multiplexor";

declare function give(exports: object): void;

give({ Multiplexor });

// A module, though it gives nothing to anybody who imports it.
export {};
