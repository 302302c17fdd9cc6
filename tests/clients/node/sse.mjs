// Each library for event streams in Node, as its README shows it. `sse.mjs LIBRARY URL` says what the application gets.

import { error, event, say } from "./say.mjs";

/** What a page does with an EventSource. */
function listen(source) {
  source.onopen = () => say("open");
  source.onmessage = ({ lastEventId, data }) => event("message", lastEventId, data);
  source.onerror = (told) => {
    error(told);
    if (source.readyState === 2) say("end");
  };
}

const libraries = {
  async eventsource(url) {
    const { EventSource } = await import("eventsource");
    listen(new EventSource(url));
  },

  async "eventsource-4"(url) {
    const { EventSource } = await import("eventsource-4");
    listen(new EventSource(url));
  },

  async "eventsource-2"(url) {
    const { default: EventSource } = await import("eventsource-2");
    listen(new EventSource(url));
  },

  async "launchdarkly-eventsource"(url) {
    const { EventSource } = (await import("launchdarkly-eventsource")).default;
    const source = new EventSource(url, { initialRetryDelayMillis: 1000, maxRetryDelayMillis: 30000 });
    listen(source);
  },

  async undici(url) {
    const { EventSource } = await import("undici");
    listen(new EventSource(url));
  },

  async "fetch-event-source"(url) {
    // It is made for pages, of which it asks these.
    globalThis.window = globalThis;
    globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
    const { fetchEventSource } = await import("@microsoft/fetch-event-source");
    await fetchEventSource(url, {
      onmessage({ event: name, id, data }) {
        JSON.parse(data);
        event(name, id, data);
      },
      onerror: error,
    });
    say("end");
  },

  async "eventsource-client"(url) {
    const { createEventSource } = await import("eventsource-client");
    const source = createEventSource({ url, onDisconnect: () => error("disconnected") });
    for await (const { data, event: name, id } of source) event(name, id, data);
    say("end");
  },

  async "eventsource-parser"(url) {
    const { createParser } = await import("eventsource-parser");
    const parser = createParser({ onEvent: ({ id, event: name, data }) => event(name, id, data) });
    const response = await fetch(url);
    const text = new TextDecoder();
    for await (const chunk of response.body) parser.feed(text.decode(chunk, { stream: true }));
    say("end");
  },
};

const [library, url] = process.argv.slice(2);
await libraries[library](url);
