// Each library for WebSockets in Node, as its README shows it. `ws.mjs LIBRARY URL COMMAND…` says what the application
// gets, and sends command n where it hears `say-n`.

import { createRequire } from "node:module";

import { error, message, say } from "./say.mjs";

const require = createRequire(import.meta.url);
const [library, url, ...commands] = process.argv.slice(2);

/** Hears a text frame, and does as it says. */
function hear(text, send) {
  message(text);
  commands.forEach((command, n) => text.includes(`say-${n + 1}`) && send(command));
}

/** What a page does with a WebSocket. */
function listen(socket) {
  socket.onopen = () => say("open");
  socket.onmessage = ({ data }) => hear(data, (command) => socket.send(command));
  socket.onerror = error;
  socket.onclose = ({ code, reason }) => (say("close", code, reason), say("end"));
}

const libraries = {
  ws() {
    const WebSocket = require("ws");
    const socket = new WebSocket(url);
    socket.on("open", () => say("open"));
    socket.on("message", (data) => hear(String(data), (command) => socket.send(command)));
    socket.on("error", error);
    socket.on("close", (code, reason) => (say("close", code, reason), say("end")));
  },

  node: () => listen(new WebSocket(url)),

  undici() {
    const { WebSocket } = require("undici");
    listen(new WebSocket(url));
  },

  "faye-websocket"() {
    const { Client } = require("faye-websocket");
    const client = new Client(url);
    client.on("open", () => say("open"));
    client.on("message", ({ data }) => hear(data, (command) => client.send(command)));
    client.on("error", error);
    client.on("close", ({ code, reason }) => (say("close", code, reason), say("end")));
  },

  websocket() {
    const { client: Client } = require("websocket");
    const client = new Client();
    client.on("connectFailed", error);
    client.on("connect", (connection) => {
      say("open");
      connection.on("message", ({ utf8Data }) => hear(utf8Data, (command) => connection.sendUTF(command)));
      connection.on("error", error);
      connection.on("close", (code, reason) => (say("close", code, reason), say("end")));
    });
    client.connect(url);
  },

  "reconnecting-websocket"() {
    const ReconnectingWebSocket = require("reconnecting-websocket");
    const socket = new ReconnectingWebSocket(url, [], { WebSocket: require("ws") });
    socket.addEventListener("open", () => say("open"));
    socket.addEventListener("message", ({ data }) => hear(data, (command) => socket.send(command)));
    socket.addEventListener("error", error);
    socket.addEventListener("close", ({ code, reason }) => say("close", code, reason));
  },
};

libraries[library]();
