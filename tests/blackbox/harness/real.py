"""Speaks a large text nobody here wrote, and hears it over connections that are cut off at random.

Runs in processes of its own: `publish` and `listen` take plain data and give plain data.
"""

import asyncio
import contextlib
import json
import os
import random
import re
import socket
import urllib.parse

from .frames import BINARY, CLOSE, TEXT, frame
from .wire import Chunks

ROUNDS = int(os.environ.get("TESTS_MULTIPLEXOR_ROUNDS") or 1)
PATIENCE_S = 240 * ROUNDS
TRANSPORTS = ("poll", "sse", "bare", "stream", "ws")
# A cut comes after so many bytes, on the average: long enough to get on, short enough to happen often.
BYTES_TO_CUT = 60_000


class Cut(Exception):
    """The connection is over, by our own hand or the server's."""


def publish(address, share):
    """Several publishers at once. `share`: for each, the (channels, line) pairs it says; gives the cursors."""
    return asyncio.run(_all([_publish(address, messages) for messages in share]))


def listen(address, clients):
    """Several clients at once; gives for each what it heard, and how often it was cut off."""
    return asyncio.run(_all([_listen(address, client) for client in clients]))


async def _all(tasks):
    return await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE_S)


async def _publish(address, messages):
    reader, writer = await asyncio.open_connection(*address)
    cursors = []
    for channels, line in messages:
        head = f"POST /pub/{channels} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(line)}\r\n\r\n"
        writer.write(head.encode() + line)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        body = await reader.readexactly(int(re.search(r"content-length: (\d+)", head).group(1)))
        assert head.startswith("http/1.1 200 "), (head, body)
        cursors.append(json.loads(body)["cursor"])
    writer.close()
    return cursors


async def _listen(address, client):
    """Hears until all is heard. A cut loses what was not complete; the cursor says where to go on."""
    chance = random.Random(client["seed"])
    heard, cursor, cuts = [], "0", -1
    await asyncio.sleep(chance.random() * client["late_s"])
    while len(heard) < client["total"]:
        cuts += 1
        async with contextlib.aclosing(connect(address, client, cursor, chance)) as items:
            async for cursor, item in items:
                if item is not None:
                    heard.append((cursor, *item))
                if len(heard) >= client["total"]:
                    break
        await asyncio.sleep(chance.random() * 0.1)
    return heard, cuts


async def connect(address, client, cursor, chance, within=contextlib.nullcontext):
    """What one connection tells until it is over: cursors, each with (channels, data) or none. Its socket is made
    within a context: in a network of its own."""
    early = chance.random() < 0.1
    left = chance.randrange(600) if early else int(chance.expovariate(1 / BYTES_TO_CUT))
    with within():
        one = socket.socket()
    try:
        one.setblocking(False)
        await asyncio.get_running_loop().sock_connect(one, address)
    except BaseException:
        one.close()
        raise
    reader, writer = await asyncio.open_connection(sock=one)
    try:
        async for cursor, item in SPOKEN[client["transport"]](_Wire(reader, writer, left), client, cursor, chance):
            yield cursor, item
    except (Cut, OSError):
        pass
    finally:
        writer.transport.abort()


class _Wire:
    """A connection of which only so many bytes arrive."""

    def __init__(self, reader, writer, left):
        self.reader, self.writer, self.left, self.buffer, self.chunks = reader, writer, left, b"", None

    async def more(self):
        data = await self.reader.read(min(self.left, 65536)) if self.left else b""
        if not data:
            raise Cut
        self.left -= len(data)
        self.buffer += self.chunks.feed(data) if self.chunks else data

    async def until(self, mark):
        while (at := self.buffer.find(mark)) < 0:
            await self.more()
        taken, self.buffer = self.buffer[:at], self.buffer[at + len(mark) :]
        return taken

    async def exactly(self, count):
        while len(self.buffer) < count:
            await self.more()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    async def ask(self, path, *headers):
        self.writer.write("\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode())
        head = (await self.until(b"\r\n\r\n")).decode().lower()
        if head.startswith("http/1.1 503 "):
            raise Cut
        assert re.match(r"http/1\.1 (200|101) ", head), head
        if "transfer-encoding: chunked" in head:
            self.chunks = Chunks()
            self.buffer = self.chunks.feed(self.buffer)
        return head


def _path(client, cursor, **more):
    names = ",".join(urllib.parse.quote(name) for name in client["names"])
    return f"/sub/{names}?" + urllib.parse.urlencode({"since": cursor, **more})


def _item(message):
    assert not message.get("gap"), message
    return message.get("channels") or [message["channel"]], message["data"]


async def _poll(wire, client, cursor, _):
    while True:
        head = await wire.ask(_path(client, cursor))
        document = json.loads(await wire.exactly(int(re.search(r"content-length: (\d+)", head).group(1))))
        assert "gap" not in document
        for message in document["messages"]:
            yield message["cursor"], _item(message)
        cursor = document["cursor"]
        yield cursor, None


async def _events(wire, path, cursor, chance):
    """Blocks of an event stream: (id, data or none). Resumes by either of the two ways."""
    by_header = ["Last-Event-ID: " + cursor] if cursor != "0" and chance.random() < 0.5 else []
    await wire.ask(path, "Accept: text/event-stream", *by_header)
    while True:
        lines = (await wire.until(b"\n\n")).decode().split("\n")
        fields = [line.partition(":") for line in lines]
        data = [value.removeprefix(" ") for name, _, value in fields if name == "data"]
        found = {name: value.removeprefix(" ") for name, _, value in fields}
        assert found.get("event", "cursor") == "cursor", found
        cursor = found.get("id", cursor)
        yield cursor, "\n".join(data) if data and "event" not in found else None


async def _sse(wire, client, cursor, chance):
    async for cursor, data in _events(wire, _path(client, cursor, envelope=1), cursor, chance):
        yield cursor, None if data is None else _item(json.loads(data))


async def _bare(wire, client, cursor, chance):
    async for cursor, data in _events(wire, _path(client, cursor, raw=1), cursor, chance):
        yield cursor, None if data is None else (None, data)


async def _stream(wire, client, cursor, _):
    await wire.ask(_path(client, cursor), "Accept: application/x-ndjson")
    while True:
        item = json.loads(await wire.until(b"\n"))
        yield item["cursor"], _item(item) if "data" in item else None


async def _ws(wire, client, cursor, _):
    await wire.ask(
        _path(client, cursor),
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    )
    while True:
        first, length = await wire.exactly(2)
        if length >= 126:
            length = int.from_bytes(await wire.exactly(2 if length == 126 else 8), "big")
        payload = await wire.exactly(length)
        if first == 0x80 | CLOSE:
            wire.writer.write(frame(CLOSE, payload[:2]))
            raise Cut
        assert first == 0x80 | TEXT and first != 0x80 | BINARY
        item = json.loads(payload)
        yield item["cursor"], _item(item) if "data" in item else None


SPOKEN = {"poll": _poll, "sse": _sse, "bare": _bare, "stream": _stream, "ws": _ws}
