"""What stands between a library and the server: it sees what is said first, and cuts connections when told to."""

import asyncio
import re
import socket
import struct


class Proxy:
    """`requests` and `answers` are the heads of each connection; `hold` keeps new ones waiting."""

    def __init__(self, target):
        self.target = target
        self.requests, self.answers = [], []
        self.pairs = set()
        self.free = asyncio.Event()
        self.free.set()

    async def start(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def _serve(self, reader, writer):
        upstream = None
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.requests.append(head.decode("latin-1"))
            await self.free.wait()
            upstream = await asyncio.open_connection(*self.target)
            upstream[1].write(head)
            pair = (writer, upstream[1])
            self.pairs.add(pair)
            try:
                await _either(_copy(reader, upstream[1]), _copy(upstream[0], writer, self.answers))
            finally:
                self.pairs.discard(pair)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            for end in [writer, upstream and upstream[1]]:
                if end:
                    end.close()

    def cut(self, reset):
        """Ends every connection: by FIN in the middle of the stream, or by RST."""
        for client, upstream in list(self.pairs):
            if reset:
                raw = client.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.transport.abort()
            else:
                client.close()
            upstream.transport.abort()

    def asked(self, header):
        """What the first request said in a header; nothing if it did not."""
        return _header(self.requests, header)

    def answered(self, header):
        return _header(self.answers, header)

    async def stop(self):
        self.server.close()
        self.cut(True)


def _header(heads, name):
    found = heads and re.search(rf"^{name}:\s*(.*?)\s*$", heads[0], re.MULTILINE | re.IGNORECASE)
    return found[1] if found else ""


async def _copy(reader, writer, heads=None):
    first = True
    while data := await reader.read(1 << 16):
        if first and heads is not None:
            heads.append(data.partition(b"\r\n\r\n")[0].decode("latin-1"))
        first = False
        writer.write(data)
        await writer.drain()


async def _either(*copies):
    tasks = [asyncio.ensure_future(copy) for copy in copies]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
