// Waiting by fetch: a stream of server-sent events, or long polls.

import type { Ear, Item, Link, Loss } from "./link";
import { sseReader } from "./sse";

/** Sends a request for these channels from this cursor. */
export type Ask = (since: string | number | undefined, signal: AbortSignal, channel?: string) => Promise<Response>;

/** A name nobody publishes to, and a cursor of no order: a poll that is answered at once, by the cursor of now. */
const NOWHERE = "multiplexor-client";
const NO_ORDER = "azzzzzzzzzz";

/** What went wrong, where the server or the network said it. */
class Refusal {
  constructor(
    readonly _reason: string,
    readonly _loss: Loss,
  ) {}
}

async function refusal(response: Response): Promise<Refusal> {
  const { status } = response;
  const problem = (await response.json().catch(() => ({}))) as { code?: string; detail?: string };
  const busy = status === 429 || status === 503;
  return new Refusal(problem.detail ?? `the server answered ${status}`, {
    _status: status,
    _code: problem.code,
    _fatal: status >= 400 && status < 500 && !busy && status !== 408,
    _served: busy,
    _wait: Number(response.headers.get("Retry-After")) * 1000,
  });
}

/** Runs `wait` until it ends, which is a loss whatever it was. */
function link(ask: Ask, ear: Ear, wait: (fetched: Ask, signal: AbortSignal) => Promise<void>): Link {
  const abort = new AbortController();
  const fetched: Ask = async (...args) => {
    const response = await ask(...args).catch(() => {
      throw new Refusal("nobody answers", { _unreachable: true });
    });
    if (response.status !== 200) throw await refusal(response);
    return response;
  };
  wait(fetched, abort.signal).then(ear._lost, (error) => ear._lost(error._reason, error._loss));
  return { _end: () => abort.abort() };
}

export const openStream = (ask: Ask, ear: Ear): Link =>
  link(ask, ear, async (fetched, signal) => {
    const response = await fetched(ear._since(), signal);
    const read = sseReader(ear._item, ear._advice);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      read(value);
    }
  });

export const openPoll = (ask: Ask, ear: Ear): Link =>
  link(ask, ear, async (fetched, signal) => {
    if (ear._fresh()) {
      const { cursor } = await (await fetched(NO_ORDER, signal, NOWHERE)).json();
      ear._item({ cursor });
    }
    for (;;) {
      const began = Date.now();
      const { cursor, messages, gap } = (await (await fetched(ear._since(), signal)).json()) as {
        cursor: string;
        messages: Item[];
        gap?: true;
      };
      if (gap) ear._item({ gap });
      messages.forEach(ear._item);
      ear._item({ cursor });
      if (!gap && !messages[0] && Date.now() - began < 500) return;
      if (!ear._stay()) return;
    }
  });
