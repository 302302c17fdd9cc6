// What is asked and said beside the connection, each by a request of its own: pages of what was said before, and messages.

import { type Settings, call } from "./connection";
import { failed, isForeign, refusal } from "./http";
import type { Item } from "./link";

/** Sends requests with what a connection of these settings would show of itself. */
export const requests =
  (base: URL, settings: Settings) =>
  async (path: string, channel: string, own: object, init?: RequestInit): Promise<Item> => {
    const { since, tail, raw, ...query } = Object.fromEntries(base.searchParams);
    const { credentials } = settings;
    const token = await call(settings.token);
    const headers = { ...(await call(settings.headers)), ...(init?.headers as object) };
    const url = new URL(path + encodeURIComponent(channel), base);
    // What is undefined is no longer there after the way through JSON.
    url.search = "" + new URLSearchParams({ ...query, ...JSON.parse(JSON.stringify({ ...own, token })) });
    const send = (credentials?: RequestCredentials) => (settings.fetch ?? fetch)(url, { ...init, headers, cache: "no-store", credentials });
    let response = await send(credentials);
    // Cookies are all that there is to show to a server of another origin.
    if (response.status === 401 && isForeign(base) && !credentials && !token) response = await send("include");
    if (response.ok) return response.json();
    const { _reason, _loss } = await refusal(response);
    throw failed(_reason, _loss._code, _loss._status);
  };
