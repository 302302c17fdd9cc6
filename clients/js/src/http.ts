// Waiting by fetch: a stream of server-sent events, or long polls.

import type { Ear, Item, Link, Loss } from "./link";
import { sseReader } from "./sse";

/** Sends a request from this cursor; a poll that is to be answered at once says `wait` 0. */
export type Ask = (since: string | number | undefined, signal: AbortSignal, wait?: 0) => Promise<Response>;

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
    // The first one does not wait: it shows that polls get through, and from where the next one goes on.
    for (let wait: 0 | undefined = 0; ; wait = undefined) {
      const began = wait ?? Date.now();
      const { cursor, messages, gap, deleted } = (await (await fetched(ear._since(), signal, wait)).json()) as {
        cursor: string;
        messages: Item[];
        gap?: true;
        deleted?: string;
      };
      if (gap) ear._item({ gap });
      messages.forEach(ear._item);
      ear._item({ cursor });
      if (deleted) ear._item({ deleted });
      else if (!gap && !messages[0] && Date.now() - began < 500) return;
      if (!ear._stay()) return;
    }
  });
