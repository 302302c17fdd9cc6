// Waiting by fetch: a stream of server-sent events, or long polls.

import type { Ear, Item, Link, Loss } from "./link";
import { sseReader } from "./sse";

/** Sends a request from this cursor; a poll that is to be answered at once says `wait` 0. */
export type Ask = (since: string | number | undefined, signal: AbortSignal, wait?: 0) => Promise<Response>;

/** What went wrong, where the server or the network said it. */
export class Refusal {
  constructor(
    readonly _reason: string,
    readonly _loss: Loss,
  ) {}
}

/** What is thrown where the server refuses something. */
export const failed = (message: string, code = "http", status?: number) => Object.assign(new Error(message), { code, status });

export async function refusal(response: Response): Promise<Refusal> {
  const { status, headers } = response;
  const problem = (await response.json().catch(() => ({}))) as { status?: number; code?: string; detail?: string };
  // Whatever else says no, a proxy that restarts or a page of its own, may say yes in a while.
  const ours = problem.status === status && !!problem.code && /problem.json/.test(headers.get("Content-Type")!);
  // The 503 of a proxy says that nobody is behind it, whatever the transport.
  const busy = status === 429 || (ours && status === 503);
  return new Refusal(problem.detail ?? `the server answered ${status}`, {
    _status: status,
    _code: problem.code,
    _fatal: ours && status < 500 && !busy && status !== 408,
    _served: busy,
    _unreachable: !ours,
    _wait: Number(headers.get("Retry-After")) * 1000 || 0,
  });
}

/** Whether a browser sends cookies to this server by WebSocket only, unless it is told to. */
export const isForeign = (base: URL) => !!globalThis.location && location.origin !== base.origin;

/** Runs `wait` until it ends, which is a loss whatever it was. */
function link(ask: Ask, ear: Ear, wait: (fetched: Ask, signal: AbortSignal) => Promise<void>): Link {
  const abort = new AbortController();
  const fetched: Ask = async (...args) => {
    const response = await ask(...args).catch((error) => {
      throw error instanceof Refusal ? error : new Refusal("nobody answers", { _unreachable: true });
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

/** `once`: none waits. */
export const openPoll = (ask: Ask, ear: Ear, once?: boolean): Link =>
  link(ask, ear, async (fetched, signal) => {
    // The first one does not wait: it shows that polls get through, and from where the next one goes on.
    for (let wait: 0 | undefined = 0; ; wait = once ? wait : undefined) {
      const began = wait ?? Date.now();
      const item = (await (await fetched(ear._since(), signal, wait)).json()) as Item;
      const { messages, gap, deleted, changes } = item;
      ear._item(item);
      if (!deleted && !gap && !messages![0] && !changes?.[0] && Date.now() - began < 500) return;
      if (!ear._stay()) return;
    }
  });
