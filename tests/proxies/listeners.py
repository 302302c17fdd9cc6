"""Clients that wait through a proxy: event stream, lines, long poll, WebSocket; each tells the messages it heard."""

import contextlib
import http.client
import json
import socket
import threading
import urllib.parse
import zlib

from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect

PATIENCE_S = 30


class Listener(threading.Thread):
    """Waits on one channel until it is stopped, comes back with its cursor when it was cut off."""

    def __init__(self, proxy, name, kind, cursor=None, source=None):
        super().__init__(daemon=True)
        self.proxy, self.channel, self.kind, self.cursor = proxy, name, kind, cursor
        self.source = (source, 0) if source else None
        self.heard, self.cuts, self.statuses, self.open = [], 0, [], threading.Event()
        self.stopped, self.sockets = False, []
        self.start()

    def run(self):
        while not self.stopped:
            try:
                getattr(self, self.kind)()
            except (OSError, http.client.HTTPException, ConnectionClosed, InvalidHandshake, TimeoutError):
                pass
            # Some proxies wait for that.
            self.hang_up()
            self.cuts += 1
            self.open.clear()
            threading.Event().wait(0.05)

    def stop(self):
        self.stopped = True

    def leave(self):
        """As one whose tab is closed: the connection ends, without a word."""
        self.stopped = True
        self.hang_up()

    def hang_up(self):
        while self.sockets:
            with contextlib.suppress(OSError):
                self.sockets.pop().shutdown(socket.SHUT_RDWR)

    def path(self):
        query = urllib.parse.urlencode({"since": self.cursor} if self.cursor else {})
        return f"{self.proxy.path}/sub/{urllib.parse.quote(self.channel, safe='')}?{query}"

    def ask(self, path, **headers):
        connection = http.client.HTTPConnection(*self.proxy.address, timeout=PATIENCE_S * 3, source_address=self.source)
        connection.connect()
        self.sockets.append(connection.sock)
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        self.statuses.append(response.status)
        if response.status != 200:
            connection.close()
            raise http.client.HTTPException(response.status)
        return connection, response

    def sse(self, **headers):
        _, response = self.ask(self.path(), Accept="text/event-stream", **headers)
        event = {}
        for line in lines(response):
            if line:
                key, _, value = line.partition(": ")
                event[key] = value
                continue
            self.cursor = event.get("id", self.cursor)
            self.open.set()
            if event.get("event", "message") == "message" and "data" in event:
                self.heard.append(event["data"])
            event = {}

    def sse_gzip(self):
        self.sse(**{"Accept-Encoding": "gzip"})

    def stream(self):
        _, response = self.ask(self.path(), Accept="application/x-ndjson")
        for line in lines(response):
            self.take(json.loads(line))

    def poll(self):
        connection, response = self.ask(self.path())
        document = json.loads(response.read())
        connection.close()
        self.cursor = document["cursor"]
        self.open.set()
        self.heard += [message["data"] for message in document["messages"]]

    def ws(self):
        host, port = self.proxy.address
        url = f"ws://{host}:{port}{self.path()}"
        with connect(url, compression=None, ping_interval=None) as connection:
            self.sockets.append(connection.socket)
            self.statuses.append(101)
            while not self.stopped:
                self.take(json.loads(connection.recv(timeout=PATIENCE_S * 3)))

    def take(self, item):
        self.cursor = item.get("cursor", self.cursor)
        self.open.set()
        if "data" in item:
            self.heard.append(item["data"])


def lines(response):
    """The lines of an answer as they come, inflated where it is gzip."""
    inflate = zlib.decompressobj(31) if response.getheader("Content-Encoding") == "gzip" else None
    rest = b""
    while data := response.read1(65536):
        rest += inflate.decompress(data) if inflate else data
        *whole, rest = rest.split(b"\n")
        for line in whole:
            yield line.decode()


KINDS = ["sse", "sse_gzip", "stream", "poll", "ws"]
