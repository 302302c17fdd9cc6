// The library that the server gives at ?identifier=SCRIPT: a global `Dklab_Realplexor`. The server puts its settings
// in the place of `$NAME`; as they come, they are texts. build.mjs says how they are given.

import { Dklab_Realplexor } from "./realplexor";

declare const told: { [name in keyof typeof Dklab_Realplexor.settings]: string };

/** What the server put there, unless nobody did. */
const text = (text: string, otherwise: string) => (text[0] === "$" ? otherwise : text);
const number = (text: string, otherwise: number) => (text.trim() && Number.isFinite(+text) ? +text : otherwise);
const { settings } = Dklab_Realplexor;

Object.assign(settings, {
  identifier: text(told.identifier, settings.identifier),
  waitUri: text(told.waitUri, settings.waitUri),
  waitTimeout: number(told.waitTimeout, settings.waitTimeout),
  reconnectDelay: number(told.reconnectDelay, settings.reconnectDelay),
  maxBounces: number(told.maxBounces, settings.maxBounces),
  debug: told.debug !== "0",
});
Object.assign(globalThis, { Dklab_Realplexor });

// A module, though it gives nothing to anybody who imports it.
export {};
