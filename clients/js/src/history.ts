// What was said before, page by page backwards: each by a request of its own.

import { type Settings, call } from "./connection";
import { isForeign, refusal } from "./http";
import type { Item } from "./link";

/** Reads pages with what a connection of these settings would show of itself. */
export const olderPages =
  (base: URL, settings: Settings) =>
  async (channel: string, before?: string, limit?: number): Promise<Item> => {
    const { since, tail, raw, ...query } = Object.fromEntries(base.searchParams);
    const { credentials } = settings;
    const token = await call(settings.token);
    const headers = await call(settings.headers);
    const url = new URL("history/" + encodeURIComponent(channel), base);
    // What is undefined is no longer there after the way through JSON.
    url.search = "" + new URLSearchParams({ ...query, ...JSON.parse(JSON.stringify({ before, limit, token })) });
    const send = (credentials?: RequestCredentials) => (settings.fetch ?? fetch)(url, { headers, cache: "no-store", credentials });
    let response = await send(credentials);
    // Cookies are all that there is to show to a server of another origin.
    if (response.status === 401 && isForeign(base) && !credentials && !token) response = await send("include");
    if (response.ok) return response.json();
    const { _reason, _loss } = await refusal(response);
    throw Object.assign(new Error(_reason), { code: _loss._code ?? "http", status: _loss._status });
  };
