// Waiting by fetch: a stream of server-sent events, or long polls.

import type { Ear, Item, Link, Loss } from "./link";
import { sseReader } from "./sse";

/** Sends a request for these channels from this cursor. */
export type Ask = (since: string | undefined, signal: AbortSignal, channel?: string) => Promise<Response>;

/** A name nobody publishes to, and a cursor of no order: a poll that is answered at once, by the cursor of now. */
const NOWHERE = "multiplexor-client";
const NO_ORDER = "azzzzzzzzzz";

class Refused extends Error {
  constructor(
    message: string,
    readonly _loss: Loss,
  ) {
    super(message);
  }
}

async function refusal(response: Response): Promise<Refused> {
  const { status } = response;
  const problem = (await response.json().catch(() => ({}))) as { code?: string; detail?: string };
  const after = response.headers.get("Retry-After");
  const seconds = after ? Number(after) || (Date.parse(after) - Date.now()) / 1000 || 0 : 0;
  return new Refused(problem.detail ?? `the server answered ${status}`, {
    _status: status,
    _code: problem.code,
    _fatal: status >= 400 && status < 500 && status !== 408 && status !== 429,
    _served: status === 429 || status === 503,
    _wait: seconds > 0 ? seconds * 1000 : undefined,
  });
}

/** Runs `wait` until it ends, which is a loss whatever it was. */
function link(ask: Ask, ear: Ear, wait: (fetched: Ask, signal: AbortSignal) => Promise<string>): Link {
  const abort = new AbortController();
  const fetched: Ask = async (...args) => {
    let response;
    try {
      response = await ask(...args);
    } catch (error) {
      throw new Refused("nobody answers: " + (error as Error).message, { _unreachable: true });
    }
    if (response.status !== 200) throw await refusal(response);
    ear._alive();
    return response;
  };
  wait(fetched, abort.signal).then(
    (reason) => ear._lost(reason),
    (error: Error) => ear._lost(error instanceof Refused ? error.message : "the connection was cut off", (error as Refused)._loss),
  );
  return { _end: () => abort.abort() };
}

export const openStream = (ask: Ask, ear: Ear): Link =>
  link(ask, ear, async (fetched, signal) => {
    const response = await fetched(ear._since(), signal);
    if (!response.headers.get("Content-Type")?.startsWith("text/event-stream")) return "the answer is no event stream";
    const read = sseReader(({ id, event, data, retry }) => {
      if (retry! >= 0) ear._advice(retry!);
      else if (event === "deleted" && id === undefined) ear._item({ deleted: JSON.parse(data!).channel });
      else if (event === "gap" && id === undefined) ear._item({ gap: true, ...JSON.parse(data!) });
      else ear._item(data === undefined ? { cursor: id } : JSON.parse(data));
    });
    const reader = response.body!.getReader();
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return "the stream ended";
      ear._alive();
      read(decoder.decode(value, { stream: true }));
    }
  });

export const openPoll = (ask: Ask, ear: Ear): Link =>
  link(ask, ear, async (fetched, signal) => {
    if (!ear._since()) {
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
      messages.forEach((message) => ear._item(message));
      ear._item({ cursor });
      if (!gap && !messages[0] && Date.now() - began < 500) return "polls are answered without waiting";
      if (!ear._stay()) return "";
    }
  });
