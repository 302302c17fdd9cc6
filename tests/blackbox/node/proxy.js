// A TCP proxy that cuts the connections that go through it, when it is told to.

import net from "node:net";

/** Starts a proxy to `host:port`; `cut()` resets every connection, `pass = false` refuses new ones. */
export function startProxy(address) {
  const [host, port] = address.split(":");
  const pairs = new Set();
  const state = { accepted: 0, cuts: 0, requests: [], onBytes: null };
  const server = net.createServer((client) => {
    state.accepted += 1;
    const upstream = net.connect(Number(port), host);
    const pair = { client, upstream, bytes: 0 };
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    client.once("data", (data) => state.requests.push(data.toString("latin1")));
    client.on("data", (data) => upstream.write(data));
    upstream.on("data", (data) => {
      pair.bytes += data.length;
      const keep = state.onBytes ? state.onBytes(pair, data) : data.length;
      if (keep >= data.length) {
        client.write(data);
      } else {
        // In the middle of what was just said: the first part arrives, the rest never does.
        state.cuts += 1;
        client.write(data.subarray(0, keep), end);
      }
    });
    for (const socket of [client, upstream]) {
      socket.on("error", end);
      socket.on("close", end);
    }
  });
  const cut = () => {
    state.cuts += pairs.size;
    for (const pair of pairs) {
      pair.client.resetAndDestroy();
      pair.upstream.destroy();
    }
  };
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      resolve({
        address: `127.0.0.1:${server.address().port}`,
        state,
        cut,
        stop: () => {
          cut();
          server.close();
        },
      });
    });
  });
}
